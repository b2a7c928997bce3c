"""An engine works a batch off, whatever comes in between."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from batches.batch import Move, PauseReason, State
from batches.chunk import ATTEMPTS_MAX
from batches.engine import Engine
from batches.errors import StoreUnavailable
from batches.rounds import Window
from batches.store import Store
from batches.undecided import Again, Blocked, again_in_s, next_of
from questions.judging import Judge, Needs
from questions.terms import Terms
from schema.records import RecordInput
from tests.batches.house import Bench, Place, emails
from tests.logged import logged
from tests.questions.house import TableProvider, terms
from tests.waiting import eventually_async
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because
from verdicts.record import Record
from verdicts.verdict import RecordResult, Status

REFUTED = Found(Conclusion.REFUTED, (because(ReasonCode.MAILBOX_NOT_FOUND, "mailbox"),))


def undecided(code: ReasonCode, *, retryable: bool = True) -> Found:
    return Found(Conclusion.UNDECIDED, (because(code, "mailbox", retryable=retryable),))


async def test_a_batch_is_worked_on_to_its_end(at: Place) -> None:
    values = [*emails(95), "user0@x.example", "nobody"]
    provider = TableProvider(table={"user7@x.example": REFUTED})
    async with at.engine(at.judge(provider)):
        batch = await at.until(await at.batch(values), State.COMPLETED)
    found = await at.results(batch)
    assert set(found) == set(values)
    assert found["user7@x.example"].status is found["nobody"].status is Status.INVALID
    assert batch.counts.statuses[Status.VALID] == 95
    assert batch.counts.records == batch.records == 97
    assert sorted(provider.asked) == sorted(emails(95)), "each value once, however far apart"
    assert batch.spent.values_asked == 95
    assert batch.spent.cost_millionths == 950_000
    assert batch.spent.calls_made == len(provider.calls)


async def test_two_engines_share_a_batch_and_ask_nothing_twice(at: Place) -> None:
    first, second = TableProvider(), TableProvider()
    async with at.engine(at.judge(first)), at.engine(at.judge(second)):
        batch = await at.until(await at.batch(emails(400)), State.COMPLETED)
    assert sorted(first.asked + second.asked) == sorted(emails(400))
    assert len(await at.results(batch)) == 400


async def test_two_batches_at_once_ask_nothing_twice(at: Place) -> None:
    provider = TableProvider()
    async with at.engine(at.judge(provider)):
        one, other = await at.batch(emails(150)), await at.batch(emails(200))
        for batch in (one, other):
            await at.until(batch, State.COMPLETED)
    assert sorted(provider.asked) == sorted(emails(200))


@pytest.mark.parametrize(
    "code,reason",
    [
        (ReasonCode.QUOTA_EXHAUSTED, PauseReason.QUOTA_EXHAUSTED),
        (ReasonCode.PROVIDER_REFUSED, PauseReason.PROVIDER_REFUSED),
    ],
)
async def test_what_would_fail_for_all_pauses_the_batch(
    at: Place, code: ReasonCode, reason: PauseReason
) -> None:
    """What is decided stands; what is not stays open, and is asked when the batch goes on."""
    values = emails(400)
    provider = TableProvider(table=dict.fromkeys(values[200:], undecided(code)), values_per_call=1)
    bench = Bench(at.judge(provider))
    async with at.engine(bench):
        batch = await at.until(await at.batch(values), State.PAUSED)
        assert batch.pause_reason is reason
        asked = [value for value in provider.asked if value in set(values[200:])]
        assert len(asked) <= 40, "two chunks, and those begun before they knew"
        assert (batch.retry_at is None) is (reason is not PauseReason.QUOTA_EXHAUSTED)
        await asyncio.sleep(0.5)  # whoever still had something to say has said it
        done = await at.results(batch)
        assert set(done) <= set(values[:200])
        provider.table.clear()
        while (await at.until(batch, State.PAUSED, State.COMPLETED)).state is State.PAUSED:
            # what failed is remembered for some seconds, so going on at once may find it again
            await asyncio.sleep(0.3)
            await at.store.move(batch.tenant, batch.id, Move.RESUME)
            await at.until(batch, State.RUNNING, State.COMPLETED, State.PAUSED)
    assert len(await at.results(batch)) == 400
    counts = {value: provider.asked.count(value) for value in done}
    assert set(counts.values()) == {1}, "what was decided is not asked again"


async def test_a_pause_ends_by_itself_when_that_is_known(at: Place) -> None:
    values = emails(20)
    provider = TableProvider(table={values[3]: undecided(ReasonCode.QUOTA_EXHAUSTED)})
    async with at.engine(Bench(at.judge(provider), again_s=0.1)):
        batch = await at.until(await at.batch(values), State.PAUSED)
        assert batch.retry_at is not None
        provider.table.clear()
        await at.until(batch, State.COMPLETED)


async def test_a_pause_that_was_asked_for_leaves_nothing_behind(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.chunk_work.COME_BACK_S", 0.1)
    provider = TableProvider(values_per_call=1)
    provider.gate.clear()
    async with at.engine(at.judge(provider)) as engine:
        batch = await at.batch(emails(100))
        await at.until(batch, State.RUNNING)
        await at.store.move(batch.tenant, batch.id, Move.PAUSE)
        engine.work.look()
        assert await eventually_async(lambda: engine.work.busy == 0), "rounds end, chunks go back"
        assert (await at.now(batch)).state is State.PAUSED
        provider.gate.set()
        await at.store.move(batch.tenant, batch.id, Move.RESUME)
        await at.until(batch, State.COMPLETED)
    assert sorted(provider.asked) == sorted(emails(100))


async def test_what_is_found_before_a_cancellation_is_kept(at: Place) -> None:
    provider = TableProvider(values_per_call=1)
    provider.gate.clear()
    async with at.engine(at.judge(provider)) as engine:
        batch = await at.batch(emails(100), chunk=50)
        await at.until(batch, State.RUNNING)
        assert await eventually_async(lambda: bool(provider.calls))
        await at.store.move(batch.tenant, batch.id, Move.CANCEL)
        provider.gate.set()
        engine.work.look()
        batch = await at.until(batch, State.CANCELLED)
    found = await at.results(batch)
    assert 0 < len(found) == batch.counts.records
    assert set(found) <= set(provider.asked)


async def test_a_batch_stops_before_its_cost_cap(at: Place) -> None:
    provider = TableProvider()
    bench = Bench(at.judge(provider), prices={"email": 10_000})
    async with at.engine(bench):
        batch = await at.batch(emails(100), cost_cap_millionths=255_000)
        batch = await at.until(batch, State.CAPPED)
        assert batch.spent.cost_millionths == 250_000
        assert len(provider.asked) == 25


async def test_a_failure_is_asked_again_and_stays_unknown_in_the_end(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.undecided.AGAIN_FIRST_S", 0.01)
    monkeypatch.setattr("batches.chunk_work.AGAIN_MAX", 3)
    values = emails(30)
    down = undecided(ReasonCode.PROVIDER_UNAVAILABLE)
    provider = TableProvider(
        table={values[4]: down, values[5]: undecided(ReasonCode.NOT_COVERED, retryable=False)}
    )
    async with at.engine(at.judge(provider)):
        batch = await at.until(await at.batch(values), State.COMPLETED)
    found = await at.results(batch)
    assert found[values[4]].status is found[values[5]].status is Status.UNKNOWN
    assert batch.counts.statuses[Status.VALID] == 28
    assert batch.counts.reasons["email"]["PROVIDER_UNAVAILABLE"] == 1


async def test_what_takes_longer_than_a_round_is_flushed_and_waited_for(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.rounds.ROUND_S", 0.2)
    monkeypatch.setattr("batches.chunk_work.FLUSH_S", 0.0)
    provider = TableProvider(values_per_call=1)
    judge = at.judge(provider)
    async with at.engine(judge):
        provider.gate.clear()
        batch = await at.batch(emails(30), chunk=30)
        slow = asyncio.ensure_future(judge.judge(*first_of(batch_of(emails(1)))))
        await at.until(batch, State.RUNNING)
        await asyncio.sleep(0.5)
        provider.gate.set()
        batch = await at.until(batch, State.COMPLETED)
        await slow
    assert sorted(provider.asked) == sorted(emails(30))
    assert batch.spent.saved_by_dedupe <= 1, "who asks again for the same saves nothing by it"


def batch_of(values: Sequence[str]) -> list[Record]:
    return [RecordInput(email=value) for value in values]


def first_of(records: Sequence[Record]) -> tuple[Sequence[Record], Needs, Terms]:
    return records, {"email": ["mailbox"]}, terms()


class Gated:
    """Judges as `judge` does, once `gate` is open."""

    def __init__(self, judge: Judge) -> None:
        self.judge_ = judge
        self.gate = asyncio.Event()
        self.waiting = 0

    async def judge(
        self, records: Sequence[Record], needs: Needs, terms: Terms
    ) -> list[RecordResult]:
        self.waiting += 1
        await self.gate.wait()
        return await self.judge_.judge(records, needs, terms)


class Faulty:
    """Judges as `judge` does, but for a record with which it fails."""

    def __init__(self, judge: Judge, poison: str) -> None:
        self.judge_ = judge
        self.poison = poison
        self.failed = 0

    async def judge(
        self, records: Sequence[Record], needs: Needs, terms: Terms
    ) -> list[RecordResult]:
        if any(record.email == self.poison for record in records):
            self.failed += 1
            raise ZeroDivisionError("a fault of ours")
        return await self.judge_.judge(records, needs, terms)


async def test_a_chunk_that_fails_its_workers_is_given_up_and_the_batch_completes(
    at: Place,
) -> None:
    values = emails(40)
    faulty = Faulty(at.judge(TableProvider()), values[13])
    with logged("batches.chunk_work") as said:
        async with at.engine(Bench(faulty)):
            batch = await at.until(await at.batch(values), State.COMPLETED)
    found = await at.results(batch)
    unknown = {value for value, one in found.items() if one.status is Status.UNKNOWN}
    assert unknown == set(values[10:20])
    reasons = found[values[13]].verdicts[0].reasons
    assert [(one.code, one.retryable) for one in reasons] == [(ReasonCode.GIVEN_UP, True)]
    assert faulty.failed == ATTEMPTS_MAX
    assert [one["event"] for one in said] == ["chunk given up"]


async def stand_still(engine: Engine) -> None:
    """Let it neither renew a lease nor begin anything, as if it had been stopped.

    Nor does it take hints: of a chunk that it has, one would be lost for as long as hints count.
    """
    for loop in (engine.dispatch.steady, engine.work.hold, engine.hints):
        await loop.close()


async def test_a_chunk_that_was_lost_is_not_spoken_of_any_more(at: Place) -> None:
    """A worker that stood still past its lease finds its chunk in other hands."""
    stalled = Gated(at.judge(TableProvider()))
    async with at.engine(Bench(stalled), lease_s=1.0) as one:
        batch = await at.batch(emails(10))
        assert await eventually_async(lambda: stalled.waiting == 1)
        await stand_still(one)
        async with at.engine(at.judge(TableProvider()), lease_s=1.0):
            done = await at.until(batch, State.COMPLETED)
        stalled.gate.set()
        assert await eventually_async(lambda: one.work.busy == 0)
    assert await at.now(batch) == done, "nothing that it said was taken"
    assert len(await at.results(batch)) == 10


async def test_a_lost_lease_ends_the_work(at: Place) -> None:
    stalled = Gated(at.judge(TableProvider()))
    async with at.engine(Bench(stalled), lease_s=1.0) as one:
        batch = await at.batch(emails(10))
        assert await eventually_async(lambda: stalled.waiting == 1)
        await at.store.delete(batch.tenant, batch.id)
        one.work.look()
        assert await eventually_async(lambda: one.work.busy == 0)


async def test_a_stop_gives_back_what_another_goes_on_with_at_once(at: Place) -> None:
    """It does not wait for a lease to run out."""
    stopped = TableProvider(values_per_call=1)
    stopped.gate.clear()
    async with at.engine(at.judge(stopped), lease_s=600.0):
        batch = await at.batch(emails(20))
        await at.until(batch, State.RUNNING)
    stopped.gate.set()  # what it was asking goes on without it
    async with at.engine(at.judge(TableProvider()), lease_s=600.0):
        await at.until(batch, State.COMPLETED)
    assert len(await at.results(batch)) == 20


class Away:
    """A store that is away while `gate` is shut: everything it is told fails."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        found = getattr(self._store, name)

        async def told(*arguments: object, **more: object) -> object:
            if self.away:
                raise StoreUnavailable("it is away")
            return await found(*arguments, **more)

        return told


async def test_a_store_that_goes_away_is_waited_for(at: Place) -> None:
    provider = TableProvider(values_per_call=1)
    provider.gate.clear()
    store = Away(at.store)
    with logged("batches.steady") as said:
        async with at.engine(at.judge(provider), store):  # pyright: ignore[reportArgumentType]
            batch = await at.batch(emails(60))
            await at.until(batch, State.RUNNING)
            store.away = True
            provider.gate.set()
            assert await eventually_async(lambda: bool(said))
            await asyncio.sleep(1.0)
            store.away = False
            await at.until(batch, State.COMPLETED)
    assert sorted(provider.asked) == sorted(emails(60)), "what was found meanwhile is not lost"
    events = [(one["event"], one["work"]) for one in said]
    assert len(events) == len(set(events)), "each says once that it fails, and that it works again"


async def test_a_batch_of_which_nothing_is_worked_on_waits_for_no_slot(at: Place) -> None:
    slow, quick = TableProvider(values_per_call=1), emails(10, "quick")
    slow.gate.clear()
    judge = at.judge(slow)
    async with at.engine(judge, slots=2):
        huge = await at.batch(emails(200))
        await at.until(huge, State.RUNNING)
        assert await eventually_async(lambda: len(slow.calls) >= 1)
        small = await at.batch(quick)
        await at.until(small, State.RUNNING)
        slow.gate.set()
        await at.until(huge, State.COMPLETED)


@pytest.mark.parametrize(
    "code,retryable,expected",
    [
        (ReasonCode.DEADLINE, True, Again.SOON),
        (ReasonCode.LIMITS_UNAVAILABLE, True, Again.SOON),
        (ReasonCode.SOURCE_UNAVAILABLE, True, Again.LATER),
        (ReasonCode.NOT_COVERED, False, None),
        (ReasonCode.MAILBOX_UNREACHABLE, True, None),
        (
            ReasonCode.OUT_OF_CREDIT,
            True,
            Blocked(PauseReason.OUT_OF_CREDIT, "email", "mailbox"),
        ),
    ],
)
async def test_what_becomes_of_an_undecided_record(
    at: Place,
    code: ReasonCode,
    retryable: bool,  # noqa: FBT001 - a parameter
    expected: object,
) -> None:
    provider = TableProvider(table={"a@x.example": undecided(code, retryable=retryable)})
    (result,) = await at.judge(provider).judge(*first_of(batch_of(["a@x.example"])))
    assert next_of(result) == expected
    assert next_of(replace(result, status=Status.VALID)) is None


def test_the_window_grows_while_it_is_answered_and_shrinks_to_what_is() -> None:
    window = Window()
    sizes = [window.size]
    for answered in (100, 200, 400, 800, 1000, 30, 0):
        window.learn(min(window.size, 1000), min(answered, window.size))
        sizes.append(window.size)
    assert sizes == [100, 200, 400, 800, 1000, 1000, 60, 25]
    assert [again_in_s(times) for times in (1, 2, 7)] == [6.0, 12.0, 120.0]
