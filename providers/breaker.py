"""Breakers: who failed so often that asking on would only cost time. Pure: the time is handed in.

One for each account, capability and partition of its values. Closed, every call passes. It opens
after `RUN_MAX` failures in a row, or when `SHARE_MAX` of at least `CALLS_MIN` calls in `WINDOW_S`
failed, or at once where a failure says that nothing will come (`trip`). Of calls that fail three
times in ten by chance, every six-hundredth ends a run of five: where a share of failures is usual,
a run counts once chance would hardly make it (`CHANCE`).

Open, nobody passes until it has rested. Then one call at a time is the probe: it closes the
breaker, or lets it rest twice as long. A probe that ends without a word (cancelled, no permit)
leaves it to the next one, and one that never ends is given up after `PROBE_LEASE_S`.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias, assert_never

from msgspec import Struct

from verdicts.reason import ReasonCode

RUN_MAX = 5
CHANCE = 1e-6
CALLS_MIN = 20
SHARE_MAX = 0.5
WINDOW_S = 10.0
REST_MIN_S = 1.0
REST_MAX_S = 10.0
"""Between two probes of a service that is down: its return is seen within this time."""
REFUSED_REST_MAX_S = 60.0
"""The same where somebody has to act first: the key, the credit, the certificate."""
PROBE_LEASE_S = 120.0
_SLICE_S = 1.0


class Phase(Enum):
    """Where a breaker stands."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Resting(Struct, frozen=True):
    """Why a breaker is open: since when and until when (the clock of the caller), resting so long.

    `since` is when it opened first, however often it was probed in vain; `refused` says that
    somebody has to act before a probe can do better.
    """

    why: ReasonCode
    since: float
    until: float
    rest_s: float
    refused: bool = False


class Pass(Struct, frozen=True):
    """The right to make one call; to be given back by `succeeded`, `failed` or `left`."""

    era: int
    probe: bool = False


class _Closed(Struct):
    window: "_Window"
    run: int = 0
    before: Resting | None = None
    """What it rested for last: a refusal that comes again soon is no new one."""


class _Open(Struct):
    resting: Resting


class _HalfOpen(Struct):
    resting: Resting
    given_up_at: float


_Standing: TypeAlias = _Closed | _Open | _HalfOpen


class Breaker:
    """One breaker; `told` hears of each opening (what it rests for) and closing (None)."""

    def __init__(self, told: Callable[[Resting | None], None] | None = None) -> None:
        """Begin closed."""
        self._standing: _Standing = _Closed(_Window())
        self._era = 0
        self._free = Pass(0)
        self._told = told

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        standing = self._standing
        match standing:
            case _Closed():
                return Phase.CLOSED
            case _Open():
                return Phase.OPEN
            case _HalfOpen():
                return Phase.HALF_OPEN
            case _:
                assert_never(standing)

    @property
    def resting(self) -> Resting | None:
        """Why it is open, None when it is closed."""
        standing = self._standing
        return None if isinstance(standing, _Closed) else standing.resting

    @property
    def free_pass(self) -> Pass | None:
        """A pass for one call, None when it is not closed; that of `enter` without looking on."""
        return self._free if isinstance(self._standing, _Closed) else None

    def enter(self, now: float) -> Pass | Resting:
        """Return a pass for one call, or why there is none."""
        standing = self._standing
        match standing:
            case _Closed():
                return self._free
            case _Open(resting=resting):
                if now < resting.until:
                    return resting
                return self._probe(resting, now)
            case _HalfOpen(resting=resting, given_up_at=given_up_at):
                if now < given_up_at:
                    return resting
                return self._probe(resting, now)
            case _:
                assert_never(standing)

    def holds(self, given: Pass) -> bool:
        """Return whether `given` still allows its call: nothing has opened or closed since."""
        return given.era == self._era

    def succeeded(self, given: Pass, now: float) -> None:
        """Take back a pass whose call was answered."""
        if not self.holds(given):
            return
        if given.probe:
            self.close()
        elif isinstance(self._standing, _Closed):
            self._standing.run = 0
            self._standing.window.note(now, failed=False)

    def failed(self, given: Pass, now: float, why: ReasonCode) -> None:
        """Take back a pass whose call failed because of `why`."""
        if not self.holds(given):
            return
        standing = self._standing
        match standing:
            case _Closed() as closed:
                closed.run += 1
                calls, failures = closed.window.note(now, failed=True)
                too_many = calls >= CALLS_MIN and failures >= SHARE_MAX * calls
                if too_many or _is_no_chance(closed.run, calls, failures):
                    self._rest(Resting(why, now, now + REST_MIN_S, REST_MIN_S))
            case _HalfOpen(resting=resting):
                self._rest(_again(resting, why, now))
            case _Open():
                raise AssertionError("an open breaker has given no pass")
            case _:
                assert_never(standing)

    def left(self, given: Pass, again_at: float) -> None:
        """Take back a pass whose call said nothing; the next one may probe from `again_at` on."""
        if given.probe and self.holds(given) and isinstance(self._standing, _HalfOpen):
            self.told_open(_until(self._standing.resting, again_at))

    def trip(self, given: Pass | None, now: float, why: ReasonCode, for_s: float = 0.0) -> None:
        """Open at once, for `for_s` seconds or longer: nothing will come before somebody acts.

        `given` is the pass of the call that learnt it, None when that was taken back before.
        """
        stale = given is not None and not self.holds(given)
        standing = self._standing
        match standing:
            case _Closed(before=before) if not stale:
                soon = before is not None and now - before.until < WINDOW_S
                first = Resting(why, now, now + REST_MIN_S, REST_MIN_S, refused=True)
                resting = _again(before, why, now, refused=True) if before and soon else first
                self._rest(_until(resting, max(resting.until, now + for_s)))
            case _HalfOpen(resting=resting) if given is not None and not stale:
                resting = _again(resting, why, now, refused=True)
                self._rest(_until(resting, max(resting.until, now + for_s)))
            case _Closed() | _HalfOpen() | _Open():
                return  # a call of before it opened: it says what is known
            case _:
                assert_never(standing)

    def close(self) -> None:
        """Close it: what it rests for is over, as a call past another breaker has shown."""
        self.told_closed()
        if self._told is not None:
            self._told(None)

    def told_open(self, resting: Resting) -> None:
        """Open as another process has; it probes no later than this one would have."""
        self._standing = _Open(resting)
        self._era += 1

    def told_closed(self) -> None:
        """Close as another process has, whose probe was answered."""
        before = self.resting
        if before is not None:
            self._standing = _Closed(_Window(), before=before if before.refused else None)
            self._era += 1
            self._free = Pass(self._era)

    def _probe(self, resting: Resting, now: float) -> Pass:
        self._standing = _HalfOpen(resting, now + PROBE_LEASE_S)
        self._era += 1
        return Pass(self._era, probe=True)

    def _rest(self, resting: Resting) -> None:
        self.told_open(resting)
        if self._told is not None:
            self._told(resting)


class _Window:
    """Counts the calls of the last `WINDOW_S` seconds, in slices."""

    def __init__(self) -> None:
        self._slices: deque[list[int]] = deque()  # number of the slice, calls, failures
        self._calls = 0
        self._failures = 0

    def note(self, now: float, *, failed: bool) -> tuple[int, int]:
        """Count one call; return all calls and all failures of the window."""
        number = int(now // _SLICE_S)
        slices = self._slices
        if not slices or slices[-1][0] != number:
            slices.append([number, 0, 0])
            while slices[0][0] <= number - WINDOW_S / _SLICE_S:
                _, calls, failures = slices.popleft()
                self._calls -= calls
                self._failures -= failures
        newest = slices[-1]
        newest[1] += 1
        newest[2] += failed
        self._calls += 1
        self._failures += failed
        return self._calls, self._failures


def _is_no_chance(run: int, calls: int, failures: int) -> bool:
    """Return whether a run of failures is long, seen by how usual failures were before it."""
    if run < RUN_MAX:
        return False
    calls_before, failures_before = calls - run, max(0, failures - run)
    if calls_before < CALLS_MIN:
        return True
    return (failures_before / calls_before) ** run <= CHANCE


def _again(resting: Resting, why: ReasonCode, now: float, *, refused: bool = False) -> Resting:
    """Return the rest after a probe in vain: twice as long, and never beyond its bound."""
    most_s = REFUSED_REST_MAX_S if refused or resting.refused else REST_MAX_S
    rest_s = min(2 * resting.rest_s, most_s)
    return Resting(why, resting.since, now + rest_s, rest_s, resting.refused or refused)


def _until(resting: Resting, until: float) -> Resting:
    return Resting(resting.why, resting.since, until, resting.rest_s, resting.refused)
