"""Batches with something in them, and work on them as a worker does it."""

from collections.abc import Mapping, Sequence

from batches.batch import Batch, Move, NewBatch
from batches.chunk import ChunkRef, Claimed, NewChunk, Standing
from batches.counts import Counts, Spent, Tally
from batches.store import Store
from verdicts.verdict import Status

SPENT = Spent(calls_made=1, values_asked=2, saved_by_cache=3, cost_millionths=10)


def new_chunks(*records: int) -> list[NewChunk]:
    return [
        NewChunk(number, f"chunk {at} of {number} records".encode())
        for at, number in enumerate(records)
    ]


async def draft(store: Store, *records: int, new: NewBatch | None = None) -> Batch:
    """Return a draft with chunks of so many `records`."""
    return (await store.create(new or NewBatch(), new_chunks(*records))).batch


async def queued(store: Store, *records: int, new: NewBatch | None = None) -> Batch:
    batch = await draft(store, *records, new=new)
    return await store.move(batch.tenant, batch.id, Move.START)


async def claimed(store: Store, batch: Batch, seq: int = 0, owner: str = "worker") -> Claimed:
    found = await store.claim(ChunkRef(batch.id, seq), owner)
    assert found is not None
    return found


def counts(numbers: Mapping[Status, int]) -> Counts:
    """Return counts of so many records by status, each with an e-mail's verdict."""
    return Counts(
        {
            status.value: Tally(
                number,
                {"email": {status.value: number}},
                {} if status is Status.VALID else {"email": {"DEADLINE": number}},
            )
            for status, number in numbers.items()
            if number
        }
    )


def valid(number: int) -> Counts:
    return counts({Status.VALID: number})


async def finish(store: Store, of: Claimed, unknown: int = 0) -> Standing:
    """Decide all records of a chunk, so many of them as UNKNOWN."""
    found = counts({Status.VALID: of.records - unknown, Status.UNKNOWN: unknown})
    return await store.finish(of.claim, b"all results", found, SPENT)


async def work_off(store: Store, batch: Batch, unknown: Sequence[int] = ()) -> Batch:
    """Finish every chunk; `unknown` says how many records of each are UNKNOWN."""
    for seq in range(batch.chunks):
        await finish(store, await claimed(store, batch, seq), dict(enumerate(unknown)).get(seq, 0))
    return await store.batch(batch.tenant, batch.id)
