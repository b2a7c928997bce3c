"""Results as they are decided, one after another, from any place on.

A place is a cursor: the version of the batch up to which everything was received, and of chunks
that were received in part the number of results. Who gives it back gets what comes after it, in
the order in which it was decided, each result once; a result that was opened again and decided
anew comes again.
"""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Protocol

from msgspec import Struct

from batches.chunk import ChunkResults, ChunkState
from batches.errors import BadCursor
from batches.progress import Progress
from verdicts.verdict import RecordResult, Status

CHUNKS_PER_TRIP_MAX = 4
"""Chunks whose results are in memory for one reader."""
CURSOR_CHARS_MAX = 400
_CURSOR = re.compile(r"\d{1,18}(?:\.\d{1,9}:\d{1,5})*")


class Arrival(Struct, frozen=True):
    """A result, and the cursor behind it."""

    result: RecordResult
    cursor: str


class Store(Protocol):
    """What arrivals need of the store of batches."""

    async def results_since(
        self, tenant: str, batch_id: str, version: int, limit: int
    ) -> list[ChunkResults]:
        """Return chunks that have results newer than `version`, in the order of their change."""
        ...


class Unpacking(Protocol):
    """How bytes become results."""

    def unpacked(
        self, blob: bytes, first_index: int
    ) -> tuple[Sequence[int], Sequence[RecordResult]]:
        """Return places in a chunk that begins with `first_index`, and the results there."""
        ...


class _Place:
    """How far a reader is. `partly` has the number of results received, by chunk."""

    def __init__(self, cursor: str | None) -> None:
        """Stand behind `cursor`; BadCursor when it is none."""
        self.version = 0
        self.partly: dict[int, int] = {}
        if cursor is None:
            return
        if len(cursor) > CURSOR_CHARS_MAX or not _CURSOR.fullmatch(cursor):
            raise BadCursor(cursor[:CURSOR_CHARS_MAX])
        version, *partly = cursor.split(".")
        self.version = int(version)
        for part in partly:
            seq, _, number = part.partition(":")
            self.partly[int(seq)] = int(number)

    def cursor(self) -> str:
        """Return what stands for this place."""
        partly = (f".{seq}:{number}" for seq, number in self.partly.items())
        return f"{self.version}{''.join(partly)}"

    def passed(self, chunk: ChunkResults) -> None:
        """Note that all of a chunk was received, and with it all that changed before."""
        self.version = chunk.version
        self.partly.pop(chunk.seq, None)


class Arrivals:
    """Reads the results of batches as they come."""

    def __init__(
        self,
        store: Store,
        progress: Progress,
        unpacking: Unpacking,
        made: type[RecordResult] = RecordResult,
    ) -> None:
        """Read from `store` when `progress` says that there may be more.

        `made` is the class of results, where kinds are declared another one than usual.
        """
        self._store = store
        self._made = made
        self._progress = progress
        self._unpacking = unpacking

    async def follow(
        self, tenant: str, batch_id: str, after: str | None = None
    ) -> AsyncGenerator[Arrival]:
        """Yield each result behind the cursor `after`, until the batch has ended.

        It reads on when the last one is taken, so a slow reader makes nothing grow.

        Raises:
            NoSuchBatch: there is none, or it was deleted meanwhile.
            BadCursor: `after` is none of ours.
            StoreError: the store can't be read.
        """
        place = _Place(after)
        async with aclosing(self._progress.follow(tenant, batch_id)) as changes:
            async for snapshot in changes:
                while place.version < snapshot.batch.version:
                    chunks = await self._store.results_since(
                        tenant, batch_id, place.version, CHUNKS_PER_TRIP_MAX
                    )
                    for chunk in chunks:
                        for arrival in self._of(chunk, place):
                            yield arrival
                    if len(chunks) < CHUNKS_PER_TRIP_MAX:
                        break

    def _of(self, chunk: ChunkResults, place: _Place) -> Iterator[Arrival]:
        """Yield what is new in a chunk, moving `place` on."""
        received = place.partly.get(chunk.seq, chunk.seen)
        decided = list(self._decided(chunk))
        for number, result in enumerate(decided[received:], received + 1):
            if number == len(decided):
                place.passed(chunk)
            else:
                place.partly[chunk.seq] = number
            yield Arrival(result, place.cursor())
        place.passed(chunk)

    def _decided(self, chunk: ChunkResults) -> Iterator[RecordResult]:
        """Yield all results of a chunk that stand, in the order in which they were decided."""
        parts = chunk.parts if chunk.results is None else (chunk.results, *chunk.parts)
        reopened = chunk.reopened_parts + (chunk.results is not None)
        open_ = set(range(chunk.records)) if chunk.state is ChunkState.DEAD else set[int]()
        for number, part in enumerate(parts):
            places, results = self._unpacking.unpacked(part, chunk.first_index)
            for at, result in zip(places, results, strict=True):
                if number >= reopened or result.status not in chunk.reopened:
                    open_.discard(at)
                    yield result
        for at in sorted(open_):  # given up: the store counts them so
            yield self._made(None, chunk.first_index + at, Status.UNKNOWN)
