"""Each benchmark runs, on as little as it can; what it measures is its own business."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import (
    batch_size,
    batch_speed,
    beside_peers,
    cached,
    export,
    ingest,
    processes,
    push,
    run,
    scoreboard,
    startup,
    way,
)


@pytest.fixture(autouse=True)
def unpinned() -> Iterator[None]:
    """Give this process back the processors that a benchmark takes from it."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def yardsticks_are_here() -> bool:
    try:
        processes.upstream_binary()
    except processes.NotHere:
        return False
    return True


if yardsticks_are_here():

    def test_way_is_measured_beside_the_bound() -> None:
        with processes.upstream() as up, processes.store() as shared:
            found = way.pair(up, shared, 1, 400, bulk=100)
        assert [one.way for one in found] == [way.BULK, way.SHARED, way.NEAR]
        assert all(one.us > 0 and one.bound_us > 0 for one in found)

    def test_a_batch_is_measured_beside_the_bound() -> None:
        found = batch_speed.measure(1, 400)
        assert [one.way for one in found[2:]] == [batch_speed.BULK, batch_speed.AGAIN_KNOWN]
        said = "\n".join(batch_speed.table(found))
        assert ("Beside a naive server" in said) is (found[0].naive_us is None)

    def test_batches_of_several_sizes_are_measured() -> None:
        found = batch_size.measure((300, 600))
        assert [one.records for one in found] == [300, 600]
        assert "| bytes a record on the disk |" in "\n".join(batch_size.table(found))

    def test_peers_are_measured_in_turns() -> None:
        with processes.upstream(latency_ms=1) as up, processes.store() as shared:
            turns = beside_peers.turns(up, shared, beside_peers.TASKS[0], 1, 0.1)
        assert [set(turn.theirs) for turn in turns] == [set(beside_peers.PEERS)]

    def test_same_emails_of_eight_clients_are_asked_once() -> None:
        with processes.upstream(latency_ms=20) as up, processes.store() as shared:
            settings = processes.asking_settings(shared, up, bulk=100)
            with processes.assay(settings) as one, processes.assay(settings) as other:
                found = beside_peers.duplicates(up, [one, other], "Assay", 1)
        assert found.asked == [beside_peers.SHARED_EMAILS]

    def test_known_results_are_sent_as_the_bare_handler_sends_them() -> None:
        beside, alone = cached.measure(1, 0.01)
        assert [one.records for one in beside] == [one.records for one in alone]
        assert "| HTTP | 1 |" in "\n".join(cached.table(beside, alone))


def test_results_are_written_in_every_form() -> None:
    found = export.measure(700)
    assert [(one.form, one.rows) for one in found] == [(form, 700) for form in export.FORMS]
    assert all(one.bytes > 0 and one.cpu_s > 0 for one in found)
    assert "| rows/s |" in "\n".join(export.table(found))


def test_without_yardsticks_it_is_said_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSAY_YARDSTICKS", str(tmp_path))
    said = run.measured(["way"], quick=True)
    assert "**0 of 0 goals met.**" in said
    assert "The whole way: not measured, the yardsticks are not here" in said


def test_a_start_is_timed_until_it_is_ready() -> None:
    start = startup.served()
    assert start.cpu_s > 0
    assert 0 < start.ready_s < processes.READY_WAIT_S
    assert start.resident_bytes > 0


def test_deliveries_are_measured_beside_a_raw_websocket() -> None:
    found = push.measure(1, 0.6, 20)
    assert all(one.us > 0 for one in (*found.ours, *found.raw))
    assert len(push.table(found, 20)) == 5


@pytest.mark.parametrize(
    "name",
    [
        "selection",
        "R2 torn files",
        "R7 Retry-After",
        "R9 bulk answers",
        "R14 malformed",
        "R15 hostile",
        "R17 progress",
        "R20 addresses",
        "R21 webhooks",
        "batch once",
        "R23 one key",
    ],
)
@pytest.mark.timeout(180)
def test_a_promise_is_measured_and_told(name: str) -> None:
    lines, kept = scoreboard.scored([name], 1, quick=True)
    assert kept
    assert scoreboard.EVERY[name].words in lines[-1]


def test_files_are_taken_in() -> None:
    found = ingest.measure(1, (300,))
    assert {form for form, _ in found} == set(ingest.FORMS)
    assert all(one.rows == 300 for rounds in found.values() for one in rounds)
    assert "| CSV | 300 |" in "\n".join(ingest.table(found))
