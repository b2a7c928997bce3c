"""Results arrive in the order in which they were decided, each once, from any cursor on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batches.arrivals import Arrivals
from batches.batch import Move, NewBatch, State
from batches.chunk import NewChunk
from batches.errors import BadCursor, NoSuchBatch
from batches.given import packed_records
from batches.progress import Progress
from batches.source.record import GivenRecord
from batches.store import Store
from gateway.valkey import Valkey
from providers.priority import TENANT
from tests.batches.test_progress import FAST_S, Nowhere
from tests.batches.worked import CODEC, claimed, started, stored
from tests.waiting import WAIT_S
from verdicts.verdict import Status


@asynccontextmanager
async def house(valkey_url: str | None = None) -> AsyncGenerator[tuple[Store, Arrivals, Progress]]:
    valkey = Nowhere() if valkey_url is None else Valkey(valkey_url, WAIT_S)
    async with stored() as store:
        progress = Progress(store, valkey, pace_s=FAST_S)
        progress.start()
        try:
            yield store, Arrivals(store, progress, CODEC), progress
        finally:
            await progress.close()
            if isinstance(valkey, Valkey):
                await valkey.close()


async def taken(
    arrivals: Arrivals, batch_id: str, number: int, after: str | None = None
) -> tuple[list[int], str | None]:
    """Return the indexes of up to `number` results behind `after`, and the cursor behind them."""
    found: list[int] = []
    if number == 0:
        return found, after
    async with (
        asyncio.timeout(WAIT_S),
        aclosing(arrivals.follow(TENANT, batch_id, after)) as following,
    ):
        async for arrival in following:
            found.append(arrival.result.index)
            assert arrival.result.ref == str(arrival.result.index)
            after = arrival.cursor
            if len(found) == number:
                break
    return found, after


async def test_results_come_as_they_are_decided_until_the_batch_has_ended(valkey_url: str) -> None:
    async with house(valkey_url) as (store, arrivals, progress):
        batch = await started(store, 3, 3)
        second, first = await claimed(store, batch.id, 1), await claimed(store, batch.id, 0)
        seen: list[int] = []

        async def follow() -> None:
            async for arrival in arrivals.follow(TENANT, batch.id):  # one by one, as they come
                seen.append(arrival.result.index)  # noqa: PERF401

        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            await second.flush([2])
            progress.changed(batch.id)
            await first.flush([1, 0])
            progress.changed(batch.id)
            await second.finish()
            progress.changed(batch.id)
            await first.finish()
            progress.changed(batch.id)
        assert sorted(seen) == [0, 1, 2, 3, 4, 5]
        assert seen.index(1) < seen.index(0) < seen.index(2)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whoever_breaks_off_anywhere_and_comes_again_gets_the_rest_and_nothing_twice(
    data: st.DataObject,
) -> None:
    asyncio.run(_broken_off(data))


async def _broken_off(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    async with house() as (store, arrivals, _):
        batch = await started(store, *sizes)
        works = [await claimed(store, batch.id, seq) for seq in range(len(sizes))]
        seen: list[int] = []
        cursor: str | None = None
        left = {seq: list(range(size)) for seq, size in enumerate(sizes)}
        while left:
            seq = data.draw(st.sampled_from(sorted(left)))
            count = data.draw(st.integers(1, len(left[seq])))
            if count == len(left[seq]):
                await works[seq].finish()
                del left[seq]
            else:
                places = [left[seq].pop() for _ in range(count)]
                await works[seq].flush(places)
            decided = sum(len(work.decided) for work in works)
            found, cursor = await taken(
                arrivals, batch.id, data.draw(st.integers(0, decided - len(seen))), cursor
            )
            seen += found
        found, _ = await taken(arrivals, batch.id, sum(sizes) + 1, cursor)
        assert sorted(seen + found) == list(range(sum(sizes)))


async def test_what_was_given_up_arrives_too() -> None:
    """As UNKNOWN, each under the name that the client gave it."""
    async with house() as (store, arrivals, _):
        given = packed_records([GivenRecord(ref=str(at)) for at in range(3)])
        made = await store.create(NewBatch(), [NewChunk(3, given)])
        await store.move(TENANT, made.batch.id, Move.START)
        work = await claimed(store, made.batch.id)
        await work.flush([1])
        _, cursor = await taken(arrivals, made.batch.id, 1)
        await store.release(work.claim, failed=True)
        while (await store.batch(TENANT, made.batch.id)).state is not State.COMPLETED:
            await store.release((await claimed(store, made.batch.id)).claim, failed=True)
        assert (await taken(arrivals, made.batch.id, 3, cursor))[0] == [0, 2]
        assert (await taken(arrivals, made.batch.id, 4))[0] == [1, 0, 2]


async def test_a_cursor_within_a_chunk_loses_nothing_when_it_is_opened_again() -> None:
    async with house() as (store, arrivals, _):
        batch = await started(store, 4)
        work = await claimed(store, batch.id)
        await work.flush([0, 1], Status.UNKNOWN)
        await work.finish()
        _, cursor = await taken(arrivals, batch.id, 3)
        await store.retry(TENANT, batch.id, [Status.UNKNOWN])
        again = await claimed(store, batch.id)
        again.decided = work.decided[2:]
        await again.finish()
        assert (await taken(arrivals, batch.id, 5, cursor))[0] == [2, 3, 0, 1]


async def test_what_is_no_cursor_is_refused() -> None:
    wrong = ("", "x", "-1", "1.2", "1.2:", "1:2", " 1", "1" * 30, "1-", "1-2-3")
    async with house() as (store, arrivals, _):
        batch = await started(store, 1)
        for cursor in (*wrong, "0" + ".1:1:1" * 1_000):
            with pytest.raises(BadCursor):
                await asyncio.wait_for(anext(arrivals.follow(TENANT, batch.id, cursor)), WAIT_S)


async def test_another_tenants_results_are_none() -> None:
    async with house() as (store, arrivals, _):
        batch = await started(store, 1)
        with pytest.raises(NoSuchBatch):
            await anext(arrivals.follow("other", batch.id))
