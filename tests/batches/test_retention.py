"""What is deleted, or has been kept long enough, is gone: every row, and every byte."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from batches import store as stores
from batches.batch import Amendment, Batch, Move, NewBatch, PauseReason, State
from batches.chunk import NewChunk, RowError
from batches.database import Transaction
from batches.errors import MoveRefused, NoSuchBatch
from batches.kept import Kept
from batches.opening import open_store
from batches.retention_rows import expire, forget
from batches.settings import StoreSettings
from batches.store import Store
from batches.tables import METADATA, batches, chunks, deletions, given, retries, turns
from providers.priority import TENANT
from tests.batches.conftest import Clock
from tests.batches.given import SPENT, claimed, draft, queued, valid, work_off
from verdicts.verdict import Status

DAY = timedelta(days=1)
NEVER = timedelta(days=10_000)


def rows(transaction: Transaction) -> dict[str, int]:
    """Return how many rows each table has that has any; turns name no batch."""
    tables = [table for table in METADATA.sorted_tables if table is not turns]
    numbers = {
        table.name: transaction.values(select(func.count()).select_from(table))[0]
        for table in tables
    }
    return {name: number for name, number in numbers.items() if number}


def noted(transaction: Transaction, batch_id: str) -> None:
    """Note a retry, as one that was asked for with a key leaves it."""
    transaction.execute(retries.insert().values(batch=batch_id, key="k", statuses="UNKNOWN"))


async def full(store: Store) -> Batch:
    """Return a batch that has rows in every table."""
    batch = await draft(store, 3, 2, new=NewBatch(webhook="https://example.com/hook"))
    await store.append(TENANT, batch.id, [], errors=[RowError(1, "empty")])
    batch = await store.move(TENANT, batch.id, Move.START)
    await store.database.write(noted, batch.id)
    of = await claimed(store, batch)
    await store.finish(of.claim, b"all", valid(3), SPENT)
    other = await claimed(store, batch, 1)
    await store.flush(other.claim, 0, b"one", valid(1), SPENT)
    return batch


async def test_a_deleted_batch_leaves_no_row(store: Store) -> None:
    batch = await full(store)
    before = await store.database.read(rows)
    assert before.keys() == set(METADATA.tables) - {"turns", "deletions", "access_keys", "audit"}
    await store.delete(TENANT, batch.id)
    assert await store.database.read(rows) == {}
    with pytest.raises(NoSuchBatch):
        await store.chunk_results(TENANT, batch.id, -1, 1)


async def test_work_on_a_deleted_batch_is_lost(store: Store) -> None:
    batch = await queued(store, 3)
    of = await claimed(store, batch)
    await store.delete(TENANT, batch.id)
    lost = stores.Standing.LOST
    assert await store.flush(of.claim, 0, b"x", valid(1), SPENT) is lost
    assert await store.finish(of.claim, b"x", valid(3), SPENT) is lost
    assert await store.renew([of.claim]) == {of.claim: lost}
    await store.release(of.claim, SPENT)
    assert await store.database.read(rows) == {}


async def test_only_the_one_that_was_named_is_deleted(store: Store) -> None:
    one, two = await draft(store, 3), await draft(store, 4)
    await store.delete(TENANT, one.id)
    assert await store.batch(TENANT, two.id) == two
    assert await store.database.read(rows) == {"batches": 1, "chunks": 1, "given": 1}


async def test_a_large_batch_goes_bit_by_bit(store: Store) -> None:
    batch = await draft(store, *[1] * (2 * stores.DELETED_PER_TRIP_MAX + 5))
    await store.delete(TENANT, batch.id)
    assert await store.database.read(rows) == {}


async def test_a_deletion_that_was_cut_short_is_finished_later(store: Store) -> None:
    batch = await draft(store, *[1] * (stores.DELETED_PER_TRIP_MAX + 5))
    await store.database.write(forget, TENANT, batch.id)  # and the process dies
    left = await store.database.read(rows)
    assert left.keys() == {chunks.name, given.name, deletions.name}
    with pytest.raises(NoSuchBatch):
        await store.batch(TENANT, batch.id)
    while (await store.expire(Kept(NEVER, NEVER))).more:
        pass
    assert await store.database.read(rows) == {}


async def test_what_was_given_goes_before_what_was_found(store: Store, clock: Clock) -> None:
    batch = await work_off(store, await queued(store, 3, 2), unknown=[1])
    running = await queued(store, 3)
    clock.pass_s(7 * DAY.total_seconds() + 1)
    expired = await store.expire(Kept(7 * DAY, 30 * DAY))
    assert (expired.given, expired.batches, expired.more) == (2, 0, False)
    (first, _) = await store.chunk_results(TENANT, batch.id, -1, 9)
    assert (first.given, first.results) == (None, b"all results")
    assert not (await store.batch(TENANT, batch.id)).given_kept
    with pytest.raises(MoveRefused, match="not kept"):
        await store.retry(TENANT, batch.id, [Status.UNKNOWN])
    clock.pass_s(23 * DAY.total_seconds())
    assert (await store.expire(Kept(7 * DAY, 30 * DAY))).batches == 1
    with pytest.raises(NoSuchBatch):
        await store.batch(TENANT, batch.id)
    assert (await store.batch(TENANT, running.id)).state is State.QUEUED
    assert await store.expire(Kept(7 * DAY, 30 * DAY)) == stores.Expired(0, 0, more=False)


async def test_a_draft_that_nobody_starts_is_not_kept_for_ever(store: Store, clock: Clock) -> None:
    await draft(store, 3)
    clock.pass_s(30 * DAY.total_seconds() + 1)
    assert (await store.expire(Kept(7 * DAY, 30 * DAY))).batches == 1
    assert await store.database.read(rows) == {}


async def test_nor_is_what_was_capped_or_paused_and_forgotten(store: Store, clock: Clock) -> None:
    capped = await draft(store, 3)
    await store.move(TENANT, capped.id, Move.CAP)
    paused = await queued(store, 3)
    await store.move(TENANT, paused.id, Move.PAUSE)
    waits = await queued(store, 3)
    quota = clock.now + 31 * DAY
    why = PauseReason.QUOTA_EXHAUSTED
    await store.move(TENANT, waits.id, Move.PAUSE, reason=why, retry_at=quota)
    clock.pass_s(30 * DAY.total_seconds() - 1)
    assert (await store.expire(Kept(7 * DAY, 30 * DAY))).batches == 0
    await store.amend(TENANT, paused.id, Amendment(name="still wanted"))
    clock.pass_s(2)
    assert (await store.expire(Kept(7 * DAY, 30 * DAY))).batches == 1
    left = {one.id for one in (await store.batches(TENANT, 9)).batches}
    assert left == {waits.id, paused.id}
    clock.pass_s(2 * DAY.total_seconds())
    assert (await store.expire(Kept(7 * DAY, 30 * DAY))).batches == 1
    clock.pass_s(30 * DAY.total_seconds())
    assert (await store.expire(Kept(7 * DAY, 30 * DAY))).batches == 1
    assert await store.database.read(rows) == {}


async def test_one_call_removes_so_much_at_most(store: Store, clock: Clock) -> None:
    for _ in range(3):
        await draft(store, *[1] * 100)
    clock.pass_s(2 * DAY.total_seconds())
    first = await store.expire(Kept(DAY, DAY))
    assert (first.given, first.batches, first.more) == (0, 3, True)
    assert (await store.database.read(rows))["chunks"] == 100
    assert not (await store.expire(Kept(DAY, DAY))).more
    assert await store.database.read(rows) == {}


async def test_deleted_bytes_are_in_no_file(tmp_path: Path, clock: Clock) -> None:
    secret = b"ada.lovelace@example.com, 1815-12-10"
    path = tmp_path / "store" / "batches.db"
    store = await open_store(
        StoreSettings(url=SecretStr(f"sqlite:///{path}")), tmp_path / "unused", clock
    )
    try:
        # too short for the packing to hide them
        made = await store.create(NewBatch(), [NewChunk(1, secret) for _ in range(300)])
        batch = await store.move(TENANT, made.batch.id, Move.START)
        of = await claimed(store, batch)
        await store.flush(of.claim, 0, b"part " + secret, valid(1), SPENT)
        await store.finish(of.claim, b"whole " + secret, valid(1), SPENT)
        await store.database.tidy()
        assert secret in path.read_bytes()
        size = path.stat().st_size
        await store.delete(TENANT, batch.id)
        files = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        assert [name for name, content in files.items() if secret in content] == []
        assert len(files["batches.db"]) < size
    finally:
        await store.close()


@pytest.mark.parametrize("results_ms", [1, 10**12])
async def test_what_was_begun_again_meanwhile_is_kept(
    store: Store, clock: Clock, results_ms: int
) -> None:
    """Between the look at what is old and the lock another process may have retried it."""

    class Late(Transaction):
        def lock(self, batch_id: str) -> None:
            change = {"state": State.QUEUED.value, "finished_at": None}
            self.execute(update(batches).where(batches.c.id == batch_id).values(**change))
            super().lock(batch_id)

    def late(transaction: Transaction) -> object:
        late = Late(transaction.connection, transaction.dialect, clock)
        return expire(
            late, Kept(timedelta(milliseconds=1), timedelta(milliseconds=results_ms)), 100
        )

    batch = await work_off(store, await queued(store, 3))
    clock.pass_s(DAY.total_seconds())
    await store.database.write(late)
    kept = await store.batch(TENANT, batch.id)
    assert (kept.state, kept.given_kept) == (State.QUEUED, True)


async def test_what_holds_for_one_tenant_holds_for_no_other(store: Store, clock: Clock) -> None:
    kept = Kept(7 * DAY, 30 * DAY, {"acme": Kept(DAY, 2 * DAY), "slow": Kept(60 * DAY, 60 * DAY)})
    mine, acme, slow = [
        await work_off(store, await queued(store, 3, new=NewBatch(tenant=tenant)))
        for tenant in (TENANT, "acme", "slow")
    ]
    clock.pass_s(1.5 * 86_400)
    assert await store.expire(kept) == stores.Expired(1, 0, more=False)
    assert not (await store.batch("acme", acme.id)).given_kept
    clock.pass_s(86_400)
    assert (await store.expire(kept)).batches == 1
    with pytest.raises(NoSuchBatch):
        await store.batch("acme", acme.id)
    assert (await store.batch(TENANT, mine.id)).given_kept
    clock.pass_s(30 * 86_400)
    assert (await store.expire(kept)).batches == 1
    assert (await store.batch("slow", slow.id)).given_kept
