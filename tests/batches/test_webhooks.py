"""R21: each change is told at least once under one id, signed, on schedule, without a record.

A real store, a real receiver over HTTP, and a clock that the test moves.
"""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from batches.batch import Move
from batches.delivery import Delivery, DeliveryState
from batches.errors import StoreUnavailable
from batches.settings import RetentionSettings, WebhookSettings
from batches.store import Store
from batches.upkeep import Upkeep
from batches.webhooks import (
    ANSWER_BYTES_MAX,
    IN_FLIGHT_MAX,
    JITTER,
    LEASE_S,
    PAUSES_S,
    Signer,
    Webhooks,
)
from providers.egress import Gate
from providers.priority import TENANT
from tests.batches.ended import opened, started
from tests.batches.hooked import (
    OLDER,
    ROWS,
    SECRET,
    World,
    looped,
    receiving,
    told_over_a_kill,
    world_in,
)
from tests.waiting import eventually_async
from verdicts.verdict import Status

DAY_S = 86_400


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with world_in(tmp_path) as found:
        yield found


async def test_every_state_is_told_and_the_reference_library_believes_it(world: World) -> None:
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await running.finish_all([Status.INVALID])
    async with looped(world.webhooks):
        assert await eventually_async(lambda: len(world.receiver.told) == 3)
    found = {one.json["data"]["state"]: one for one in world.receiver.told}
    assert set(found) == {"QUEUED", "RUNNING", "COMPLETED"}
    assert len({one.id for one in world.receiver.told}) == 3
    for state, one in found.items():
        said = Webhook(SECRET).verify(one.body, one.headers)
        assert said["type"] == f"batch.{state.lower()}"
        assert one.headers["content-type"] == "application/json"
    last = found["COMPLETED"].json["data"]
    assert last == {
        "batchId": running.batch.id,
        "state": "COMPLETED",
        "pauseReason": None,
        "retryAt": None,
        "version": (await running.now()).version,
        "records": 1,
        "decided": 1,
        "statuses": {"VALID": 0, "INVALID": 1, "RISKY": 0, "UNKNOWN": 0},
        "rowErrors": 0,
    }
    states = await world.store.deliveries(TENANT, running.batch.id)
    assert {one.state for one in states} == {DeliveryState.DELIVERED}


async def test_no_record_is_in_what_is_told(world: World) -> None:
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await running.finish_all([Status.RISKY])
    await world.attempt()
    assert len(world.receiver.told) == 3
    assert not [one for one in world.receiver.told if b"canary" in one.body]


async def test_the_schedule_lasts_a_day_with_growing_pauses_and_one_id(world: World) -> None:
    world.receiver.status = 500
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    begun, at = world.clock.now, list[float]()
    while True:
        if await world.attempt():
            at.append((world.clock.now - begun).total_seconds())
        (one,) = await world.store.deliveries(TENANT, running.batch.id)
        if one.due_at is None:
            break
        world.clock.now = one.due_at
    assert one.state is DeliveryState.GIVEN_UP
    assert one.last_error == "status 500"
    pauses = [later - sooner for sooner, later in pairwise(at)]
    assert len(pauses) == len(PAUSES_S)
    for pause, planned in zip(pauses, PAUSES_S, strict=True):
        assert abs(pause - planned) <= JITTER * planned + 0.01
    assert list(PAUSES_S) == sorted(PAUSES_S)
    assert (
        0.9 * DAY_S <= sum(PAUSES_S) * (1 - JITTER) <= sum(PAUSES_S) * (1 + JITTER) <= 1.1 * DAY_S
    )
    assert {told.id for told in world.receiver.told} == {one.id}
    assert len({told.body for told in world.receiver.told}) == 1
    assert len(world.receiver.told) == len(at)


async def test_a_receiver_that_comes_back_is_told_and_left_alone_then(world: World) -> None:
    world.receiver.status = 503
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await world.attempt()
    assert await world.attempt() == []
    world.receiver.status = 200
    world.clock.pass_(seconds=PAUSES_S[0] * (1 + JITTER) + 1)
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert (one.state, one.attempts) == (DeliveryState.DELIVERED, 2)
    world.clock.pass_(days=2)
    assert await world.attempt() == []


async def test_whoever_is_gone_is_never_told_again(world: World) -> None:
    world.receiver.status = 410
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert (one.state, one.last_error) == (DeliveryState.GIVEN_UP, "status 410")


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500])
async def test_every_other_answer_is_a_failure(world: World, status: int) -> None:
    """A redirect is not followed, even to the same receiver."""
    world.receiver.status = status
    world.receiver.headers = {"location": world.receiver.url}
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert (one.state, one.last_error) == (DeliveryState.DUE, f"status {status}")
    assert len(world.receiver.told) == 1


async def test_an_answer_without_end_is_cut_off(world: World) -> None:
    world.receiver.status, world.receiver.body = 200, b"x" * (ANSWER_BYTES_MAX + 1)
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert one.state is DeliveryState.DUE
    assert (one.last_error or "").startswith("ProtocolBroken")


async def test_a_receiver_that_is_not_there_or_not_allowed(world: World) -> None:
    running = await started(world.store, ROWS, webhook="http://127.0.0.1:9/")
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert (one.state, (one.last_error or "").split(":")[0]) == (DeliveryState.DUE, "Unreachable")
    running = await started(world.store, ROWS, webhook="https://10.0.0.1/")
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert (one.state, one.last_error) == (DeliveryState.GIVEN_UP, "the address is not allowed")


async def test_an_end_half_way_loses_nothing(world: World) -> None:
    """Killed between the receiver's answer and our note of it: told again, under the same id."""
    world.receiver.hold = asyncio.Event()
    await started(world.store, ROWS, webhook=world.receiver.url)
    async with looped(world.webhooks):
        assert await eventually_async(lambda: len(world.receiver.told) == 1)
    world.receiver.hold.set()
    world.receiver.hold = None
    assert await world.attempt() == []
    world.clock.pass_(seconds=LEASE_S + 1)
    await world.attempt()
    first, second = world.receiver.told
    assert (first.id, first.body) == (second.id, second.body)


async def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """Kill -9 while the receiver thinks: whoever comes next tells it again, under the same id."""
    first, second = await told_over_a_kill(tmp_path)
    assert (first.id, first.body) == (second.id, second.body)


async def test_two_processes_share_the_work(world: World) -> None:
    for _ in range(2 * IN_FLIGHT_MAX):
        await started(world.store, ROWS, webhook=world.receiver.url)
    other = Webhooks(world.store, world.transport, Gate(local=True), Signer(SECRET))
    async with looped(world.webhooks), looped(other):
        assert await eventually_async(lambda: len(world.receiver.told) >= 2 * IN_FLIGHT_MAX)
    assert len({one.id for one in world.receiver.told}) == len(world.receiver.told)


async def test_a_store_that_was_away_is_asked_again(world: World) -> None:
    class Flaky:
        """A ledger that fails at first."""

        def __init__(self, store: Store) -> None:
            self.failures = 1
            self.delivered = store.delivered
            self.deliver_again = store.deliver_again
            self.give_up = store.give_up

        async def due(self, limit: int, lease_s: float) -> list[Delivery]:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable("busy")
            return await world.store.due(limit, lease_s)

    await started(world.store, ROWS, webhook=world.receiver.url)
    webhooks = Webhooks(Flaky(world.store), world.transport, Gate(local=True), Signer(SECRET))
    async with looped(webhooks):
        assert await eventually_async(lambda: len(world.receiver.told) == 1)


async def test_a_batch_that_is_deleted_is_told_no_more(world: World) -> None:
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await world.store.delete(TENANT, running.batch.id)
    assert await world.attempt() == []


async def test_the_url_is_called_with_its_path_and_its_query(world: World) -> None:
    await started(world.store, ROWS, webhook=world.receiver.url)
    await world.attempt()
    (told,) = world.receiver.told
    assert told.target == "/hook?tenant=a%20b"


async def test_a_pause_says_why(world: World) -> None:
    running = await started(world.store, ROWS, webhook=world.receiver.url)
    await world.store.move(TENANT, running.batch.id, Move.PAUSE)
    await world.attempt()
    said = {one.json["type"]: one.json["data"] for one in world.receiver.told}
    assert said["batch.paused"]["pauseReason"] == "REQUESTED"


async def test_upkeep_tells_and_removes_and_ends(tmp_path: Path) -> None:
    """Without a secret nothing is told; with two both sign. What is under way is ended first."""
    gate = Gate(local=True)
    async with opened(tmp_path) as store, receiving() as receiver:
        await started(store, ROWS, webhook=receiver.url)
        silent = Upkeep(store, RetentionSettings(), WebhookSettings(), gate)
        silent.start()
        assert await eventually_async(lambda: silent.retention.removed.looked_at is not None)
        await silent.close()
        assert receiver.told == []
        given = {"secret": SECRET, "secrets_old": OLDER}
        settings = WebhookSettings.model_validate(given)
        upkeep = Upkeep(store, RetentionSettings(), settings, gate)
        receiver.hold = asyncio.Event()
        upkeep.start()
        assert await eventually_async(lambda: len(receiver.told) == 1)
        closing = asyncio.create_task(upkeep.close())
        await asyncio.sleep(0)
        receiver.hold.set()
        await closing
        (told,) = receiver.told
        for secret in (SECRET, OLDER):
            Webhook(secret).verify(told.body, told.headers)
        assert await store.due(10, 1) == []
