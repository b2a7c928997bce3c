"""What would be lost with a worker while the shared store is away is little."""

from collections.abc import Sequence

import pytest

from batches.batch import State
from batches.rounds import UNSAVED_MAX
from questions.judging import Needs
from questions.terms import Terms
from tests.batches.house import Bench, Place, emails
from tests.questions.house import TableProvider
from verdicts.record import Record
from verdicts.verdict import RecordResult


@pytest.mark.parametrize("unsaved", [False, True])
async def test_while_nobody_else_could_know_of_it_each_round_is_small_and_flushed(
    at: Place, *, unsaved: bool
) -> None:
    """What a crash would have asked again is then what one round holds."""
    provider = TableProvider(values_per_call=1000)
    bench = Bench(at.judge(provider), unsaved=unsaved)
    flushed: list[int] = []

    class Watched:
        async def judge(
            self, records: Sequence[Record], needs: Needs, terms: Terms
        ) -> list[RecordResult]:
            snapshots = await at.store.snapshots([batch.id])
            flushed.append(snapshots[batch.id].counts.records)
            return await at.judge(provider).judge(records, needs, terms)

    bench.judge = Watched()
    batch = await at.batch(emails(500), chunk=500)
    async with at.engine(bench, slots=1):
        await at.until(batch, State.COMPLETED)
    assert sorted(provider.asked) == sorted(emails(500))
    if unsaved:
        assert flushed == list(range(0, 500, UNSAVED_MAX))
    else:
        assert flushed == [0] * len(flushed)
        assert len(flushed) < 5
