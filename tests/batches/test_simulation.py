"""What holds whatever happens: a fleet under seeded trouble, on a virtual clock."""

import os
from typing import NamedTuple

import pytest

from batches.batch import Batch, State
from providers.priority import TENANT
from tests.batches.simulated import STATUS, Fleet
from tests.batches.virtual_time import EPOCH, SimulatedLoop, simulate
from verdicts.verdict import RecordResult, Status

FIRST = int(os.environ.get("ASSAY_SIMULATION_FIRST", "0"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("ASSAY_SIMULATION_SEEDS", "12")))
RECORDS, CHUNK, PROCESSES, TROUBLES = 200, 10, 3, 16
CANCELLED_EVERY = 4
ENDS_S_MAX = 3600.0


class Seen(NamedTuple):
    """What came of a run: the batch as it ended, and each result by its place in the input."""

    fleet: Fleet
    done: Batch
    results: dict[int, RecordResult]


def value_at(place: int) -> str:
    """Return the e-mail at `place`: a quarter of them come again."""
    return f"{place % 150}@x.example"


async def troubled(loop: SimulatedLoop, seed: int, *, cancelled: bool = False) -> Seen:
    fleet = Fleet(loop, seed)
    for _ in range(PROCESSES):
        fleet.begin()
    batch = await fleet.batch([value_at(place) for place in range(RECORDS)], CHUNK)
    cancelling = loop.create_task(fleet.cancel(batch)) if cancelled else None
    await fleet.trouble(batch, TROUBLES)
    done = await fleet.ended(batch, ENDS_S_MAX)
    if cancelling is not None:
        await cancelling
    results: dict[int, RecordResult] = {}
    for chunk in await fleet.store.chunk_results(TENANT, batch.id, -1, 1000):
        for blob in (chunk.results, *chunk.parts):
            if blob is not None:
                for place, result in zip(*fleet.packing.unpacked(blob), strict=True):
                    assert chunk.first_index + place not in results, "a record has two results"
                    results[chunk.first_index + place] = result
    for process in list(fleet.processes):
        await process.stop()
    return Seen(fleet, done, results)


def assert_true(seen: Seen) -> None:
    """Hold that no verdict came from nowhere, progress is steady, and what is counted is there."""
    fleet, done, results = seen
    for place, result in results.items():
        value = value_at(place)
        assert result.verdicts[0].input == value
        if result.status is Status.UNKNOWN:
            assert result.verdicts[0].reasons, "nobody could say, and it is said why"
        else:
            assert value in fleet.truth.known, "no verdict without an answer"
            assert result.status is STATUS[fleet.truth.of(value)], "and none from a failure"
    versions = [version for version, _, _ in fleet.seen]
    shown = [records for _, records, _ in fleet.seen]
    assert versions == sorted(versions)
    assert shown == sorted(shown), "progress never goes back"
    counts = {status: sum(one.status is status for one in results.values()) for status in Status}
    assert done.counts.statuses == counts, "what is counted is what was committed"
    assert done.counts.records == len(results)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_a_batch_ends_and_is_right(seed: int) -> None:
    cancelled = seed % CANCELLED_EVERY == 0
    seen = simulate(lambda loop: troubled(loop, seed, cancelled=cancelled))
    if cancelled:
        assert seen.done.state in {State.CANCELLED, State.COMPLETED}
    else:
        assert seen.done.state is State.COMPLETED, "after the troubles it ends"
    if seen.done.state is State.COMPLETED:
        assert sorted(seen.results) == list(range(RECORDS)), "every record has exactly one result"
    assert_true(seen)


def test_the_same_seed_is_the_same_run() -> None:
    runs = [simulate(lambda loop: troubled(loop, 3)) for _ in range(2)]
    assert runs[0].fleet.seen[-1][1:] == runs[1].fleet.seen[-1][1:]
    assert runs[0].fleet.loop.moment() == runs[1].fleet.loop.moment() > EPOCH
    assert runs[0].results == runs[1].results
