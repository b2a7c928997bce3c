"""Breakers as a state machine, on a clock of the test's own."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from providers.breaker import (
    PROBE_LEASE_S,
    REFUSED_REST_MAX_S,
    REST_MAX_S,
    REST_MIN_S,
    RUN_MAX,
    Breaker,
    Pass,
    Phase,
    Resting,
)
from verdicts.reason import ReasonCode

DOWN = ReasonCode.PROVIDER_UNAVAILABLE
REFUSED = ReasonCode.PROVIDER_REFUSED


def entered(breaker: Breaker, now: float) -> Pass:
    given = breaker.enter(now)
    assert isinstance(given, Pass)
    return given


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(RUN_MAX):
        breaker.failed(entered(breaker, now), now, DOWN)
    assert breaker.phase is Phase.OPEN
    return breaker


def test_failures_in_a_row_open_it_and_an_answer_between_them_does_not() -> None:
    breaker = Breaker()
    for _ in range(10):
        for _ in range(RUN_MAX - 1):
            breaker.failed(entered(breaker, 0.0), 0.0, DOWN)
        for _ in range(2 * RUN_MAX):
            breaker.succeeded(entered(breaker, 0.0), 0.0)
    assert breaker.phase is Phase.CLOSED
    assert opened().enter(0.5) == opened().resting


def test_half_of_many_calls_open_it_whatever_their_order() -> None:
    breaker = Breaker()
    for at in range(20):
        given = entered(breaker, at / 10)
        if at % 2:
            breaker.failed(given, at / 10, DOWN)
        else:
            breaker.succeeded(given, at / 10)
    assert breaker.phase is Phase.OPEN


def test_failures_long_ago_count_no_more() -> None:
    breaker = Breaker()
    for at in range(100):
        given = entered(breaker, at * 1.0)
        if at % 2:
            breaker.failed(given, at * 1.0, DOWN)
        else:
            breaker.succeeded(given, at * 1.0)
    assert breaker.phase is Phase.CLOSED, "there are never twenty calls in ten seconds"


def test_chance_does_not_open_it_and_an_outage_under_load_does_at_once() -> None:
    """Three failures in ten calls make a run of five often; an outage makes longer ones."""
    chance, breaker = random.Random(4), Breaker()
    for _ in range(100):  # of few calls half may fail by chance
        breaker.succeeded(entered(breaker, 0.0), 0.0)
    for at in range(20_000):
        now = at / 1000
        given = entered(breaker, now)
        if chance.random() < 0.3:
            breaker.failed(given, now, DOWN)
        else:
            breaker.succeeded(given, now)
        assert breaker.phase is Phase.CLOSED, at
    breaker = Breaker()
    for _ in range(5_000):
        breaker.succeeded(entered(breaker, 0.0), 0.0)
    for _ in range(RUN_MAX):
        breaker.failed(entered(breaker, 1.0), 1.0, DOWN)
    assert breaker.phase is Phase.OPEN


def test_probes_in_vain_let_it_rest_longer_and_one_answer_closes_it() -> None:
    breaker, now = opened(), 0.0
    rests: list[float] = []
    for _ in range(6):
        resting = breaker.resting
        assert resting is not None
        assert resting.since == 0.0
        rests.append(resting.until - now)
        now = resting.until
        breaker.failed(entered(breaker, now), now, DOWN)
    assert rests == [1, 2, 4, 8, REST_MAX_S, REST_MAX_S]
    assert breaker.resting is not None
    now = breaker.resting.until
    breaker.succeeded(entered(breaker, now), now)
    assert breaker.phase is Phase.CLOSED


def test_a_refusal_opens_it_at_once_and_calls_under_way_add_nothing() -> None:
    breaker = Breaker()
    given = [entered(breaker, 0.0) for _ in range(10)]
    for one in given:
        breaker.trip(one, 0.0, REFUSED)
    assert breaker.resting == Resting(REFUSED, 0.0, REST_MIN_S, REST_MIN_S, refused=True)
    now, rests = 0.0, list[float]()
    for _ in range(8):
        assert breaker.resting is not None
        now = breaker.resting.until
        breaker.trip(entered(breaker, now), now, REFUSED)
        rests.append(breaker.resting.until - now)
    assert rests[-1] == REFUSED_REST_MAX_S


def test_a_refusal_after_an_answer_goes_on_where_it_was() -> None:
    """A service may answer the call and refuse the exchange: that is no recovery."""
    breaker, now, rests = Breaker(), 0.0, list[float]()
    for _ in range(8):
        breaker.succeeded(entered(breaker, now), now)
        breaker.trip(None, now, REFUSED)
        assert breaker.resting is not None
        rests.append(breaker.resting.until - now)
        now = breaker.resting.until
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_block_of_known_length_is_waited_for() -> None:
    breaker = Breaker()
    breaker.trip(entered(breaker, 0.0), 0.0, REFUSED, for_s=300.0)
    assert breaker.resting is not None
    assert breaker.resting.until == 300.0


class Machine(RuleBasedStateMachine):
    """Calls come, end in any way and in any order, and other processes have their say."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.told: list[Resting | None] = []
        self.breaker = Breaker(self.told.append)
        self.under_way: list[Pass] = []

    @rule(seconds=st.floats(0.0, 2.0 * PROBE_LEASE_S))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_comes(self) -> None:
        given = self.breaker.enter(self.now)
        if isinstance(given, Pass):
            assert self.breaker.holds(given)
            self.under_way.append(given)
        else:
            assert self.breaker.phase is not Phase.CLOSED

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), end=st.sampled_from(["answered", "failed", "left", "refused"]))
    def a_call_ends(self, data: st.DataObject, end: str) -> None:
        given = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        held, phase = self.breaker.holds(given), self.breaker.phase
        match end:
            case "answered":
                self.breaker.succeeded(given, self.now)
                assert not held or self.breaker.phase is Phase.CLOSED
            case "failed":
                self.breaker.failed(given, self.now, DOWN)
                assert not (held and given.probe) or self.breaker.phase is Phase.OPEN
            case "left":
                self.breaker.left(given, self.now)
            case _:
                self.breaker.trip(given, self.now, REFUSED)
                assert not held or self.breaker.phase is Phase.OPEN
        assert held or self.breaker.phase is phase, "a call of before says nothing any more"

    @rule(seconds=st.floats(0.0, REFUSED_REST_MAX_S))
    def another_process_opens_it(self, seconds: float) -> None:
        self.breaker.told_open(Resting(DOWN, self.now, self.now + seconds, REST_MIN_S))

    @rule()
    def another_process_closes_it(self) -> None:
        self.breaker.told_closed()
        assert self.breaker.phase is Phase.CLOSED

    @invariant()
    def one_probe_at_a_time(self) -> None:
        probes = [one for one in self.under_way if one.probe and self.breaker.holds(one)]
        assert len(probes) <= (self.breaker.phase is Phase.HALF_OPEN)

    @invariant()
    def never_open_for_ever(self) -> None:
        """Whatever happened, a call passes once it has rested, or its probe is given up."""
        resting = self.breaker.resting
        if resting is not None:
            most_s = REFUSED_REST_MAX_S if resting.refused else max(resting.rest_s, REST_MAX_S)
            assert resting.rest_s <= most_s
            assert resting.until <= self.now + REFUSED_REST_MAX_S

    @invariant()
    def openings_are_told(self) -> None:
        assert all(one is None or one.until >= one.since for one in self.told)

    def teardown(self) -> None:
        later = self.now + REFUSED_REST_MAX_S + PROBE_LEASE_S + 1
        given = self.breaker.enter(later)
        assert isinstance(given, Pass)
        self.breaker.succeeded(given, later)
        assert self.breaker.phase is Phase.CLOSED


Machine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
