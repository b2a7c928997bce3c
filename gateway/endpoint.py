"""GraphQL over HTTP: the plain ASGI application at /graphql.

Follows the GraphQL-over-HTTP draft, and passes every audit of the npm package graphql-http. It
reads and writes JSON with orjson, and answers everything wrong with typed JSON: no body, however
malformed, gets a 500.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import cast
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admission import FORBIDDEN
from gateway.asked import (
    Asked,
    Callers,
    Executor,
    Headers,
    Refusal,
    encoded,
    masked,
    parsed,
)
from gateway.feeds import Feeds, Follower
from gateway.load import BUSY
from gateway.streams import EVENTS, Format, Once, format_of, resumed, stream
from schema.lane.errors import origin
from schema.lane.response import Response

BODY_BYTES_MAX = 8 << 20
BODY_WAIT_S = 30.0
"""The longest that a client may take to send its body."""
QUERY_STRING_BYTES_MAX = 32_768

JSON = b"application/json"
RESPONSE_JSON = b"application/graphql-response+json"
_ANY_JSON = frozenset({b"*/*", b"application/*", JSON})
_JSON_CONTENT = frozenset({JSON, b"application/json; charset=utf-8"})
_LENGTH_DIGITS_MAX = 15
"""A Content-Length of more digits is beyond every bound: it is not even read as a number."""
_ACCEPTS_KEPT_MAX = 256
_CLOSE = (b"connection", b"close")  # with the body left unread, nothing more can be sent

_log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client went away before its body was whole."""


class Endpoint:
    """Answers POST, and GET for queries.

    `context_for` makes the context of an operation out of the request's ASGI scope, before its
    body is read; it may raise `Refusal`. `page` answers a GET of a browser that asks nothing.
    With `feeds` it streams subscriptions to whoever accepts that (`gateway.streams`).
    """

    def __init__(
        self,
        schema: Executor,
        context_for: Callable[[Scope], Awaitable[object]],
        page: ASGIApp | None = None,
        *,
        feeds: Feeds | None = None,
        callers: Callers | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
        body_wait_s: float = BODY_WAIT_S,
    ) -> None:
        self._schema = schema
        self._context_for = context_for
        self._page = page
        self._feeds = feeds
        self._callers = callers or Callers()
        self._body_bytes_max = body_bytes_max
        self._body_wait_s = body_wait_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request.

        A client that goes away cancels nothing: what it asked for may be what others wait for.
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        media_type, unread = JSON, scope["method"] != "GET"
        try:
            accept = _accept(scope, headers)
            if self._page is not None and _wants_page(scope, accept):
                await self._page(scope, receive, send)
                return
            streamed = format_of(accept) if self._feeds is not None else None
            media_type = negotiated(accept) if streamed is None else _beside_streams(accept)
            get = _is_get(scope)
            if get:
                asked = self._callers.asking(_from_query_string(scope["query_string"]))
                context = await self._context_for(scope)
            else:
                _check_content(headers, self._body_bytes_max)
                context = await self._context_for(scope)
                body = await self._body(receive)
                unread = False
                asked = self._callers.asking(parsed(body, "The body"))
            if streamed is not None:
                asked.extensions = resumed(asked.extensions, headers)
            answer = await self._schema.answer(
                asked.query,
                asked.variables,
                asked.operation_name,
                context,
                extensions=asked.extensions,
                queries_only=get,
            )
            if answer.stopped == "mutation":
                raise Refusal(
                    405, "METHOD_NOT_ALLOWED", "Send mutations by POST.", {"allow": "POST"}
                )
            follower = self._follower(streamed, asked, answer, context)
            if streamed is not None and follower is not None:
                sent_out = asyncio.Event()
                left = self._callers.stay(context, sent_out.set)
                try:
                    await stream(streamed, follower, scope, receive, send, sent_out)
                finally:
                    left()
                return
            status, body = _status(answer, media_type), encoded(answer)
            await _respond(send, media_type, status, body, self._callers.besides(context))
        except Refusal as refusal:
            body = orjson.dumps({"errors": refusal.errors})
            headers_besides = [*refusal.headers, _CLOSE] if unread else refusal.headers
            await _respond(send, media_type, refusal.status, body, headers_besides)
        except _Gone:
            return
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach a client unmasked
            told = masked()
            _log.error("request failed", extra={"id": told["extensions"]["id"], **origin(error)})
            body = orjson.dumps({"errors": [told]})
            await _respond(send, media_type, 500, body)

    def _follower(
        self, streamed: Format | None, asked: Asked, answer: Response, context: object
    ) -> Follower | None:
        """Return what is to be streamed; None where a plain response answers."""
        if streamed is None or self._feeds is None:
            return None
        if answer.stopped == "subscription":
            return self._feeds.follow(asked, context)
        return Once(answer) if streamed is EVENTS else None

    async def _body(self, receive: Receive) -> bytes:
        message = await receive()
        if not message.get("more_body", False):
            return self._chunk(message, 0)
        try:
            async with asyncio.timeout(self._body_wait_s):
                chunks = [self._chunk(message, 0)]
                size = len(chunks[0])
                while message.get("more_body", False):
                    message = await receive()
                    chunks.append(self._chunk(message, size))
                    size += len(chunks[-1])
        except TimeoutError:
            raise Refusal(
                408,
                "REQUEST_TIMEOUT",
                f"The body took longer than {self._body_wait_s:g} s.",
            ) from None
        return b"".join(chunks)

    def _chunk(self, message: Message, size: int) -> bytes:
        if message["type"] == "http.disconnect":
            raise _Gone
        chunk: bytes = message.get("body", b"")
        if size + len(chunk) > self._body_bytes_max:
            raise _too_large(self._body_bytes_max)
        return chunk


def _accept(scope: Scope, headers: Mapping[bytes, bytes]) -> bytes:
    if len(headers) == len(scope["headers"]):
        return headers.get(b"accept", b"")
    return b",".join(value for name, value in scope["headers"] if name == b"accept")


@lru_cache(maxsize=_ACCEPTS_KEPT_MAX)
def negotiated(accept: bytes) -> bytes:
    """Return the media type to answer with; the older one when the client does not mind.

    Raises:
        Refusal: 406, the client takes neither.
    """
    json = response_json = 0.0
    for part in accept.lower().split(b","):
        name, *parameters = (piece.strip() for piece in part.split(b";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith(b"q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if name == RESPONSE_JSON:
            response_json = max(response_json, quality)
        elif name in _ANY_JSON or not accept.strip():
            json = max(json, quality)
    if response_json and response_json >= json:
        return RESPONSE_JSON
    if json:
        return JSON
    types = f"{RESPONSE_JSON.decode()} or {JSON.decode()}"
    raise Refusal(406, "NOT_ACCEPTABLE", f"Accept {types}; there is nothing else to send.")


def _beside_streams(accept: bytes) -> bytes:
    """Return the media type of what is not streamed to a client that takes streams.

    Apollo Client reads why it was refused only in the newer one, which it names.
    """
    try:
        return negotiated(accept)
    except Refusal:
        return JSON


def _wants_page(scope: Scope, accept: bytes) -> bool:
    return (
        scope["method"] == "GET"
        and b"text/html" in accept
        and b"query=" not in scope["query_string"]
    )


def _is_get(scope: Scope) -> bool:
    method: str = scope["method"]
    if method in {"GET", "POST"}:
        return method == "GET"
    raise Refusal(
        405, "METHOD_NOT_ALLOWED", "Use POST, or GET for queries.", {"allow": "GET, POST"}
    )


def _check_content(headers: Mapping[bytes, bytes], body_bytes_max: int) -> None:
    content_type = headers.get(b"content-type", b"")
    if content_type not in _JSON_CONTENT and not _is_json(content_type):
        raise Refusal(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "Send Content-Type: application/json, in UTF-8.",
        )
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body uncompressed.")
    length = headers.get(b"content-length", b"0")
    if len(length) > _LENGTH_DIGITS_MAX or (length.isdigit() and int(length) > body_bytes_max):
        raise _too_large(body_bytes_max)


def _is_json(content_type: bytes) -> bool:
    name, *parameters = (piece.strip() for piece in content_type.lower().split(b";"))
    charsets = [p.partition(b"=")[2].strip(b'"') for p in parameters if p.startswith(b"charset=")]
    return name == JSON and all(charset in {b"utf-8", b"utf8"} for charset in charsets)


def _too_large(body_bytes_max: int) -> Refusal:
    return Refusal(
        413,
        "PAYLOAD_TOO_LARGE",
        f"The body is larger than {body_bytes_max} bytes; send fewer records at once.",
    )


def _from_query_string(raw: bytes) -> dict[str, object]:
    if len(raw) > QUERY_STRING_BYTES_MAX:
        raise Refusal(414, "URI_TOO_LONG", "The query is too long for GET; send it by POST.")
    try:
        members: dict[str, object] = dict(
            parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
        )
    except (UnicodeDecodeError, ValueError):
        raise Refusal(400, "BAD_REQUEST", "The query string is not URL-encoded UTF-8.") from None
    for name in ("variables", "extensions"):
        if text := members.get(name):
            members[name] = parsed(cast("str", text), f"The parameter {name}")
        else:
            members.pop(name, None)
    if not members.get("operationName"):
        members.pop("operationName", None)
    return members


_STATUSES = {FORBIDDEN: 403, BUSY: 503}
"""Of refusals that a proxy, too, should know for what they are."""


def _status(answer: Response, media_type: bytes) -> int:
    if answer.stopped is None:
        return 200
    if answer.stopped == "failed":
        return 500
    if answer.errors:
        refused = _STATUSES.get(answer.errors[0]["extensions"]["code"])
        if refused is not None:
            return refused
    return 400 if media_type is RESPONSE_JSON else 200


async def _respond(
    send: Send,
    media_type: bytes,
    status: int,
    body: bytes,
    headers: Headers = (),
) -> None:
    start = [
        (b"content-type", media_type + b"; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
