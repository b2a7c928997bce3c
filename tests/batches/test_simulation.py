"""What holds whatever happens: a fleet under seeded trouble, on a virtual clock."""

import os

import pytest

from batches.batch import Batch, State
from providers.priority import TENANT
from tests.batches.simulated import STATUS, Fleet
from tests.batches.virtual_time import EPOCH, SimulatedLoop, simulate
from verdicts.verdict import RecordResult, Status

SEEDS = range(int(os.environ.get("ASSAY_SIMULATION_SEEDS", "12")))
RECORDS, CHUNK, PROCESSES, TROUBLES = 200, 10, 3, 16
ENDS_S_MAX = 3600.0


async def troubled(loop: SimulatedLoop, seed: int) -> tuple[Fleet, Batch, list[RecordResult]]:
    fleet = Fleet(loop, seed)
    for _ in range(PROCESSES):
        fleet.begin()
    values = [f"{at % 150}@x.example" for at in range(RECORDS)]
    batch = await fleet.batch(values, CHUNK)
    await fleet.trouble(batch, TROUBLES)
    done = await fleet.ended(batch, ENDS_S_MAX)
    results: list[RecordResult] = []
    places: list[int] = []
    for chunk in await fleet.store.chunk_results(TENANT, batch.id, -1, 1000):
        assert chunk.results is not None
        for place, result in zip(*fleet.packing.unpacked(chunk.results), strict=True):
            places.append(chunk.first_index + place)
            results.append(result)
    assert sorted(places) == list(range(RECORDS)), "every record has exactly one final result"
    for process in list(fleet.processes):
        await process.stop()
    return fleet, done, [one for _, one in sorted(zip(places, results, strict=True), key=first)]


def first(pair: tuple[int, RecordResult]) -> int:
    return pair[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_a_batch_ends_and_is_right(seed: int) -> None:
    fleet, done, results = simulate(lambda loop: troubled(loop, seed))
    assert done.state is State.COMPLETED, "after the troubles it ends"
    for at, result in enumerate(results):
        value = f"{at % 150}@x.example"
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
    assert done.counts.records == done.records == RECORDS
    counts = {status: sum(one.status is status for one in results) for status in Status}
    assert done.counts.statuses == counts, "what is counted is what was committed"


def test_the_same_seed_is_the_same_run() -> None:
    runs = [simulate(lambda loop: troubled(loop, 3)) for _ in range(2)]
    assert runs[0][0].seen[-1][1:] == runs[1][0].seen[-1][1:]
    assert runs[0][0].loop.moment() == runs[1][0].loop.moment() > EPOCH
    assert runs[0][2] == runs[1][2]
