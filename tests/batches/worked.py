"""A batch in a real store, and a worker of it that decides what a test says."""

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from batches.batch import Batch, Move, NewBatch
from batches.chunk import ChunkRef, Claim, NewChunk, Standing
from batches.counts import Spent, counted
from batches.opening import open_store
from batches.results import Results
from batches.settings import StoreSettings
from batches.store import Store
from checks.kinds import KINDS
from providers.priority import TENANT
from verdicts.verdict import EmailVerdict, RecordResult, Source, Status

OWNER = "a worker"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
CODEC = Results(KINDS)


@asynccontextmanager
async def stored() -> AsyncGenerator[Store]:
    """Give a new store in a file."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        store = await open_store(StoreSettings(), Path(folder) / "batches.db")
        try:
            yield store
        finally:
            await store.close()


def result(index: int, status: Status = Status.VALID) -> RecordResult:
    """Return a result of record number `index`, whose value says which it is."""
    address = f"person.{index}@example.com"
    email = EmailVerdict("email", address, address, status, (), (), NOW, None, Source.PROVIDER)
    return RecordResult(str(index), index, status, email, verdicts=(email,))


async def started(store: Store, *sizes: int, tenant: str = TENANT) -> Batch:
    """Make and start a batch of chunks with so many records each."""
    chunks = [NewChunk(size, b"given") for size in sizes]
    made = await store.create(NewBatch(tenant=tenant), chunks)
    return await store.move(tenant, made.batch.id, Move.START)


class Work(Struct):
    """A chunk that is being worked on."""

    store: Store
    claim: Claim
    first_index: int
    records: int
    decided: list[tuple[int, RecordResult]]
    parts: int = 0

    async def flush(self, places: Sequence[int], status: Status = Status.VALID) -> None:
        """Decide the records at `places` of the chunk."""
        found = [(place, result(self.first_index + place, status)) for place in places]
        results = [one for _, one in found]
        standing = await self.store.flush(
            self.claim,
            self.parts,
            CODEC.packed(places, results),
            counted(results),
            Spent(len(places), len(places), 0, 1, 0, 1_000 * len(places)),
        )
        assert standing is Standing.HELD
        self.decided += found
        self.parts += 1

    async def finish(self) -> None:
        """Decide the rest of the chunk."""
        known = {place for place, _ in self.decided}
        rest = [place for place in range(self.records) if place not in known]
        self.decided += [(place, result(self.first_index + place)) for place in rest]
        places, results = zip(*self.decided, strict=True)
        blob = CODEC.packed(places, results)
        assert (
            await self.store.finish(self.claim, blob, counted(results), Spent())
            is not Standing.LOST
        )


async def claimed(store: Store, batch_id: str, seq: int = 0) -> Work:
    """Begin to work on a chunk."""
    await store.next_chunks(10)
    found = await store.claim(ChunkRef(batch_id, seq), OWNER)
    assert found is not None
    return Work(store, found.claim, found.first_index, found.records, [])
