"""What a batch with a cost cap may spend: all of that, no more, and it never stands still."""

from contextlib import AsyncExitStack
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest

from batches.batch import Batch, Move, NewBatch, State
from batches.chunk import Granted
from batches.counts import Spent
from batches.estimate import CHUNKS_MAX, Estimator, Sight
from batches.starting import Starter
from batches.store import LEASE_S, Store
from providers.panel import Panel, Strategy
from providers.priority import TENANT
from questions.foresight import Foresight
from tests.batches.conftest import Clock
from tests.batches.given import claimed, queued, valid
from tests.batches.house import KINDS, Bench, Place, emails
from tests.questions.house import UNREACHABLE, TableProvider

PRICE = 10_000


async def test_what_rested_is_asked_before_what_the_cap_has_no_room_for(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.undecided.AGAIN_FIRST_S", 0.01)
    monkeypatch.setattr("batches.chunk_work.AGAIN_MAX", 2)
    values = emails(150)
    provider = TableProvider(table={values[0]: UNREACHABLE})
    async with at.engine(Bench(at.judge(provider), prices={"email": PRICE})):
        batch = await at.batch(values, chunk=150, cost_cap_millionths=3 * PRICE + PRICE // 2)
        batch = await at.until(batch, State.CAPPED)
    assert set(provider.asked) == set(values[:3])


async def test_a_batch_whose_cost_is_its_cap_completes(store: Store) -> None:
    batch = await queued(store, 3, 3, new=NewBatch(cost_cap_millionths=20))
    for seq, spent in enumerate((Spent(cost_millionths=20), Spent())):
        of = await claimed(store, batch, seq)
        await store.finish(of.claim, b"all", valid(3), spent)
    assert (await store.batch(TENANT, batch.id)).state is State.COMPLETED


async def test_starting_again_never_caps(store: Store) -> None:
    """What runs has spent what its estimate said, so an estimate anew would be too much."""

    class Dear:
        async def of(self, batch: Batch) -> object:
            del batch
            return SimpleNamespace(cost=1_000)

    batch = await queued(store, 3, new=NewBatch(cost_cap_millionths=20))
    starter = Starter(store, cast("Estimator", Dear()))
    assert (await starter.start(batch)).state is State.QUEUED
    capped = await store.move(TENANT, batch.id, Move.CAP)
    assert (await starter.start(capped)).state is State.CAPPED


@pytest.mark.parametrize(
    "prices,strategy,cost",
    [
        (("0.01", "0"), Strategy.FAILOVER, "0.04"),
        (("0", "0.01"), Strategy.QUORUM, "0.04"),
        (("0.01", "0.02"), Strategy.QUORUM, "0.04"),  # a second paid one is for a failure
    ],
)
async def test_an_estimate_counts_every_voice_that_is_asked(
    at: Place, prices: tuple[str, str], strategy: Strategy, cost: str
) -> None:
    providers = [TableProvider(name=price, price=Decimal(price)) for price in prices]
    estimate = await estimator(at, Panel("mailbox", providers, 100, strategy)).of(  # pyright: ignore[reportArgumentType]
        await at.batch(emails(4))
    )
    assert estimate.cost == Decimal(cost)
    voices = 2 if strategy is Strategy.QUORUM and "0" in prices else 1
    assert sum(one.questions for one in estimate.providers) == 4 * voices


async def test_an_estimate_finds_what_is_open_wherever_it_is(at: Place) -> None:
    provider = TableProvider()
    values = emails(2 * CHUNKS_MAX)
    batch = await at.batch(values, chunk=1)
    for seq in range(0, len(values), 2):  # those that it looks at
        await at.store.finish((await claimed(at.store, batch, seq)).claim, b"", valid(1), Spent())
    panel = Panel("mailbox", [provider], 100)  # pyright: ignore[reportArgumentType]
    estimate = await estimator(at, panel).of(await at.now(batch))
    assert (estimate.records, estimate.cost) == (CHUNKS_MAX, CHUNKS_MAX * provider.price)


def estimator(at: Place, panel: Panel) -> Estimator:
    desk = at.new_desk(TableProvider())
    questions = {("email", "mailbox"): desk}
    foresight = Foresight(KINDS, questions, {"email": ["mailbox"]})
    panels = {("email", "mailbox"): panel}
    sight = cast("Sight", SimpleNamespace(foresight=foresight, panels=panels))
    return Estimator(at.store, lambda _: sight)


async def test_what_workers_set_aside_and_what_was_spent_never_pass_the_cap(store: Store) -> None:
    batch = await queued(store, 3, 3, new=NewBatch(cost_cap_millionths=50))
    one, other = [(await claimed(store, batch, seq)).claim for seq in range(2)]
    assert await store.set_aside(one, 0, [20, 20, 20]) == Granted(2)
    assert await store.set_aside(other, 0, [20]) == Granted(0, may_grow=True)
    assert await store.set_aside(other, 0, [10, 10]) == Granted(1, may_grow=True)
    # one of two was answered, and cost half of what it might have
    await store.flush(one, 0, b"part", valid(1), Spent(cost_millionths=10), 20)
    assert await store.set_aside(other, 10, [10, 10]) == Granted(1, may_grow=True)
    await store.finish(one, b"all", valid(3), Spent(cost_millionths=20))
    assert await store.set_aside(other, 20, [1]) == Granted(0)
    assert (await store.batch(TENANT, batch.id)).spent.cost_millionths == 30


async def test_asking_for_room_again_after_an_answer_that_got_lost_takes_it_once(
    store: Store,
) -> None:
    batch = await queued(store, 3, 3, new=NewBatch(cost_cap_millionths=50))
    one, other = [(await claimed(store, batch, seq)).claim for seq in range(2)]
    for _ in range(3):
        assert await store.set_aside(one, 0, [20]) == Granted(1)
    assert await store.set_aside(other, 0, [20, 20]) == Granted(1, may_grow=True)


async def test_what_a_lost_worker_had_set_aside_comes_back(store: Store, clock: Clock) -> None:
    batch = await queued(store, 3, 3, new=NewBatch(cost_cap_millionths=50))
    one, other = [(await claimed(store, batch, seq)).claim for seq in range(2)]
    assert await store.set_aside(one, 0, [50]) == Granted(1)
    clock.pass_s(LEASE_S + 1)
    await store.sweep()
    assert (await store.set_aside(one, 0, [50])).prices == 0, "its chunk is another's"
    again = (await claimed(store, batch, 0)).claim
    assert await store.set_aside(again, 0, [50]) == Granted(1)
    assert (await store.set_aside(other, 0, [1])).prices == 0


async def test_two_workers_together_spend_what_the_cap_allows(at: Place) -> None:
    """Each as its own process: it knows of the other by the store alone."""
    values, cap = emails(200), 60
    providers = [TableProvider(), TableProvider()]
    async with AsyncExitStack() as running:
        for provider in providers:
            bench = Bench(at.judge(provider), prices={"email": PRICE})
            await running.enter_async_context(at.engine(bench))
        batch = await at.batch(values, chunk=20, cost_cap_millionths=cap * PRICE)
        batch = await at.until(batch, State.CAPPED)
    assert len({*providers[0].asked, *providers[1].asked}) == cap
    assert batch.spent.cost_millionths == cap * PRICE


async def test_a_cap_that_is_reached_keeps_nobody_from_what_is_known(at: Place) -> None:
    """Its records come again, and some are decided without asking: that all costs nothing."""
    values = emails(30)
    provider = TableProvider()
    desks = {("email", "mailbox"): at.new_desk(provider)}
    foresight = Foresight(KINDS, desks, {"email": ["mailbox"]})
    bench = Bench(at.judge(provider), prices={"email": PRICE}, foresight=foresight)
    async with at.engine(bench, slots=1):
        rest = [*values, *values, *(f"no{at}@" for at in range(30))]
        batch = await at.batch([*values, *rest], chunk=30, cost_cap_millionths=30 * PRICE)
        batch = await at.until(batch, State.COMPLETED, State.CAPPED)
    assert batch.state is State.COMPLETED
    assert batch.spent.cost_millionths == 30 * PRICE
