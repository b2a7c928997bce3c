"""A file on its way into a batch: piece by piece, so that a broken connection costs one piece."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import orjson

from batches.source.errors import SourceError
from batches.source.unpacking import Body
from gateway.cli.distant import Away, Distant, Patience, refusal, whole
from gateway.cli.errors import SOMETHING_FAILED, WRONG_USAGE, CommandError
from providers.errors import ProviderError

PIECE_BYTES = 2 << 20
HELD_BYTES_MAX = 64 << 20
"""Of rows that are not whole yet: a quote that nobody closes."""
READ_BYTES = 1 << 18
OK, CREATED = 200, 201
LATER = frozenset({408, 429, 502, 503, 504})
"""Answers that say: try again."""
FULL = 507
"""The disk of its store is full."""
OURS = 500
"""From here on a status says that it is not the client's fault."""
OUT_OF_STEP = frozenset({"OUT_OF_STEP", "SUPERSEDED"})
"""Of a piece that arrived although nobody could tell us so."""


class Refusal(CommandError):
    """The file is not taken; what arrived before may be kept."""


class Source:
    """The bytes of a file, unpacked if it is packed."""

    def __init__(self, stream: BinaryIO, size: int | None) -> None:
        """Read `stream` from where it is; `size` is that of the file, None when nobody knows."""
        self.size = size
        self.read_bytes = 0
        self._stream = stream
        self._body = Body()

    def read(self, limit: int) -> bytes:
        """Return the next `limit` bytes, fewer only at the end.

        Raises:
            SourceError: it can't be unpacked.
            OSError: it can't be read.
        """
        parts: list[bytes] = []
        while limit:
            found = self._body.read(min(limit, READ_BYTES))
            if found:
                parts.append(found)
                limit -= len(found)
            elif self._body.ended:
                break
            else:
                raw = self._stream.read(READ_BYTES)
                self.read_bytes += len(raw)
                if raw:
                    self._body.feed(raw)
                else:
                    self._body.end()
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes; CommandError when there are not so many."""
        while count:
            found = len(self.read(min(count, PIECE_BYTES)))
            if not found:
                raise CommandError(
                    "This file is shorter than what arrived of it before. Is it the same?",
                    WRONG_USAGE,
                )
            count -= found


class Uploading:
    """Sends one file into one batch. `moved` is called when more of it is kept."""

    def __init__(
        self, distant: Distant, batch_id: str, patience: Patience, moved: Callable[[], None]
    ) -> None:
        self._distant = distant
        self._path = f"/batches/{batch_id}/upload"
        self._patience = patience
        self._moved = moved
        self._left = (
            "What arrived is kept: send the same file again with"
            f" `{distant.hint('submit', 'FILE', '--resume', batch_id)}`."
        )

    async def send(self, source: Source, offset: int) -> dict[str, Any]:
        """Send all of `source` behind `offset`, and return what Assay says of the file.

        Raises:
            Refusal: the file is not taken.
            CommandError: nobody answers any more, or it can't be read here.
        """
        held, last, answer = b"", False, {}
        while not last:
            try:
                part = await _read(source)
            except SourceError as error:
                raise Refusal(error.message, WRONG_USAGE) from None
            except OSError as error:
                raise CommandError(f"The file can't be read: {error}. {self._left}") from None
            last = len(part) < PIECE_BYTES
            held += part
            if len(held) > HELD_BYTES_MAX:
                raise Refusal(
                    f"No row ends within {HELD_BYTES_MAX >> 20} MB: is a quote never closed?",
                    WRONG_USAGE,
                )
            answer = await self._piece(held, offset, last=last)
            kept = answer["upload"]["offset"]
            held, offset = held[kept - offset :], kept
            self._moved()
        return answer

    async def kept(self) -> int:
        """Return how much of the file is kept. Raise as `send`."""
        return (await self._told())["upload"]["offset"]

    async def _piece(self, held: bytes, offset: int, *, last: bool) -> dict[str, Any]:
        """Send `held`, again where the connection breaks, and return where the file stands."""
        end = offset + len(held)
        while True:
            headers = {
                "Content-Type": "application/partial-upload",
                "Upload-Offset": str(offset),
                "Upload-Complete": "?1" if last else "?0",
            }
            try:
                return await self._asked("PATCH", headers, held)
            except ProviderError as error:
                await self._patience.lost(error, self._left)
            answer = await self._told()
            kept = answer["upload"]["offset"]
            if answer["upload"]["complete"] or (not last and kept == end):
                return answer
            if not offset <= kept <= end:
                raise CommandError(f"Somebody else sends this file, too. {self._left}")
            held, offset = held[kept - offset :], kept

    async def _told(self) -> dict[str, Any]:
        while True:
            try:
                return await self._asked("GET", {}, None)
            except ProviderError as error:
                await self._patience.lost(error, self._left)

    async def _asked(
        self, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> dict[str, Any]:
        async with self._distant.flow(method, self._path, headers, body) as flow:
            body = await whole(flow)
        if flow.status == OK:
            self._patience.fine()
            return orjson.loads(body)
        code, message = refusal(self._distant, flow.status, body)
        if flow.status in LATER or code in OUT_OF_STEP:
            raise Away(message)
        if flow.status == FULL:
            raise CommandError(f"{message} {self._left}")
        raise Refusal(message, WRONG_USAGE if flow.status < OURS else SOMETHING_FAILED)


async def _read(source: Source) -> bytes:
    """Return the next piece. A terminal or pipe that says nothing keeps nobody from leaving."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[bytes] = loop.create_future()

    def tell(part: bytes, error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(part)
        else:
            found.set_exception(error)

    def read() -> None:
        part, failed = b"", None
        try:
            part = source.read(PIECE_BYTES)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            failed = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, part, failed)

    # those of the loop's own pool are waited for at the end
    threading.Thread(target=read, name="file", daemon=True).start()
    return await found


async def created(distant: Distant, query: str, key: str, patience: Patience) -> str:
    """Make the batch that a file goes into, and return its id.

    `query` is that of `POST /batches`; with the same `key` it is made just once.

    Raises:
        CommandError: it is refused, or nobody answers.
    """
    headers = {
        "Content-Type": "application/octet-stream",
        "Idempotency-Key": key,
        "Upload-Complete": "?0",
    }
    while True:
        try:
            async with distant.flow("POST", f"/batches?{query}", headers, b"") as flow:
                body = await whole(flow)
            if flow.status in LATER:
                raise Away(refusal(distant, flow.status, body)[1])
        except ProviderError as error:
            await patience.lost(error, "Nothing was sent.")
            continue
        if flow.status not in {OK, CREATED}:
            raise CommandError(refusal(distant, flow.status, body)[1], WRONG_USAGE)
        patience.fine()
        return orjson.loads(body)["batch"]["id"]
