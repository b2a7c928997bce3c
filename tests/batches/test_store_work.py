"""Chunks are worked on by one process at a time, and what is counted is what is there."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from batches.batch import Amendment, Move, NewBatch, PauseReason, State
from batches.chunk import (
    ATTEMPTS_MAX,
    LAST_RITES_MAX,
    ChunkRef,
    ChunkState,
    Claim,
    Standing,
)
from batches.counts import NO_COST, NOTHING, Spent, Tally
from batches.store import Store
from providers.priority import TENANT
from tests.batches.conftest import Clock, OpenStore
from tests.batches.given import (
    SPENT,
    claimed,
    counts,
    draft,
    finish,
    queued,
    valid,
    work_off,
)
from verdicts.verdict import Status


async def test_a_batch_is_worked_through(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3, 2)
    assert batch.state is State.QUEUED
    clock.pass_s(5)
    first = await claimed(store, batch)
    assert first.batch.state is State.RUNNING
    assert first.batch.started_at == clock.now
    assert (first.first_index, first.records) == (0, 3)
    assert first.given == b"chunk 0 of 3 records"
    assert await store.flush(first.claim, 0, b"one", valid(1), SPENT) is Standing.HELD
    assert await store.flush(first.claim, 1, b"two", valid(1), SPENT) is Standing.HELD
    batch = await store.batch(TENANT, batch.id)
    assert (batch.counts, batch.spent) == (valid(2), SPENT.plus(SPENT))
    assert await finish(store, first, unknown=1) is Standing.HELD
    clock.pass_s(5)
    batch = await work_off_rest(store, batch.id, 1)
    assert batch.state is State.COMPLETED
    assert batch.finished_at == clock.now
    assert batch.chunks_done == 2
    assert batch.counts == counts({Status.VALID: 4, Status.UNKNOWN: 1})
    assert batch.spent.calls_made == 4


async def work_off_rest(store: Store, batch_id: str, seq: int):  # noqa: ANN201 - a batch
    batch = await store.batch(TENANT, batch_id)
    await finish(store, await claimed(store, batch, seq))
    return await store.batch(TENANT, batch_id)


async def test_one_of_many_gets_a_chunk(store: Store, open_another: OpenStore) -> None:
    batch = await queued(store, 3)
    stores = [store, await open_another()]
    ref = ChunkRef(batch.id, 0)
    got = await asyncio.gather(*(stores[at % 2].claim(ref, f"w{at}") for at in range(20)))
    assert sum(one is not None for one in got) == 1


async def test_a_stale_token_is_refused_for_everything(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3)
    old = await claimed(store, batch, owner="old")
    clock.pass_s(31)
    assert (await store.sweep()).leases == 1
    new = await claimed(store, batch, owner="new")
    assert new.claim.token > old.claim.token
    before = await store.batch(TENANT, batch.id)
    assert await store.flush(old.claim, 0, b"late", valid(1), SPENT) is Standing.LOST
    assert await store.finish(old.claim, b"late", valid(3), SPENT) is Standing.LOST
    assert await store.renew([old.claim, new.claim]) == {
        old.claim: Standing.LOST,
        new.claim: Standing.HELD,
    }
    await store.release(old.claim, SPENT)
    assert await store.batch(TENANT, batch.id) == before
    assert await finish(store, new) is Standing.HELD
    assert await store.finish(old.claim, b"late", valid(3), SPENT) is Standing.LOST
    (chunk,) = await store.chunk_results(TENANT, batch.id, -1, 9)
    assert chunk.results == b"all results"


async def test_a_token_of_another_owner_is_refused(store: Store) -> None:
    batch = await queued(store, 3)
    mine = (await claimed(store, batch)).claim
    theirs = Claim(mine.batch, mine.seq, mine.token, "other")
    assert await store.flush(theirs, 0, b"x", valid(1), SPENT) is Standing.LOST
    assert await store.finish(theirs, b"x", valid(3), SPENT) is Standing.LOST
    assert (await store.renew([theirs]))[theirs] is Standing.LOST


async def test_the_same_said_twice_is_taken_once(store: Store) -> None:
    batch = await queued(store, 3)
    of = await claimed(store, batch)
    for _ in range(2):
        assert await store.flush(of.claim, 0, b"one", valid(1), SPENT) is Standing.HELD
    for _ in range(2):
        assert await store.finish(of.claim, b"all", valid(3), SPENT) is Standing.HELD
    batch = await store.batch(TENANT, batch.id)
    assert (batch.counts, batch.spent) == (valid(3), SPENT.plus(SPENT))
    assert batch.chunks_done == 1


async def test_what_cannot_be_is_an_error(store: Store) -> None:
    batch = await queued(store, 3)
    of = await claimed(store, batch)
    with pytest.raises(ValueError, match="part 1"):
        await store.flush(of.claim, 1, b"two", valid(1), SPENT)
    with pytest.raises(ValueError, match="results of 2"):
        await store.finish(of.claim, b"too few", valid(2), SPENT)
    assert (await store.batch(TENANT, batch.id)).counts == NOTHING


async def test_whoever_comes_next_goes_on_where_it_was_left(store: Store, clock: Clock) -> None:
    batch = await queued(store, 4)
    first = await claimed(store, batch)
    await store.flush(first.claim, 0, b"one", valid(1), SPENT)
    await store.flush(first.claim, 1, b"two", valid(1), SPENT)
    clock.pass_s(31)
    await store.sweep()
    second = await claimed(store, batch)
    assert (second.results, second.parts, second.attempts) == (None, (b"one", b"two"), 1)
    await store.flush(second.claim, 2, b"three", valid(1), SPENT)
    await store.release(second.claim, SPENT)
    third = await claimed(store, batch)
    assert (third.parts, third.attempts) == ((b"one", b"two", b"three"), 0)
    await finish(store, third)
    batch = await store.batch(TENANT, batch.id)
    assert (batch.counts, batch.spent.calls_made) == (valid(4), 5)


async def test_a_lease_that_is_renewed_does_not_run_out(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3)
    of = await claimed(store, batch)
    for _ in range(4):
        clock.pass_s(20)
        assert await store.renew([of.claim]) == {of.claim: Standing.HELD}
        assert (await store.sweep()).leases == 0
    assert await store.renew([]) == {}


async def test_a_pause_stops_the_work_and_keeps_what_was_found(store: Store) -> None:
    batch = await queued(store, 3, 3)
    of = await claimed(store, batch)
    batch = await store.move(TENANT, batch.id, Move.PAUSE)
    assert batch.state is State.PAUSED
    assert await store.claim(ChunkRef(batch.id, 1), "w") is None
    assert await store.next_chunks(10) == []
    assert await store.renew([of.claim]) == {of.claim: Standing.STOPPING}
    assert await store.flush(of.claim, 0, b"one", valid(1), SPENT) is Standing.STOPPING
    await store.release(of.claim)
    batch = await store.move(TENANT, batch.id, Move.RESUME)
    assert (batch.state, batch.counts) == (State.QUEUED, valid(1))
    assert (await claimed(store, batch)).parts == (b"one",)


async def test_a_paused_batch_completes_with_its_last_chunk(store: Store) -> None:
    batch = await queued(store, 3)
    of = await claimed(store, batch)
    await store.move(TENANT, batch.id, Move.PAUSE)
    assert await finish(store, of) is Standing.HELD
    assert (await store.batch(TENANT, batch.id)).state is State.COMPLETED


async def test_a_pause_ends_at_its_time(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3)
    await store.move(
        TENANT,
        batch.id,
        Move.PAUSE,
        reason=PauseReason.QUOTA_EXHAUSTED,
        retry_at=clock.now + timedelta(seconds=60),
    )
    clock.pass_s(59)
    assert (await store.sweep()).resumed == ()
    clock.pass_s(1)
    assert (await store.sweep()).resumed == (batch.id,)
    batch = await store.batch(TENANT, batch.id)
    assert (batch.state, batch.pause_reason, batch.retry_at) == (State.QUEUED, None, None)


async def test_cancelling_waits_for_what_is_being_worked_on(store: Store) -> None:
    batch = await queued(store, 3, 3, 3)
    one, two = await claimed(store, batch, 0), await claimed(store, batch, 1)
    batch = await store.move(TENANT, batch.id, Move.CANCEL)
    assert batch.state is State.CANCELLING
    await store.flush(one.claim, 0, b"one", valid(2), SPENT)
    await store.release(one.claim)
    assert (await store.batch(TENANT, batch.id)).state is State.CANCELLING
    await finish(store, two)
    batch = await store.batch(TENANT, batch.id)
    assert (batch.state, batch.counts) == (State.CANCELLED, valid(5))


async def test_cancelling_ends_when_the_last_worker_is_lost(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3)
    await claimed(store, batch)
    await store.move(TENANT, batch.id, Move.CANCEL)
    clock.pass_s(31)
    assert (await store.sweep()).ended == (batch.id,)
    assert (await store.batch(TENANT, batch.id)).state is State.CANCELLED


async def test_a_batch_stops_at_its_cap_and_goes_on_when_it_is_raised(store: Store) -> None:
    batch = await queued(store, 3, 3, new=NewBatch(cost_cap_millionths=25))
    of = await claimed(store, batch)
    assert await store.flush(of.claim, 0, b"1", valid(1), SPENT) is Standing.HELD
    assert await store.flush(of.claim, 1, b"2", valid(1), SPENT) is Standing.HELD
    assert await store.flush(of.claim, 2, b"3", valid(1), SPENT) is Standing.STOPPING
    await finish(store, of)
    assert (await store.batch(TENANT, batch.id)).state is State.CAPPED
    assert await store.claim(ChunkRef(batch.id, 1), "w") is None
    await store.amend(TENANT, batch.id, Amendment(cost_cap_millionths=1000))
    batch = await store.move(TENANT, batch.id, Move.START)
    assert batch.state is State.QUEUED
    assert (await work_off_rest(store, batch.id, 1)).state is State.COMPLETED


async def test_nothing_starts_before_its_time(store: Store, clock: Clock) -> None:
    later = clock.now + timedelta(hours=1)
    batch = await queued(store, 3, new=NewBatch(start_after=later))
    assert await store.next_chunks(10) == []
    assert await store.claim(ChunkRef(batch.id, 0), "w") is None
    clock.pass_s(3600)
    assert await store.next_chunks(10) == [ChunkRef(batch.id, 0)]
    await claimed(store, batch)


async def test_a_draft_is_not_worked_on(store: Store) -> None:
    batch = await draft(store, 3)
    assert await store.next_chunks(10) == []
    assert await store.claim(ChunkRef(batch.id, 0), "w") is None
    assert await store.claim(ChunkRef("gone", 0), "w") is None
    assert await store.claim(ChunkRef(batch.id, 1), "w") is None


async def test_a_chunk_that_kills_its_workers_is_given_up(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3, 2)
    await finish(store, await claimed(store, batch, 1))
    for attempt in range(ATTEMPTS_MAX + LAST_RITES_MAX):
        of = await claimed(store, batch)
        assert (of.attempts, of.given_up) == (attempt, attempt >= ATTEMPTS_MAX)
        if attempt == 0:
            await store.flush(of.claim, 0, b"one", valid(1), SPENT)
        if attempt % 2:
            await store.release(of.claim, NO_COST, failed=True)
        else:
            clock.pass_s(31)
            await store.sweep()
    batch = await store.batch(TENANT, batch.id)
    assert (batch.state, batch.counts.records) == (State.COMPLETED, 5)
    assert batch.counts.statuses[Status.UNKNOWN] == 2
    dead = (await store.chunk_results(TENANT, batch.id, -1, 9))[0]
    assert (dead.state, dead.parts, dead.counts.records) == (ChunkState.DEAD, (b"one",), 3)


async def test_a_given_up_chunk_may_still_be_finished(store: Store) -> None:
    batch = await queued(store, 3)
    for _ in range(ATTEMPTS_MAX):
        await store.release((await claimed(store, batch)).claim, failed=True)
    of = await claimed(store, batch)
    assert of.given_up
    await finish(store, of, unknown=3)
    batch = await store.batch(TENANT, batch.id)
    assert (batch.state, batch.counts) == (State.COMPLETED, counts({Status.UNKNOWN: 3}))


async def test_a_dead_chunk_is_opened_again_with_its_parts(store: Store) -> None:
    batch = await queued(store, 3)
    for attempt in range(ATTEMPTS_MAX + LAST_RITES_MAX):
        of = await claimed(store, batch)
        if attempt == 0:
            await store.flush(of.claim, 0, b"one", valid(1), SPENT)
        await store.release(of.claim, failed=True)
    batch = await store.retry(TENANT, batch.id, [Status.UNKNOWN])
    assert batch.counts == valid(1)
    of = await claimed(store, batch)
    assert (of.parts, of.reopened_parts, of.attempts) == ((b"one",), 1, 0)
    await finish(store, of)
    assert (await store.batch(TENANT, batch.id)).counts == valid(3)


async def test_a_dead_chunk_may_be_opened_again_and_again(store: Store) -> None:
    """What it was given up for is open whatever statuses are wanted, and nothing counts twice."""
    batch = await queued(store, 4)
    of = await claimed(store, batch)
    some = counts({Status.VALID: 1, Status.INVALID: 1})
    await store.flush(of.claim, 0, b"two", some, SPENT)
    await store.release(of.claim)
    for opened in (Status.INVALID, Status.UNKNOWN):
        while (await store.batch(TENANT, batch.id)).state is not State.COMPLETED:
            await store.release((await claimed(store, batch)).claim, failed=True)
        batch = await store.retry(TENANT, batch.id, [opened])
        assert batch.counts == valid(1)
    of = await claimed(store, batch)
    assert of.reopened == {Status.INVALID, Status.UNKNOWN}
    await store.flush(of.claim, 1, b"rest", valid(3), SPENT)
    assert (await store.batch(TENANT, batch.id)).counts == valid(4)


async def test_a_chunk_that_gets_on_is_not_given_up(store: Store) -> None:
    batch = await queued(store, ATTEMPTS_MAX + 2)
    for part in range(ATTEMPTS_MAX + 1):
        of = await claimed(store, batch)
        assert of.attempts == min(part, 1)
        await store.flush(of.claim, part, b"one", valid(1), SPENT)
        await store.release(of.claim, failed=True)


async def test_results_come_as_they_are_decided(store: Store) -> None:
    batch = await queued(store, 4, 4)
    one, two = await claimed(store, batch, 0), await claimed(store, batch, 1)
    await store.flush(one.claim, 0, b"a", valid(1), SPENT)
    seen = await store.results_since(TENANT, batch.id, 0, 10)
    assert [(chunk.seq, chunk.parts, chunk.seen) for chunk in seen] == [(0, (b"a",), 0)]
    cursor = seen[-1].version
    await finish(store, two)
    await store.flush(one.claim, 1, b"b", valid(2), SPENT)
    seen = await store.results_since(TENANT, batch.id, cursor, 10)
    assert [(chunk.seq, chunk.parts, chunk.results, chunk.seen) for chunk in seen] == [
        (1, (), b"all results", 0),
        (0, (b"a", b"b"), None, 1),
    ]
    assert len(await store.results_since(TENANT, batch.id, cursor, 1)) == 1
    cursor = seen[-1].version
    await finish(store, one, unknown=1)
    seen = await store.results_since(TENANT, batch.id, cursor, 10)
    assert [(chunk.seq, chunk.seen, chunk.records) for chunk in seen] == [(0, 3, 4)]
    cursor = seen[-1].version
    batch = await store.retry(TENANT, batch.id, [Status.UNKNOWN])
    assert await store.results_since(TENANT, batch.id, cursor, 10) == []
    await finish(store, await claimed(store, batch))
    seen = await store.results_since(TENANT, batch.id, cursor, 10)
    assert [(chunk.seq, chunk.seen) for chunk in seen] == [(0, 3)]


async def test_chunks_are_read_in_order_and_only_those_worth_it(store: Store) -> None:
    batch = await work_off(store, await queued(store, *[2] * 12), unknown=[0, 1] * 6)
    first = await store.chunk_results(TENANT, batch.id, -1, 5)
    second = await store.chunk_results(TENANT, batch.id, first[-1].seq, 50)
    assert [one.seq for one in (*first, *second)] == list(range(12))
    unknown = await store.chunk_results(
        TENANT, batch.id, 2, 3, lambda found: found.statuses[Status.UNKNOWN] > 0
    )
    assert [one.seq for one in unknown] == [3, 5, 7]


async def test_spending_is_added_up(store: Store) -> None:
    assert Spent(1, 2, 3, 4, 5, 6).plus(Spent(1, 1, 1, 1, 1, 1)) == Spent(2, 3, 4, 5, 6, 7)
    assert msgspec.structs.asdict(NO_COST) == dict.fromkeys(Spent.__struct_fields__, 0)
    batch = await queued(store, 3)
    of = await claimed(store, batch)
    await store.release(of.claim, SPENT)
    batch = await store.batch(TENANT, batch.id)
    assert (batch.spent, batch.counts) == (SPENT, NOTHING)
    assert NOTHING.of.get("VALID", Tally()) == Tally()
