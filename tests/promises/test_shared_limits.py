"""Four processes share one limit, which the service itself enforces; two of them get lost."""

import pytest

from benchmarks.sharing import Events, Service, most_within, shared, window

SECONDS = 4.0
LOST = Events(lose_at=1.5, resume_at=2.5)
"""One process is killed, one is stopped and goes on later, with permits that are too old."""
USED_MIN = 0.5
"""Of the calls that are permitted: how many are made is for the scoreboard, on a calm machine."""
FOUR: list[dict[str, object]] = [{"workers": 25, "every_s": 0.5}] * 4
"""All want more than they get, and none so much that it leaves nothing of a window to others."""


@pytest.mark.parametrize(
    "counting, rate, per_s, burst",
    [
        ("sliding", "100/s", 100, 1),
        ("fixed", "100/s", 100, 1),
        ("bucket", "40/s burst 20", 40, 20),  # a burst that forgives what a busy machine delays
    ],
)
def test_no_call_is_refused_whatever_becomes_of_a_process(
    counting: str, rate: str, per_s: int, burst: int
) -> None:
    came = shared([window(per_s, 1.0, counting, burst)], [rate], FOUR, SECONDS, LOST)
    assert came.refused == 0
    assert came.made >= per_s * SECONDS * USED_MIN
    assert len(came.seen) == 3, "the one that was stopped has gone on"
    assert all(one.statuses.keys() <= {200} for one in came.seen)
    assert came.seen[0].statuses, "it made calls"
    if counting == "sliding":
        assert most_within(1.0, came.moments) <= per_s


def test_places_are_shared_and_those_of_lost_processes_come_back() -> None:
    """Four places for four processes: whoever is killed with some gives them back, unasked."""
    at_once, slow_ms = 4, 50.0
    orders = [{"concurrency": at_once}] * 4
    service = Service(slow_ms, at_once)
    came = shared([], [], orders, SECONDS, LOST, service)
    assert came.refused == 0
    assert came.at_once <= at_once
    assert came.made >= at_once * SECONDS * 1000 / slow_ms * USED_MIN / 2
