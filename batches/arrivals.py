"""Results as they are decided, one after another, from any place on.

Chunks are read in the order in which they last changed, in passes: each pass begins at a version
of the batch up to which everything was received. A chunk that changes again while others are read
has older results that were not received, so a cursor says where its pass began, how far the pass
is, and how many results were received of the chunks of this pass that may still change.

Who gives a cursor back gets what comes after it, each result once; a result that was opened again
and decided anew comes again, and so does what else was received of its chunk in the same pass.
"""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Protocol

from msgspec import Struct

from batches.chunk import ChunkResults, ChunkState
from batches.decided import refs_of
from batches.errors import BadCursor
from batches.given import Records, unpacked_layout
from batches.progress import Progress
from verdicts.verdict import RecordResult, Status

CHUNKS_PER_TRIP_MAX = 4
"""Chunks whose results are in memory for one reader."""
CURSOR_CHARS_MAX = 4_000
"""Room for some hundred chunks that are worked on at once."""
_STILL = frozenset({ChunkState.DONE, ChunkState.DEAD})
_CURSOR = re.compile(r"\d{1,18}(?:-\d{1,18})?(?:\.\d{1,9}:\d{1,5}:\d{1,18})*")


class Arrival(Struct, frozen=True):
    """A result, and the cursor behind it."""

    result: RecordResult
    cursor: str


class Store(Protocol):
    """What arrivals need of the store of batches."""

    async def results_since(
        self, tenant: str, batch_id: str, version: int, limit: int, *, seen: int | None = None
    ) -> list[ChunkResults]:
        """Return chunks that have results newer than `version`, in the order of their change.

        `ChunkResults.seen` counts those that are not newer than `seen`.
        """
        ...


class Unpacking(Protocol):
    """How bytes become results."""

    def unpacked(
        self, blob: bytes, first_index: int
    ) -> tuple[Sequence[int], Sequence[RecordResult]]:
        """Return places in a chunk that begins with `first_index`, and the results there."""
        ...


class _Place:
    """How far a reader is.

    Everything up to version `began` was received, and in this pass every chunk that changed last
    up to `through`. `received` has the number of results of those that may still change, and of
    the one that is being read, with the `opened` that they had.
    """

    def __init__(self, cursor: str | None) -> None:
        """Stand behind `cursor`; BadCursor when it is none."""
        self.began = self.through = 0
        self.received: dict[int, tuple[int, int]] = {}
        if cursor is None:
            return
        if len(cursor) > CURSOR_CHARS_MAX or not _CURSOR.fullmatch(cursor):
            raise BadCursor(cursor[:CURSOR_CHARS_MAX])
        versions, *received = cursor.split(".")
        began, _, through = versions.partition("-")
        self.began = int(began)
        self.through = int(through or began)
        for one in received:
            seq, number, opened = map(int, one.split(":"))
            self.received[seq] = (number, opened)

    def cursor(self) -> str:
        """Return what stands for this place."""
        through = f"-{self.through}" if self.through != self.began else ""
        received = "".join(f".{seq}:{of}:{opened}" for seq, (of, opened) in self.received.items())
        return f"{self.began}{through}{received}"

    def passed(self, chunk: ChunkResults, number: int) -> None:
        """Note that all `number` results that a chunk has now were received."""
        self.through = chunk.version
        if chunk.state in _STILL:
            self.received.pop(chunk.seq, None)
        else:
            self.received[chunk.seq] = (number, chunk.opened)

    def whole(self) -> None:
        """End a pass: nothing is left behind."""
        self.began = self.through
        self.received.clear()


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
                more = place.through < snapshot.batch.version
                while more:
                    chunks = await self._store.results_since(
                        tenant, batch_id, place.through, CHUNKS_PER_TRIP_MAX, seen=place.began
                    )
                    for chunk in chunks:
                        for arrival in self._of(chunk, place, snapshot.batch.layout):
                            yield arrival
                    more = len(chunks) == CHUNKS_PER_TRIP_MAX
                place.whole()

    def _of(self, chunk: ChunkResults, place: _Place, layout: bytes) -> Iterator[Arrival]:
        """Yield what is new in a chunk, moving `place` on."""
        received, opened = place.received.get(chunk.seq, (0, -1))
        if opened != chunk.opened:
            received = chunk.seen
        decided = list(self._decided(chunk, layout))
        for number, result in enumerate(decided[received:], received + 1):
            if number == len(decided):
                place.passed(chunk, number)
            else:
                place.received[chunk.seq] = (number, chunk.opened)
            yield Arrival(result, place.cursor())
        place.passed(chunk, len(decided))

    def _decided(self, chunk: ChunkResults, layout: bytes) -> Iterator[RecordResult]:
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
        if open_:  # given up: the store counts them so
            refs = _refs(chunk, layout)
            for at in sorted(open_):
                yield self._made(refs[at], chunk.first_index + at, Status.UNKNOWN)


def _refs(chunk: ChunkResults, layout: bytes) -> Sequence[str | None]:
    """Return the client's own names of the records of `chunk`."""
    reading = Records(unpacked_layout(layout))
    given = None if chunk.given is None else reading.given(chunk.given)
    return refs_of(given, reading, chunk.records)
