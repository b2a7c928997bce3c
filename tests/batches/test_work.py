from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from batches.batch import State
from checks.kinds import load
from tests.batches.house import Place, emails, place
from tests.questions.house import TableProvider
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because
from verdicts.verdict import Status

REFUTED = Found(Conclusion.REFUTED, (because(ReasonCode.MAILBOX_NOT_FOUND, "mailbox"),))


def undecided(code: ReasonCode) -> Found:
    return Found(Conclusion.UNDECIDED, (because(code, "mailbox", retryable=True),))


@pytest.fixture(scope="module", autouse=True)
def tables() -> None:
    load()


@pytest.fixture
async def at(tmp_path: Path, valkey_url: str) -> AsyncGenerator[Place]:
    async with place(tmp_path, valkey_url) as found:
        yield found


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
