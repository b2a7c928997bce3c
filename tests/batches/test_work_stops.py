"""What becomes of the work on a batch that goes no further."""

from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from batches.batch import Move, NewBatch, State
from batches.chunk import NewChunk
from batches.dispatch import Dispatch
from batches.given import packed_records
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.source.record import GivenRecord
from batches.tables import given
from tests.batches.house import Place, emails
from tests.logged import logged
from tests.questions.house import TableProvider
from tests.waiting import eventually_async

PAGE_BYTES = 4096
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


async def test_a_batch_that_cannot_be_read_any_more_has_failed(at: Place) -> None:
    batch = await at.batch(emails(20))
    await at.store.database.write(
        lambda transaction: transaction.execute(update(given).values(blob=b"\x00damaged"))
    )
    with logged("batches.work") as said:
        async with at.engine(at.judge(TableProvider())):
            await at.until(batch, State.FAILED)
    assert "chunk unreadable, batch failed" in {one["event"] for one in said}


async def test_a_batch_on_a_damaged_page_has_failed(at: Place) -> None:
    batch = await at.batch(emails(2))
    (blob,) = await at.store.database.read(lambda read: read.values(select(given.c.blob)))
    await at.store.database.tidy()  # out of the log, into the file
    path = at.folder / "batches.db"
    content = bytearray(path.read_bytes())
    page = content.index(blob) // PAGE_BYTES * PAGE_BYTES
    content[page : page + 8] = b"\xff" * 8
    path.write_bytes(content)
    fresh = await open_store(StoreSettings(), path)
    try:
        with logged("batches.work") as said:
            async with at.engine(at.judge(TableProvider()), fresh):
                await at.until(batch, State.FAILED)
        assert "chunk unreadable, batch failed" in {one["event"] for one in said}
    finally:
        await fresh.close()


async def test_a_batch_whose_key_is_missing_waits_for_it_and_says_so_once(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.dispatch.HINT_S", 0.1)
    path = at.folder / "sealed.db"
    sealed = await open_store(StoreSettings(encryption_key=SecretStr(KEY)), path)
    records = packed_records([GivenRecord(email=value) for value in emails(2)])
    made = await sealed.create(NewBatch(), [NewChunk(2, records)])
    await sealed.move(made.batch.tenant, made.batch.id, Move.START)
    await sealed.close()
    at.store, usual = await open_store(StoreSettings(), path), at.store
    try:
        with logged("batches.work") as said:
            tries = 0

            def begun(_: object) -> None:
                nonlocal tries
                tries += 1

            async with at.engine(at.judge(TableProvider())) as engine:
                engine.work.when_begun(begun)
                assert await eventually_async(lambda: tries >= 3)
            assert (await at.now(made.batch)).state is State.QUEUED
        assert [one["event"] for one in said] == ["batch is locked"]
    finally:
        await at.store.close()
        at.store = usual


@pytest.mark.parametrize("move", [Move.PAUSE, Move.CANCEL])
async def test_what_is_under_way_comes_back_and_is_kept(
    at: Place, monkeypatch: pytest.MonkeyPatch, move: Move
) -> None:
    """Though its answer takes longer than the round that asked for it."""
    monkeypatch.setattr("batches.rounds.ROUND_S", 0.1)
    values = emails(20)
    provider = TableProvider(values_per_call=10)
    provider.gate.clear()
    async with at.engine(at.judge(provider), slots=1) as engine:
        batch = await at.batch(values, chunk=20)
        await at.until(batch, State.RUNNING)
        assert await eventually_async(lambda: bool(provider.calls))
        await at.store.move(batch.tenant, batch.id, move)
        engine.work.look()
        assert not await eventually_async(lambda: engine.work.busy == 0, 0.5), "it is waited for"
        provider.gate.set()
        assert await eventually_async(lambda: engine.work.busy == 0)
    assert set(await at.results(batch)) == set(values)


async def test_a_process_that_ends_does_not_wait_for_calls(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.rounds.ROUND_S", 0.1)
    monkeypatch.setattr("batches.chunk_work.COME_BACK_S", 600.0)
    monkeypatch.setattr("batches.work.STOP_S", 600.0)
    provider = TableProvider()
    provider.gate.clear()
    async with at.engine(at.judge(provider)) as engine:
        batch = await at.batch(emails(10))
        assert await eventually_async(lambda: bool(provider.calls))
        await at.store.move(batch.tenant, batch.id, Move.PAUSE)
        engine.work.look()
        assert not await eventually_async(lambda: engine.work.busy == 0, 0.5)
    provider.gate.set()
    assert (await at.now(batch)).counts.records == 0


async def test_a_broker_that_is_away_is_tried_once_and_not_for_each_chunk(at: Place) -> None:
    class Hints:
        sent = 0

        async def send(self, batch: str, seq: int) -> bool:
            del batch, seq
            self.sent += 1
            return False

    hints: Any = Hints()
    async with at.engine(at.judge(TableProvider()), slots=4) as engine:
        await engine.dispatch.close()
        dispatch = Dispatch(at.store, hints, engine.work)
        batch = await at.batch(emails(4), chunk=1)
        await dispatch._fill()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - one look
        assert hints.sent == 1
        await at.until(batch, State.COMPLETED)
