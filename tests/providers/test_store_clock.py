from hypothesis import given
from hypothesis import strategies as st

from providers.store_clock import DRIFT_SHARE, StoreClock

APART_S = 1_790_000_000.0
GRAIN_S = 1e-6
"""Of a clock that shows so large a number."""
trips = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=20
)


@given(trips=trips, drift=st.floats(-DRIFT_SHARE / 2, DRIFT_SHARE / 2))
def test_an_instant_of_the_store_is_never_taken_for_an_earlier_one_of_ours(
    trips: list[tuple[float, float, float]], drift: float
) -> None:
    clock, now = StoreClock(), 1_000.0

    def shown(at: float) -> float:
        return APART_S + at * (1 + drift)

    for pause_s, there_s, back_s in trips:
        asked = now + pause_s
        now = asked + there_s + back_s
        clock.hear(asked, shown(asked + there_s), now)
        assert clock.ours(shown(now)) >= now - GRAIN_S


def test_a_trip_that_was_held_up_shifts_nothing() -> None:
    clock = StoreClock()
    clock.hear(1.0, 501.0, 1.001)
    clock.hear(1.1, 501.1, 1.4)  # our loop stood still, the answer lay there
    assert abs(clock.ours(501.5) - 1.501) < 0.001


def test_a_clock_that_was_set_is_followed() -> None:
    clock = StoreClock()
    clock.hear(1.0, 501.0, 1.001)
    clock.hear(2.0, 402.0, 2.002)
    assert abs(clock.ours(403.0) - 3.002) < 0.001
