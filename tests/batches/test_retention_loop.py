"""What is old enough goes, and nothing else; in a real store, on the test's clock."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from batches.chunk import Expired
from batches.errors import NoSuchBatch, StoreUnavailable
from batches.kept import Kept
from batches.oldest import Oldest
from batches.retention import Retention, kept_of
from batches.settings import RetentionSettings
from batches.steady import Steady
from batches.store import DELETED_PER_TRIP_MAX, Store
from providers.priority import TENANT
from tests.batches.ended import AT, Clock, Row, opened, started
from tests.logged import logged
from tests.waiting import eventually_async
from verdicts.verdict import Status

KEPT = kept_of(RetentionSettings())
ROWS: list[Row] = [(str(n), "a@x.example", "") for n in range(9)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncGenerator[Store]:
    async with opened(tmp_path, clock) as opened_store:
        yield opened_store


async def test_what_was_given_goes_first_and_then_the_batch(store: Store, clock: Clock) -> None:
    running = await started(store, ROWS)
    await running.finish_all([Status.VALID])
    retention = Retention(store, KEPT, now=clock)
    clock.pass_(days=6)
    await retention.look()
    assert (await running.now()).given_kept
    assert retention.removed.oldest == Oldest(AT, AT)
    clock.pass_(days=2)
    await retention.look()
    assert not (await running.now()).given_kept
    assert retention.removed.oldest == Oldest(None, AT)
    chunks = await store.chunk_results(TENANT, running.batch.id, -1, 10)
    assert [(one.given, one.results is not None) for one in chunks] == [(None, True)] * 3
    assert (retention.removed.given, retention.removed.batches) == (3, 0)
    clock.pass_(days=23)
    await retention.look()
    with pytest.raises(NoSuchBatch):
        await running.now()
    assert retention.removed.batches == 1
    assert retention.removed.looked_at == clock.now
    assert retention.removed.oldest == Oldest()


async def test_what_still_runs_stays(store: Store, clock: Clock) -> None:
    running = await started(store, ROWS)
    await running.claim(0)
    clock.pass_(days=400)
    await Retention(store, KEPT, now=clock).look()
    assert (await running.now()).given_kept


async def test_one_look_removes_however_much_there_is(store: Store, clock: Clock) -> None:
    rows = [(str(n), "a@x.example", "") for n in range(DELETED_PER_TRIP_MAX + 5)]
    running = await started(store, rows, 1)
    await running.finish_all([Status.VALID])
    clock.pass_(days=31)
    retention = Retention(store, KEPT, now=clock)
    with logged("batches.retention") as lines:
        await retention.look()
    assert retention.removed.batches == 1
    assert [line["batches"] for line in lines] == [1]
    expired = await store.expire(KEPT)
    assert (expired.given, expired.batches, expired.more) == (0, 0, False)


async def test_a_store_that_was_away_does_not_end_the_loop(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.steady.REST_FIRST_S", 0.01)

    class Flaky(Store):
        """A store that fails at first."""

        def __init__(self, real: Store) -> None:
            self.database = real.database
            self.real = real
            self.calls = 0

        async def expire(self, kept: Kept) -> Expired:
            self.calls += 1
            if self.calls == 1:
                raise StoreUnavailable("busy")
            return await self.real.expire(kept)

    running = await started(store, ROWS)
    await running.finish_all([Status.VALID])
    clock.pass_(days=31)
    flaky = Flaky(store)
    retention = Retention(flaky, KEPT, now=clock)
    loop = Steady("retention", retention.look, 0.01)
    with logged("batches") as lines:
        loop.start()
        assert await eventually_async(lambda: flaky.calls > 3)
        await loop.close()
    assert retention.removed.looked_at == clock.now
    assert retention.removed.batches == 1
    assert [line["event"] for line in lines][:3] == [
        "store of batches fails",
        "retention",
        "works again",
    ]
    assert (lines[1]["batches"], lines[1]["oldest_results"]) == (1, None)


def test_usually_what_was_given_goes_after_a_week_and_all_after_a_month() -> None:
    assert Kept(timedelta(days=7), timedelta(days=30)) == KEPT
    acme = RetentionSettings.model_validate(
        {"given_days": 3, "tenants": {"acme": {"results_days": 9}}}
    )
    assert kept_of(acme).apart == {"acme": Kept(timedelta(days=3), timedelta(days=9))}
