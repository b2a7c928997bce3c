"""Subscriptions over HTTP, as server-sent events or as a multipart response.

Server-sent events in the distinct connections mode of the npm package graphql-sse, by its
PROTOCOL.md: each operation has a request of its own, and queries and mutations may come this way,
too. An event has the cursor of what it tells as its id, so that a browser's EventSource goes on
from there. The multipart response is that of Apollo Client
(`multipart/mixed;subscriptionSpec=1.0`).

Both start at once and say something when there is nothing to tell, so that no proxy gives them up,
and both ask nginx not to hold them back.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import lru_cache

import orjson
from msgspec import Struct
from starlette.types import Receive, Scope, Send

from gateway.asked import Refusal, encoded
from gateway.feeds import Follower, Told
from gateway.stopping import stop_of
from schema.lane.errors import origin
from schema.lane.response import Response
from schema.lane.subscribing import RESUME_AFTER

EVENT_STREAM = b"text/event-stream"
MULTIPART = b"multipart/mixed"
SPECIFIED = (b"subscriptionspec", b"1.0")
BOUNDARY = b"graphql"
EVENTS_PING_S = 15.0
PARTS_PING_S = 5.0
"""As Apollo's routers send them."""
LAST_EVENT_ID = b"last-event-id"
SENT_OUT = Refusal(401, "UNAUTHENTICATED", "The key was revoked, or has expired.")
_ACCEPTS_KEPT_MAX = 256

_log = logging.getLogger(__name__)


class Events(Struct, frozen=True):
    """Server-sent events, as WHATWG's HTML describes them in section 9.2."""

    media_type: bytes = EVENT_STREAM + b"; charset=utf-8"
    ping: bytes = b":\n\n"
    ping_s: float = EVENTS_PING_S
    opening: bytes = b":\n\n"
    end: bytes = b"event: complete\ndata:\n\n"

    def message(self, told: Told) -> bytes:
        """Return a `next` event; JSON has no line break that would end it."""
        head = b"" if told.cursor is None else b"id: %s\n" % told.cursor.encode()
        return b"%sevent: next\ndata: %s\n\n" % (head, told.text.encode())


class Parts(Struct, frozen=True):
    """A multipart response: the delimiter comes right after each part, which it makes whole."""

    media_type: bytes = MULTIPART + b'; boundary="' + BOUNDARY + b'"; subscriptionSpec="1.0"'
    ping: bytes = b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--" + BOUNDARY
    ping_s: float = PARTS_PING_S
    opening: bytes = b"--" + BOUNDARY
    end: bytes = b"--\r\n"

    def message(self, told: Told) -> bytes:
        """Return a part; a request that was refused is an error of the transport."""
        text = told.text.encode()
        payload = b'{"payload":null,' + text[1:] if told.stopped else b'{"payload":%s}' % text
        head = b"\r\ncontent-type: application/json; charset=utf-8\r\n\r\n"
        return head + payload + b"\r\n--" + BOUNDARY


Format = Events | Parts
EVENTS, PARTS = Events(), Parts()


@lru_cache(maxsize=_ACCEPTS_KEPT_MAX)
def format_of(accept: bytes) -> Format | None:
    """Return how the `Accept` of a request wants subscriptions; None if it names neither way."""
    for part in accept.lower().split(b","):
        name, *rest = (piece.strip() for piece in part.split(b";"))
        parameters = [
            (key.strip(), value.strip().strip(b'"'))
            for key, _, value in (piece.partition(b"=") for piece in rest)
        ]
        if any(key == b"q" and not value.strip(b"0.") for key, value in parameters):
            continue
        if name == EVENT_STREAM:
            return EVENTS
        if name == MULTIPART and SPECIFIED in parameters:
            return PARTS
    return None


def resumed(
    extensions: dict[str, object] | None, headers: dict[bytes, bytes]
) -> dict[str, object] | None:
    """Return the extensions of a request, with the id of the last event that it names."""
    last = headers.get(LAST_EVENT_ID)
    if not last:
        return extensions
    return {**(extensions or {}), RESUME_AFTER: last.decode("utf-8", "replace")}


class Once:
    """Follows what is there already: the answer to a query or mutation."""

    def __init__(self, answer: Response) -> None:
        stopped = answer.stopped is not None
        self._left: list[Told] = [Told(encoded(answer).decode(), None, stopped)]

    async def next(self) -> Told | None:
        """Return the answer, and None when it was returned before."""
        return self._left.pop() if self._left else None

    async def close(self) -> None:
        """Do nothing: nothing runs."""


async def stream(
    format_: Format,
    follower: Follower,
    scope: Scope,
    receive: Receive,
    send: Send,
    sent_out: asyncio.Event,
) -> None:
    """Send all that `follower` gets, until there is no more or either side ends it; close it.

    Once `sent_out` is set the client is told that it may not stay.
    """
    stop = stop_of(scope)
    works = [_told(format_, follower, send), _left(receive), _set(sent_out)]
    if stop is not None:
        works.append(_set(stop))
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done: set[asyncio.Task[None]] = set()
        while not done:
            done, _ = await asyncio.wait(
                tasks, timeout=format_.ping_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                await _body(send, format_.ping)
        if tasks[0].done() and (failure := tasks[0].exception()) is not None:
            _log.error("stream failed", extra=origin(failure))
        elif tasks[0].done():
            await _body(send, format_.end)
        elif sent_out.is_set():
            told = Told(orjson.dumps({"errors": SENT_OUT.errors}).decode(), None, stopped=True)
            await _body(send, format_.message(told) + format_.end)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await follower.close()


def _headers(media_type: bytes) -> Sequence[tuple[bytes, bytes]]:
    return [
        (b"content-type", media_type),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]


async def _told(format_: Format, follower: Follower, send: Send) -> None:
    headers = _headers(format_.media_type)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _body(send, format_.opening)
    while (told := await follower.next()) is not None:
        await _body(send, format_.message(told))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
