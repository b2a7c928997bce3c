"""Counts stay what the chunks say, whatever happens in whatever order."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.batch import Move, State
from batches.chunk import Claimed, Standing
from batches.counts import NOTHING, Counts, Spent, counted
from batches.store import Store
from providers.priority import TENANT
from tests.batches.conftest import Clock
from tests.batches.given import SPENT, counts, queued
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode, because
from verdicts.verdict import EmailVerdict, IbanVerdict, RecordResult, Source, Status

V = TypeVar("V", EmailVerdict, IbanVerdict)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = st.dictionaries(st.sampled_from(Status), st.integers(0, 5))


@given(NUMBERS, NUMBERS)
def test_counts_add_up_and_come_apart(one: dict[Status, int], other: dict[Status, int]) -> None:
    both = counts(one).plus(counts(other))
    assert both.statuses == {status: one.get(status, 0) + other.get(status, 0) for status in Status}
    assert both.minus(counts(other)) == counts(one)
    assert both.minus(both) == NOTHING
    assert both.records == sum(one.values()) + sum(other.values())


@given(NUMBERS, st.sets(st.sampled_from(Status)))
def test_a_status_is_taken_out_whole(numbers: dict[Status, int], gone: set[Status]) -> None:
    rest = {status: number for status, number in numbers.items() if status not in gone}
    assert counts(numbers).without(gone) == counts(rest)


def verdict_of(kind: type[V], status: Status, *codes: ReasonCode) -> V:
    reasons = tuple(because(code, "mailbox") for code in codes)
    outcome = Outcome("mailbox", Conclusion.DOUBTFUL, reasons=reasons)
    name = "email" if kind is EmailVerdict else "iban"
    return kind(name, "a", "a", status, reasons, (outcome,), NOW, None, Source.LOCAL)


def test_results_are_counted_by_status_kind_and_reason() -> None:
    good = verdict_of(EmailVerdict, Status.VALID)
    bad = verdict_of(IbanVerdict, Status.INVALID, ReasonCode.MALFORMED)
    odd = verdict_of(EmailVerdict, Status.RISKY, ReasonCode.CATCH_ALL, ReasonCode.CATCH_ALL)
    results = [
        RecordResult(None, 0, Status.VALID, email=good, verdicts=(good,)),
        RecordResult(None, 1, Status.VALID, email=good, verdicts=(good,)),
        RecordResult(None, 2, Status.INVALID, email=good, iban=bad, verdicts=(good, bad)),
        RecordResult(None, 3, Status.RISKY, email=odd, verdicts=(odd,)),
    ]
    found = counted(results)
    assert found.statuses == {
        Status.VALID: 2,
        Status.INVALID: 1,
        Status.RISKY: 1,
        Status.UNKNOWN: 0,
    }
    assert found.verdicts == {"email": {"VALID": 3, "RISKY": 1}, "iban": {"INVALID": 1}}
    assert found.reasons == {"iban": {"MALFORMED": 1}, "email": {"CATCH_ALL": 1}}
    assert counted(results[:2]).plus(counted(results[2:])) == found
    assert counted([]) == NOTHING


class Worker:
    """Works on a batch in any order, and keeps a reckoning of its own."""

    def __init__(self, store: Store, clock: Clock, seed: int) -> None:
        self.store = store
        self.clock = clock
        self.rnd = random.Random(seed)
        self.held: list[Claimed] = []
        self.decided: dict[int, Counts] = {}
        self.flushed: dict[int, int] = {}
        self.spent = Spent()

    def some(self, number: int) -> Counts:
        """Return counts of `number` records, of any statuses."""
        statuses = self.rnd.choices(list(Status), k=number)
        return counts({status: statuses.count(status) for status in Status})

    async def claim(self) -> None:
        for ref in await self.store.next_chunks(self.rnd.randint(1, 2), hint_s=20):
            found = await self.store.claim(ref, f"w{self.rnd.random()}")
            if found is not None:
                self.held.append(found)
                self.decided.setdefault(ref.seq, NOTHING)
                self.flushed[ref.seq] = len(found.parts)

    async def flush(self) -> None:
        if not self.held:
            return
        of = self.rnd.choice(self.held)
        seq = of.claim.seq
        left = of.records - self.decided[seq].records
        part = self.some(self.rnd.randint(0, left))
        said = await self.store.flush(of.claim, self.flushed[seq], b"part", part, SPENT)
        if said is not Standing.LOST:
            self.decided[seq] = self.decided[seq].plus(part)
            self.flushed[seq] += 1
            self.spent = self.spent.plus(SPENT)

    async def finish(self) -> None:
        if not self.held:
            return
        of = self.held.pop(self.rnd.randrange(len(self.held)))
        seq = of.claim.seq
        rest = self.some(of.records - self.decided[seq].records)
        whole = self.decided[seq].plus(rest)
        said = await self.store.finish(of.claim, b"whole", whole, SPENT)
        if said is not Standing.LOST:
            self.decided[seq] = whole
            self.spent = self.spent.plus(SPENT)

    async def release(self) -> None:
        if self.held:
            of = self.held.pop(self.rnd.randrange(len(self.held)))
            still = (await self.store.renew([of.claim]))[of.claim]
            await self.store.release(of.claim, SPENT, failed=False)
            if still is not Standing.LOST:
                self.spent = self.spent.plus(SPENT)

    async def be_late(self) -> None:
        self.clock.pass_s(self.rnd.choice([5, 31]))
        await self.store.sweep()

    async def pause(self, batch_id: str) -> None:
        await self.store.move(TENANT, batch_id, Move.PAUSE)
        await self.store.move(TENANT, batch_id, Move.RESUME)

    async def retry(self, batch_id: str) -> None:
        gone = set(self.rnd.sample(list(Status), 2))
        await self.store.retry(TENANT, batch_id, gone)
        self.decided = {seq: one.without(gone) for seq, one in self.decided.items()}


@pytest.mark.parametrize("seed", range(4))
async def test_counts_are_exact_after_anything(store: Store, clock: Clock, seed: int) -> None:
    batch = await queued(store, 7, 5, 3, 6)
    worker = Worker(store, clock, seed)
    steps: list[Callable[[], Awaitable[None]]] = [
        worker.claim,
        worker.flush,
        worker.flush,
        worker.finish,
    ]
    steps += [worker.release, worker.be_late]
    for _ in range(120):
        now = await store.batch(TENANT, batch.id)
        if now.state is State.COMPLETED:
            worker.held.clear()
            await worker.retry(batch.id)
        elif worker.rnd.random() < 0.05:
            await worker.pause(batch.id)
        else:
            await worker.rnd.choice(steps)()
        now = await store.batch(TENANT, batch.id)
        chunks = await store.chunk_results(TENANT, batch.id, -1, 100)
        expected = NOTHING
        for one in worker.decided.values():
            expected = expected.plus(one)
        summed = NOTHING
        for chunk in chunks:
            summed = summed.plus(chunk.counts)
        assert now.counts == summed == expected
        assert now.spent == worker.spent
