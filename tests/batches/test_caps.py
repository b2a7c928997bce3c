"""What a batch with a cost cap may spend: all of that, no more, and it never stands still."""

import asyncio
from collections.abc import Collection
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from batches.batch import Batch, Move, NewBatch, State
from batches.counts import Spent
from batches.estimate import CHUNKS_MAX, Estimator, Sight
from batches.purse import Purse
from batches.starting import Starter
from batches.store import Store
from providers.panel import Panel, Strategy
from providers.priority import TENANT
from questions.foresight import Foresight
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


class Slow:
    """A store whose answer is on its way while `gate` is shut: it tells what was when asked."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.gate = asyncio.Event()
        self.gate.set()

    async def snapshots(self, batch_ids: Collection[str]) -> dict[str, Batch]:
        found = dict.fromkeys(batch_ids, self.batch)
        await self.gate.wait()
        return found

    def spend(self, millionths: int) -> None:
        spent = self.batch.spent.plus(Spent(cost_millionths=millionths))
        self.batch = replace(self.batch, spent=spent)


async def test_what_is_spent_while_the_purse_looks_is_not_granted_twice(store: Store) -> None:
    slow = Slow(await queued(store, 3, new=NewBatch(cost_cap_millionths=30)))
    purse = Purse(cast("Store", slow))
    assert await purse.grant(slow.batch, [10, 10, 10]) == 3
    slow.gate.clear()
    late = asyncio.ensure_future(purse.grant(slow.batch, [10, 10]))
    await asyncio.sleep(0)
    slow.spend(20)
    purse.give_back(slow.batch, 30)
    slow.gate.set()
    assert await late == 1, "ten of thirty are left"
