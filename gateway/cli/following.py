"""A batch followed while it runs: server-sent events, again and again where they break off."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import orjson

from gateway.cli.distant import FOLLOW, Away, Distant, Patience, refusal, whole
from gateway.cli.errors import CommandError
from providers.errors import ProviderError

OK = 200
OVER = frozenset({"COMPLETED", "CANCELLED", "FAILED"})
STILL = frozenset({"DRAFT", "CAPPED"})
"""States in which a batch waits for a person, and would do so for ever."""
EVENT_BYTES_MAX = 8 << 20
LATER = frozenset({429, 502, 503, 504})


async def follow(
    distant: Distant, batch_id: str, patience: Patience, seen: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Call `seen` with each status of the batch; return the one behind which nothing happens.

    Raises:
        CommandError: there is no such batch (any more), or nobody answers.
    """
    left = f"The batch is kept. Come back with: {distant.hint('follow', batch_id)}"
    while True:
        try:
            async with aclosing(_statuses(distant, batch_id)) as statuses:
                async for status in statuses:
                    patience.fine()
                    seen(status)
                    if status["state"] in OVER | STILL:
                        return status
            raise Away("it has ended the stream")
        except ProviderError as error:
            await patience.lost(error, left)


async def _statuses(distant: Distant, batch_id: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield each status as it is told. Raise ProviderError when the stream breaks."""
    headers = {"Accept": "text/event-stream", "Content-Type": "application/json"}
    body = orjson.dumps({"query": FOLLOW, "variables": {"id": batch_id}})
    async with distant.flow("POST", "/graphql", headers, body) as flow:
        if flow.status != OK:
            _, message = refusal(distant, flow.status, await whole(flow))
            raise Away(message) if flow.status in LATER else CommandError(message)
        async for event, data in events(flow.parts()):
            if event != b"next":
                continue
            told = orjson.loads(data)
            for error in told.get("errors") or ():
                if error.get("extensions", {}).get("code") == "NOT_FOUND":
                    raise distant.unknown(batch_id)
                raise Away(error["message"])
            yield told["data"]["batchStatus"]


async def events(parts: AsyncIterator[bytes]) -> AsyncGenerator[tuple[bytes, bytes]]:
    """Yield name and data of each whole event (WHATWG HTML, section 9.2.6; of one line each).

    Raises:
        ProviderError: one is larger than there is.
    """
    held = b""
    async for part in parts:
        held += part
        *whole_ones, held = held.split(b"\n\n")
        if len(held) > EVENT_BYTES_MAX:
            raise Away("an event is larger than there is")
        for one in whole_ones:
            fields = dict(_field(line) for line in one.split(b"\n"))
            yield fields.get(b"event", b""), fields.get(b"data", b"")


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")
