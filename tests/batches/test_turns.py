"""What goes next: priority, then the tenant that was served least, then age, then place."""

import asyncio
from collections import Counter

from batches.batch import Amendment, Move, NewBatch
from batches.chunk import ChunkRef
from batches.store import Store
from tests.batches.conftest import Clock, OpenStore
from tests.batches.given import claimed, finish, queued


async def test_the_more_urgent_go_first_then_the_older_in_order(store: Store, clock: Clock) -> None:
    old = await queued(store, 5, 5)
    clock.pass_s(1)
    new = await queued(store, 5)
    clock.pass_s(1)
    urgent = await queued(store, 5, 5, new=NewBatch(priority=1))
    assert await store.next_chunks(3) == [
        ChunkRef(urgent.id, 0),
        ChunkRef(urgent.id, 1),
        ChunkRef(old.id, 0),
    ]
    assert await store.next_chunks(9) == [ChunkRef(old.id, 1), ChunkRef(new.id, 0)]
    assert await store.next_chunks(9) == []


async def test_a_change_of_priority_counts_at_once(store: Store, clock: Clock) -> None:
    first = await queued(store, 5, 5)
    clock.pass_s(1)
    second = await queued(store, 5)
    assert await store.next_chunks(1) == [ChunkRef(first.id, 0)]
    await store.amend(second.tenant, second.id, Amendment(priority=9))
    assert await store.next_chunks(1) == [ChunkRef(second.id, 0)]


async def shares(store: Store, calls: int, each: int) -> Counter[str]:
    """Return how many chunks each batch got in so many calls."""
    got: Counter[str] = Counter()
    for _ in range(calls):
        got.update(ref.batch for ref in await store.next_chunks(each))
    return got


async def test_tenants_take_turns_by_records(store: Store) -> None:
    large = await queued(store, *[100] * 12, new=NewBatch(tenant="a"))
    small = await queued(store, *[50] * 12, new=NewBatch(tenant="b"))
    double = await queued(store, *[100] * 12, new=NewBatch(tenant="c", weight=2))
    got = await shares(store, 15, 1)
    assert got == {large.id: 3, small.id: 6, double.id: 6}


async def test_turns_are_the_same_for_one_at_a_time_and_for_many(store: Store) -> None:
    made = [await queued(store, *[10] * 8, new=NewBatch(tenant=name)) for name in "abc"]
    assert await shares(store, 1, 12) == {batch.id: 4 for batch in made}


async def test_whoever_comes_back_is_not_served_for_its_absence(store: Store) -> None:
    busy = await queued(store, *[10] * 30, new=NewBatch(tenant="busy"))
    await shares(store, 10, 1)
    late = await queued(store, *[10] * 30, new=NewBatch(tenant="late"))
    assert await shares(store, 10, 1) == {busy.id: 5, late.id: 5}


async def test_a_hint_that_gets_lost_is_given_again(store: Store, clock: Clock) -> None:
    batch = await queued(store, 5)
    assert await store.next_chunks(1, hint_s=60) == [ChunkRef(batch.id, 0)]
    assert await store.hinted() == 1
    clock.pass_s(61)
    assert (await store.sweep()).hints == 1
    assert await store.hinted() == 0
    assert await store.next_chunks(1) == [ChunkRef(batch.id, 0)]
    await finish(store, await claimed(store, batch))
    assert await store.hinted() == 0


async def test_a_batch_of_which_nothing_is_under_way_may_begin_beyond_the_limit(
    store: Store, clock: Clock
) -> None:
    huge = await queued(store, *[10] * 20)
    assert len(await store.next_chunks(4, beyond=2)) == 4
    await claimed(store, huge)
    clock.pass_s(1)
    small = [await queued(store, 10, 10) for _ in range(3)]
    got = await store.next_chunks(0, beyond=2)
    assert got == [ChunkRef(one.id, 0) for one in sorted(small, key=lambda one: one.id)[:2]]
    assert len(await store.next_chunks(0, beyond=2)) == 1
    assert await store.next_chunks(0, beyond=2) == []


async def test_several_processes_get_different_chunks(
    store: Store, open_another: OpenStore
) -> None:
    await queued(store, *[10] * 40)
    stores = [store, await open_another(), await open_another()]
    got = await asyncio.gather(*(stores[at % 3].next_chunks(4) for at in range(10)))
    refs = [ref for one in got for ref in one]
    assert len(refs) == len(set(refs)) == 40


async def test_chunks_of_a_paused_batch_are_told_anew_when_it_goes_on(store: Store) -> None:
    batch = await queued(store, 5, 5)
    told = await store.next_chunks(2)
    await store.move(batch.tenant, batch.id, Move.PAUSE)
    assert await store.hinted() == 0
    await store.move(batch.tenant, batch.id, Move.RESUME)
    assert await store.next_chunks(2) == told
