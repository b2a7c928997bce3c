"""Progress is followed in the real store, told of by a real Valkey."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import pytest
from msgspec import Struct

from batches import progress as module
from batches.batch import Move, State
from batches.errors import NoSuchBatch
from batches.progress import Progress
from batches.snapshot import Snapshot
from batches.store import Store
from gateway.valkey import Valkey
from providers.priority import TENANT
from tests.batches.worked import claimed, started, stored
from tests.waiting import WAIT_S

FAST_S = 0.01
Following = AsyncGenerator[Snapshot]


class Nowhere:
    """A Valkey that is away."""

    async def run(self, *_command: object) -> object:
        raise OSError("away")

    async def listen(self, _channel: str) -> AsyncIterator[bytes]:
        raise OSError("away")
        yield b""


class House(Struct):
    """A store, and progress in two processes of which one changes it."""

    store: Store
    here: Progress
    there: Progress


@asynccontextmanager
async def house(valkey_url: str | None, pace_s: float = FAST_S) -> AsyncGenerator[House]:
    valkey = Nowhere() if valkey_url is None else Valkey(valkey_url, WAIT_S)
    async with stored() as store:
        here, there = (Progress(store, valkey, pace_s=pace_s) for _ in range(2))
        for one in (here, there):
            one.start()
        try:
            yield House(store, here, there)
        finally:
            await here.close()
            await there.close()
            if isinstance(valkey, Valkey):
                await valkey.close()


async def newest(following: Following) -> Snapshot:
    return await asyncio.wait_for(anext(following), WAIT_S)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look by himself, so that what comes was told."""
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 1000.0)
    monkeypatch.setattr(module, "LOOK_UNTOLD_S", 1000.0)


async def heard(there: Progress, batch_id: str, following: Following) -> Snapshot:
    """Say that a batch changed until it is heard: a subscription takes a moment."""
    waiting = asyncio.ensure_future(newest(following))
    while not waiting.done():
        there.changed(batch_id)
        await asyncio.wait({waiting}, timeout=0.05)
    return await waiting


async def test_a_snapshot_at_once_and_another_after_each_change_until_it_ended(
    valkey_url: str, patient: None
) -> None:
    del patient
    async with house(valkey_url) as at:
        batch = await started(at.store, 4)
        seen: list[Snapshot] = []
        async with aclosing(at.here.follow(TENANT, batch.id)) as following:
            seen.append(await newest(following))
            work = await claimed(at.store, batch.id)
            seen.append(await heard(at.there, batch.id, following))
            await work.flush([0, 1])
            seen.append(await heard(at.there, batch.id, following))
            await work.finish()
            seen.append(await heard(at.there, batch.id, following))
            assert await anext(following, None) is None
        states = [one.batch.state for one in seen]
        assert states == [State.QUEUED, State.RUNNING, State.RUNNING, State.COMPLETED]
        assert [one.batch.counts.records for one in seen] == [0, 0, 2, 4]
        assert all(one.batch.version < two.batch.version for one, two in pairwise(seen))
        assert at.here.watched == 0


async def test_without_valkey_it_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_UNTOLD_S", 0.05)
    async with house(None) as at:
        batch = await started(at.store, 1)
        async with aclosing(at.here.follow(TENANT, batch.id)) as following:
            await newest(following)
            work = await claimed(at.store, batch.id)
            await work.finish()
            states = [one.batch.state async for one in following]
        assert states[-1] is State.COMPLETED


async def test_changes_made_quickly_are_told_together(valkey_url: str) -> None:
    async with house(valkey_url, pace_s=0.2) as at:
        batch = await started(at.store, 200)
        work = await claimed(at.store, batch.id)
        seen: list[int] = []

        async def follow() -> None:
            async with aclosing(at.here.follow(TENANT, batch.id)) as following:
                seen.extend([one.batch.version async for one in following])

        begun = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow())
            for place in range(60):
                await work.flush([place])
                at.here.changed(batch.id)
            await work.finish()
            at.here.changed(batch.id)
        took_s = asyncio.get_running_loop().time() - begun
        assert len(seen) <= took_s / 0.2 + 2
        assert seen == sorted(set(seen))


async def test_one_watch_serves_all_and_reads_once(valkey_url: str) -> None:
    async with house(valkey_url) as at:
        batch = await started(at.store, 1)
        reads: list[object] = []
        read = at.store.batch

        async def counted(tenant: str, batch_id: str) -> object:
            reads.append(batch_id)
            return await read(tenant, batch_id)

        vars(at.store)["batch"] = counted
        following = [at.here.follow(TENANT, batch.id) for _ in range(50)]
        first = [await newest(one) for one in following]
        assert {one.batch.version for one in first} == {batch.version}
        assert (len(reads), at.here.watched) == (1, 1)
        for one in following:
            await one.aclose()
        assert at.here.watched == 0


async def test_another_tenants_batch_is_none_whoever_watches_it(valkey_url: str) -> None:
    async with house(valkey_url) as at:
        batch = await started(at.store, 1)
        following = at.here.follow(TENANT, batch.id)
        for watched in (0, 1):
            assert at.here.watched == watched
            for tenant, batch_id in (("other", batch.id), (TENANT, "nothing")):
                with pytest.raises(NoSuchBatch):
                    await newest(at.here.follow(tenant, batch_id))
            if not watched:
                await newest(following)
        await following.aclose()


async def test_a_batch_that_is_deleted_ends_with_an_error(valkey_url: str) -> None:
    async with house(valkey_url) as at:
        batch = await started(at.store, 1)
        async with aclosing(at.here.follow(TENANT, batch.id)) as following:
            await newest(following)
            await at.store.delete(TENANT, batch.id)
            with pytest.raises(NoSuchBatch):
                await heard(at.there, batch.id, following)


async def test_an_ended_batch_gives_its_last_snapshot_to_whoever_comes_late(
    valkey_url: str,
) -> None:
    async with house(valkey_url) as at:
        batch = await started(at.store, 1)
        await at.store.move(TENANT, batch.id, Move.CANCEL)
        seen = [one async for one in at.here.follow(TENANT, batch.id)]
        assert [one.batch.state for one in seen] == [State.CANCELLED]
