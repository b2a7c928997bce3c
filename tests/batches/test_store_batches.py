"""Batches are made once, added to in order, listed steadily, and seen by their tenant alone."""

import asyncio
import random
from datetime import timedelta

import pytest

from batches.batch import Amendment, Batch, Move, NewBatch, PauseReason, State, after
from batches.batch_rows import ROW_ERRORS_MAX
from batches.chunk import NewChunk, RowError
from batches.delivery import DeliveryState
from batches.errors import (
    BadCursor,
    IdempotencyConflict,
    MoveRefused,
    NoSuchBatch,
    NotADraft,
    OffsetMismatch,
    RecordsMismatch,
)
from batches.store import Store
from providers.priority import TENANT
from tests.batches.conftest import Clock, OpenStore
from tests.batches.given import claimed, draft, finish, new_chunks, queued, work_off


async def test_a_batch_is_what_was_asked_for(store: Store, clock: Clock) -> None:
    asked = NewBatch(
        name="march",
        priority=3,
        weight=0.5,
        start_after=clock.now + timedelta(hours=1),
        cost_cap_millionths=5_000_000,
        currency="EUR",
        webhook="https://example.com/hook",
        sandbox=True,
        max_age_s=60.5,
        layout=b"columns",
    )
    created = await store.create(asked, new_chunks(500, 17))
    batch = await store.batch(TENANT, created.batch.id)
    assert created.anew
    assert batch == created.batch
    for name in NewBatch.__struct_fields__:
        if name not in {"idempotency_key", "fingerprint"}:
            assert getattr(batch, name) == getattr(asked, name)
    assert (batch.state, batch.records, batch.chunks) == (State.DRAFT, 517, 2)
    assert batch.created_at == clock.now
    assert len(batch.id) == 26


async def test_one_key_makes_one_batch_however_often_it_comes(
    store: Store, open_another: OpenStore
) -> None:
    new = NewBatch(idempotency_key="k", fingerprint=b"same")
    stores = [store, await open_another()]
    made = await asyncio.gather(*(stores[at % 2].create(new, new_chunks(3)) for at in range(1000)))
    assert len({created.batch.id for created in made}) == 1
    assert sum(created.anew for created in made) == 1
    page = await store.batches(TENANT, 10)
    assert [batch.records for batch in page.batches] == [3]


async def test_a_key_that_stands_for_something_else_is_refused(store: Store) -> None:
    first = await store.create(NewBatch(idempotency_key="k", fingerprint=b"one"))
    with pytest.raises(IdempotencyConflict) as refusal:
        await store.create(NewBatch(idempotency_key="k", fingerprint=b"other"), new_chunks(1))
    assert refusal.value.batch_id == first.batch.id
    other = await store.create(NewBatch(tenant="other", idempotency_key="k", fingerprint=b"other"))
    assert other.anew


async def test_chunks_stand_one_behind_the_other(store: Store) -> None:
    batch = await draft(store, 500, 500)
    batch = await store.append(TENANT, batch.id, new_chunks(200, 3), layout=b"seen")
    found = await store.chunk_results(TENANT, batch.id, -1, 10)
    assert [(one.seq, one.first_index, one.records) for one in found] == [
        (0, 0, 500),
        (1, 500, 500),
        (2, 1000, 200),
        (3, 1200, 3),
    ]
    assert (batch.records, batch.chunks, batch.layout) == (1203, 4, b"seen")


async def test_a_part_of_a_file_is_taken_once(store: Store) -> None:
    batch = await draft(store)
    part = new_chunks(2)
    batch = await store.append(TENANT, batch.id, part, offsets=(0, 100))
    with pytest.raises(OffsetMismatch) as refusal:
        await store.append(TENANT, batch.id, part, offsets=(0, 100))
    assert refusal.value.offset == 100
    batch = await store.append(TENANT, batch.id, part, offsets=(100, 230))
    assert (batch.offset, batch.records) == (230, 4)


async def test_records_are_added_behind_as_many_as_were_said(store: Store) -> None:
    batch = await draft(store, 3)
    batch = await store.append(TENANT, batch.id, new_chunks(2), records_before=3)
    assert (batch.records, batch.offset) == (5, 0)
    with pytest.raises(RecordsMismatch) as refusal:
        await store.append(TENANT, batch.id, new_chunks(2), records_before=3)
    assert refusal.value.records == 5


async def test_an_id_that_nobody_can_print_is_no_batch(store: Store) -> None:
    for batch_id in ("\0", "a\0b", "\ud800"):
        with pytest.raises(NoSuchBatch):
            await store.batch(TENANT, batch_id)
        with pytest.raises(NoSuchBatch):
            await store.delete(TENANT, batch_id)
        assert await store.snapshots([batch_id]) == {}


async def test_two_who_send_the_same_part_do_not_both_add_it(store: Store) -> None:
    batch = await draft(store)
    said = await asyncio.gather(
        *(store.append(TENANT, batch.id, new_chunks(2), offsets=(0, 9)) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, OffsetMismatch) for one in said) == 4
    assert (await store.batch(TENANT, batch.id)).records == 2


async def test_only_a_draft_takes_records(store: Store) -> None:
    batch = await queued(store, 2)
    with pytest.raises(NotADraft):
        await store.append(TENANT, batch.id, new_chunks(1))


async def test_errors_by_row_are_all_counted_and_the_first_kept(store: Store) -> None:
    batch = await draft(store)
    errors = [RowError(line, "no field") for line in range(2, ROW_ERRORS_MAX)]
    await store.append(TENANT, batch.id, [], errors=errors)
    batch = await store.append(TENANT, batch.id, [], errors=[RowError(9_000, "a NUL")] * 7)
    assert batch.row_errors == ROW_ERRORS_MAX + 5
    kept = await store.row_errors(TENANT, batch.id)
    assert list(kept) == [*errors, RowError(9_000, "a NUL"), RowError(9_000, "a NUL")]


async def test_pages_stand_still_while_batches_come_and_go(store: Store, clock: Clock) -> None:
    made: list[Batch] = []
    for at in range(10):
        made.append(await draft(store))
        clock.pass_s(at % 2)  # some at the same moment
    wanted = [batch.id for batch in sorted(made, key=lambda one: (one.created_at, one.id))][::-1]
    first = await store.batches(TENANT, 4)
    clock.pass_s(1)
    await draft(store)
    await store.delete(TENANT, first.batches[-1].id)  # the one that the cursor names
    second = await store.batches(TENANT, 4, first.after)
    third = await store.batches(TENANT, 4, second.after)
    seen = [batch.id for page in (first, second, third) for batch in page.batches]
    assert seen == wanted
    assert third.after is None
    assert (await store.batches("nobody", 4)).batches == ()


async def test_a_cursor_of_nobody_is_refused(store: Store) -> None:
    for cursor in ("", "x", "12", "zz-aa", "-a", "1-a b", "9" * 40 + "-a"):
        with pytest.raises(BadCursor):
            await store.batches(TENANT, 4, cursor)


async def test_another_tenants_batch_is_as_one_that_does_not_exist(store: Store) -> None:
    batch = await draft(store, 3)
    told: set[str] = set()
    for batch_id in (batch.id, "a" * 26):
        for ask in (
            store.batch("other", batch_id),
            store.append("other", batch_id, new_chunks(1)),
            store.move("other", batch_id, Move.START),
            store.amend("other", batch_id, Amendment(priority=1)),
            store.retry("other", batch_id, []),
            store.row_errors("other", batch_id),
            store.chunk_results("other", batch_id, -1, 1),
            store.results_since("other", batch_id, 0, 1),
            store.deliveries("other", batch_id),
            store.delete("other", batch_id),
        ):
            with pytest.raises(NoSuchBatch) as refusal:
                await ask
            told.add(str(refusal.value).replace(batch_id, "ID"))
    assert len(told) == 1
    assert await store.batch(TENANT, batch.id) == batch


async def test_the_store_makes_the_moves_of_the_table_and_no_others(store: Store) -> None:
    rnd = random.Random(7)
    asked = [Move.START, Move.PAUSE, Move.RESUME, Move.CAP, Move.CANCEL, Move.RETRY, Move.FAIL]
    for _ in range(12):
        batch = await draft(store, 2, 2)
        for move in rnd.choices(asked, k=8):
            target = after(batch.state, move)
            if target is None:
                with pytest.raises(MoveRefused):
                    await store.move(TENANT, batch.id, move)
                continue
            moved = await store.move(TENANT, batch.id, move)
            # nothing is being worked on, so there is nothing to wait for
            wanted = State.CANCELLED if target is State.CANCELLING else target
            assert moved.state is wanted
            assert moved.version > batch.version or moved == batch
            assert (moved.finished_at is not None) == moved.ended
            assert (moved.pause_reason is not None) == (moved.state is State.PAUSED)
            batch = moved


async def test_a_batch_without_records_is_not_started(store: Store) -> None:
    batch = await draft(store)
    with pytest.raises(MoveRefused, match="no records"):
        await store.move(TENANT, batch.id, Move.START)


async def test_whoever_asked_for_a_pause_keeps_it(store: Store, clock: Clock) -> None:
    batch = await queued(store, 2)
    later = clock.now + timedelta(seconds=60)
    pause = {"reason": PauseReason.QUOTA_EXHAUSTED, "retry_at": later}
    batch = await store.move(TENANT, batch.id, Move.PAUSE, **pause)  # pyright: ignore[reportArgumentType]
    assert (batch.pause_reason, batch.retry_at) == (PauseReason.QUOTA_EXHAUSTED, later)
    again = await store.move(TENANT, batch.id, Move.PAUSE, **pause)  # pyright: ignore[reportArgumentType]
    assert again == batch
    batch = await store.move(TENANT, batch.id, Move.PAUSE)
    assert (batch.pause_reason, batch.retry_at) == (PauseReason.REQUESTED, None)
    batch = await store.move(TENANT, batch.id, Move.PAUSE, **pause)  # pyright: ignore[reportArgumentType]
    assert batch.pause_reason is PauseReason.REQUESTED
    clock.pass_s(61)
    assert (await store.sweep()).resumed == ()


async def test_a_change_is_what_it_names(store: Store) -> None:
    batch = await queued(store, 2, new=NewBatch(name="a", priority=1, cost_cap_millionths=5))
    batch = await store.amend(TENANT, batch.id, Amendment(priority=-2, cost_cap_millionths=None))
    assert (batch.name, batch.priority, batch.cost_cap_millionths) == ("a", -2, None)
    assert await store.amend(TENANT, batch.id, Amendment()) == batch


async def test_snapshots_are_of_those_that_there_are(store: Store) -> None:
    one, two = await draft(store, 1), await draft(store, 1, new=NewBatch(tenant="other"))
    found = await store.snapshots([one.id, two.id, "gone"])
    assert found == {one.id: one, two.id: two}


async def test_a_webhook_is_told_every_new_state_once(store: Store, clock: Clock) -> None:
    batch = await queued(store, 2, new=NewBatch(webhook="https://example.com/hook"))
    batch = await work_off(store, batch)
    told = await store.deliveries(TENANT, batch.id)
    assert [one.snapshot.state for one in told] == [State.QUEUED, State.RUNNING, State.COMPLETED]
    assert told[-1].snapshot == batch
    first = await store.due(2, lease_s=30)
    rest = await store.due(10, lease_s=30)
    assert len(first) == 2
    assert {one.id for one in (*first, *rest)} == {one.id for one in told}
    assert await store.due(10, lease_s=30) == []
    await store.delivered(first[0].id)
    await store.deliver_again(first[1].id, 5, "503")
    await store.give_up(rest[0].id, "410")
    clock.pass_s(31)
    (again,) = await store.due(10, lease_s=30)
    assert (again.id, again.attempts, again.last_error) == (first[1].id, 1, "503")
    states = {one.id: one.state for one in await store.deliveries(TENANT, batch.id)}
    assert states[first[0].id] is DeliveryState.DELIVERED
    assert states[rest[0].id] is DeliveryState.GIVEN_UP


async def test_the_given_comes_back_as_it_went_in(store: Store) -> None:
    given = bytes(range(256)) * 500
    created = await store.create(NewBatch(), [NewChunk(1, given), NewChunk(1, b"")])
    batch = await store.move(TENANT, created.batch.id, Move.START)
    assert (await claimed(store, batch)).given == given
    second = await claimed(store, batch, 1)
    assert second.given == b""
    await finish(store, second)
