"""Records of a batch that has ended are opened again, once for each wish."""

import pytest

from batches.batch import State
from batches.chunk import ChunkRef
from batches.errors import IdempotencyConflict, MoveRefused
from batches.store import Store
from providers.priority import TENANT
from tests.batches.given import SPENT, claimed, counts, finish, queued, valid, work_off
from verdicts.verdict import Status


async def test_records_of_a_status_are_opened_again(store: Store) -> None:
    batch = await work_off(store, await queued(store, 4, 4, 4), unknown=[1, 0, 4])
    before = batch.counts.statuses
    assert (before[Status.VALID], before[Status.UNKNOWN]) == (7, 5)
    batch = await store.retry(TENANT, batch.id, [Status.UNKNOWN])
    assert (batch.state, batch.counts, batch.chunks_done) == (State.QUEUED, valid(7), 1)
    assert batch.finished_at is None
    assert await store.next_chunks(9) == [ChunkRef(batch.id, 0), ChunkRef(batch.id, 2)]
    of = await claimed(store, batch)
    assert (of.results, of.parts) == (b"all results", ())
    assert (of.reopened, of.reopened_parts) == ({Status.UNKNOWN}, 0)
    await store.flush(of.claim, 0, b"again", valid(1), SPENT)
    await finish(store, of)
    await finish(store, await claimed(store, batch, 2), unknown=1)
    batch = await store.batch(TENANT, batch.id)
    assert (batch.state, batch.counts) == (
        State.COMPLETED,
        counts({Status.VALID: 11, Status.UNKNOWN: 1}),
    )
    chunk = (await store.chunk_results(TENANT, batch.id, -1, 1))[0]
    assert (chunk.reopened, chunk.parts) == (frozenset(), ())


async def test_where_there_is_nothing_to_retry_nothing_happens(store: Store) -> None:
    running = await queued(store, 3)
    with pytest.raises(MoveRefused):
        await store.retry(TENANT, running.id, [Status.UNKNOWN])
    batch = await work_off(store, running)
    assert await store.retry(TENANT, batch.id, [Status.UNKNOWN]) == batch


async def test_a_retry_with_a_key_is_made_once(store: Store) -> None:
    running = await queued(store, 3)
    of = await claimed(store, running)
    await finish(store, of, unknown=1)
    opened = await store.retry(TENANT, running.id, [Status.UNKNOWN], "mine")
    assert opened.state is State.QUEUED
    assert await store.retry(TENANT, running.id, [Status.UNKNOWN], "mine") == opened
    with pytest.raises(IdempotencyConflict):
        await store.retry(TENANT, running.id, [Status.INVALID], "mine")
    done = await work_off(store, opened)
    assert await store.retry(TENANT, running.id, [Status.UNKNOWN], "mine") == done
    with pytest.raises(IdempotencyConflict):
        await store.retry(TENANT, running.id, list(Status), "mine")
    assert (await store.retry(TENANT, running.id, list(Status), "another")).state is State.QUEUED
