"""Erasing records that hold a value, in whosever batches: what was given, and what was found.

A record is erased as a whole, whichever of its fields or columns holds the value: the rest of it is
about the same person. Its place, its status and its reasons stay, so that a batch counts and reads
as before.
"""

import asyncio
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast

import msgspec
from msgspec import Struct

from batches.batch import Batch
from batches.chunk import ChunkRef, ChunkResults, Written
from batches.errors import NoSuchBatch
from batches.given import Given, Records
from batches.packing import ChunkPacking
from batches.shapes import cell_text
from batches.store import Store
from checks.kinds import KindModule, forms_of
from verdicts.record import Record
from verdicts.verdict import RecordResult

BATCHES_PER_TRIP = 100
CHUNKS_PER_TRIP = 8
BUSY_WAIT_S = 30.0
"""For chunks that are being worked on: their worker would write what it has read."""
BUSY_AGAIN_S = 0.5


class Sought:
    """A value, in the ways in which a record may hold it."""

    def __init__(self, kinds: Sequence[KindModule], text: str, kind: str | None = None) -> None:
        """Look for `text` as a value of `kind` or, without one, as any value and in any column."""
        modules = [module for module in kinds if kind in {None, module.KIND.name}]
        self._forms = {module.KIND.name: forms_of(module, text) for module in modules}
        self._modules = modules
        self._anywhere = {text.strip()} if kind is None else frozenset[str]()

    def in_record(self, record: Record) -> bool:
        """Return whether a field of `record` holds it, as written or by its canonical form."""
        for module in self._modules:
            value = getattr(record, module.KIND.field, None)
            if value is None:
                continue
            examined, forms = module.examine(value), self._forms[module.KIND.name]
            if examined.canonical in forms or not forms.isdisjoint(_texts(value)):
                return True
        return record.ref is not None and record.ref.strip() in self._anywhere

    def in_result(self, result: RecordResult) -> bool:
        """Return whether one of its verdicts is about it."""
        return any(
            verdict.input in forms or verdict.normalized in forms
            for verdict in result.verdicts
            if (forms := self._forms.get(verdict.kind)) is not None
        )

    def in_given(self, given: Given, records: Sequence[Record]) -> set[int]:
        """Return the places of those of `records` that hold it, or what stands beside them does."""
        places = {place for place, record in enumerate(records) if self.in_record(record)}
        if self._anywhere:
            for column in given.columns or ():
                places |= {at for at, cell in enumerate(column) if cell.strip() in self._anywhere}
            for at, beside in enumerate(given.carried or ()):
                texts = map(cell_text, beside.values())
                if any(text is not None and text.strip() in self._anywhere for text in texts):
                    places.add(at)
        return places


class Erased(Struct):
    """How many records were erased, and the chunks that were worked on all the time."""

    records: int = 0
    busy: tuple[ChunkRef, ...] = ()


class Erasing:
    """Erases records in a store."""

    def __init__(
        self, store: Store, kinds: Sequence[KindModule], busy_wait_s: float = BUSY_WAIT_S
    ) -> None:
        """Know records of `kinds`; wait for workers up to `busy_wait_s`."""
        self._store = store
        self._packing = ChunkPacking(kinds)
        self._busy_wait_s = busy_wait_s

    async def erase(self, sought: Sought) -> Erased:
        """Erase all records that hold what is `sought`.

        Raises:
            StoreError: the store went away, or a batch in it can't be read; what was erased until
                then is.
        """
        erased = Erased()
        after_id, busy = "", list[tuple[Batch, ChunkRef]]()
        while some := await self._store.everything(after_id, BATCHES_PER_TRIP):
            after_id = some[-1].id
            for batch in some:
                busy += await self._in_batch(batch, sought, erased)
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._busy_wait_s
        while busy and loop.time() < ends:
            await asyncio.sleep(BUSY_AGAIN_S)
            await self._store.sweep()  # what a dead worker has left is open then
            busy = [
                (batch, ref)
                for batch, ref in busy
                if not await self._in_chunk(batch, ref, sought, erased)
            ]
        erased.busy = tuple(ref for _, ref in busy)
        if erased.records:
            await self._store.database.tidy()
        return erased

    async def _in_batch(
        self, batch: Batch, sought: Sought, erased: Erased
    ) -> list[tuple[Batch, ChunkRef]]:
        """Erase in one batch; return its chunks that hold it, and that somebody works on."""
        busy: list[tuple[Batch, ChunkRef]] = []
        after = -1
        while True:
            try:
                chunks = await self._store.chunk_results(
                    batch.tenant, batch.id, after, CHUNKS_PER_TRIP
                )
            except NoSuchBatch:
                return busy
            if not chunks:
                return busy
            after = chunks[-1].seq
            for chunk in chunks:
                if await asyncio.to_thread(self._places, batch, _written(chunk), sought):
                    ref = ChunkRef(batch.id, chunk.seq)
                    if not await self._in_chunk(batch, ref, sought, erased):
                        busy.append((batch, ref))

    async def _in_chunk(self, batch: Batch, ref: ChunkRef, sought: Sought, erased: Erased) -> bool:
        """Erase in one chunk; return False while somebody works on it."""
        found: AbstractSet[int] = frozenset()

        def without(old: Written) -> Written:
            nonlocal found
            found = self._places(batch, old, sought)
            return self._without(batch, old, found)

        done = await self._store.rewrite(ref, without)
        erased.records += len(found)
        return done

    def _places(self, batch: Batch, written: Written, sought: Sought) -> AbstractSet[int]:
        """Return the places of the records of a chunk that hold what is sought."""
        places: set[int] = set()
        if written.given is not None:
            reading = self._packing.reading(batch)
            given = reading.given(written.given)
            places |= sought.in_given(given, reading.records(given))
        for blob in _blobs(written):
            decided, results = self._packing.unpacked(blob)
            pairs = zip(decided, results, strict=True)
            places |= {place for place, result in pairs if sought.in_result(result)}
        return places

    def _without(self, batch: Batch, old: Written, places: AbstractSet[int]) -> Written:
        reading: Records = self._packing.reading(batch)
        results = self._packing.results
        return Written(
            None if old.given is None else reading.without(old.given, places),
            None if old.results is None else results.without(old.results, places),
            tuple(results.without(part, places) for part in old.parts),
        )


def _written(chunk: ChunkResults) -> Written:
    return Written(chunk.given, chunk.results, chunk.parts)


def _blobs(written: Written) -> Iterable[bytes]:
    return written.parts if written.results is None else (written.results, *written.parts)


def _texts(value: Any) -> set[str]:  # noqa: ANN401 - each kind has its own
    """Return the texts that make a value: itself, or its parts."""
    if isinstance(value, str):
        return {value.strip()}
    texts: list[str] = []
    for part in msgspec.structs.astuple(value):
        texts += cast("list[str]", part) if isinstance(part, list) else [part or ""]
    return {one.strip() for one in texts} - {""}
