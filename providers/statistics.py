"""What a provider did in this process: calls, cost, latency; and what it did on each day."""

from collections import Counter, deque
from decimal import Decimal
from time import time

from msgspec import Struct, field

from verdicts.reason import ReasonCode

LATENCIES_KEPT = 512
DAY_S = 86_400
BILLION = 10**9
DAYS_KEPT = 3
"""Days that are over, and wait to be told to the shared store."""


class Counts(Struct):
    """What was counted: calls made, those of them that failed, cost, failures by reason.

    A failure need not be that of a call: there may have been no permit for one, or no time.
    """

    calls: int = 0
    failed: int = 0
    cost: Decimal = Decimal(0)
    failures: Counter[ReasonCode] = field(default_factory=Counter[ReasonCode])

    @property
    def error_rate(self) -> float | None:
        """The share of the calls that failed, None before the first call."""
        return self.failed / self.calls if self.calls else None

    def copy(self) -> "Counts":
        """Return the same counts, which go on by themselves."""
        return Counts(self.calls, self.failed, self.cost, self.failures.copy())

    def add(self, other: "Counts") -> None:
        """Count what `other` counts, too."""
        self.calls += other.calls
        self.failed += other.failed
        self.cost += other.cost
        self.failures.update(other.failures)


class Day(Counts, kw_only=True):
    """What one day (UTC) took here; `number` counts the days since 1970, `told` is in the store."""

    number: int
    told: Counts = field(default_factory=Counts)

    def untold(self) -> Counts:
        """Return what the store does not know yet."""
        told = self.told
        return Counts(
            self.calls - told.calls,
            self.failed - told.failed,
            self.cost - told.cost,
            self.failures - told.failures,
        )

    def is_told(self) -> bool:
        """Return whether the store knows all of it, to the billionth."""
        left = self.untold()
        return not (left.calls or left.failed or left.failures or int(left.cost * BILLION))


class Statistics:
    """Counts the calls of one provider; `snapshot` shows them."""

    def __init__(self) -> None:
        """Start at nought."""
        self.calls = 0
        self.values = 0
        self.in_flight = 0
        self.cost = Decimal(0)
        self._day = Day(number=today())
        self._over: deque[Day] = deque(maxlen=DAYS_KEPT)
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def begun(self) -> None:
        """Note that a call is under way; `in_flight` is taken back by whoever began it."""
        self.calls += 1
        self.in_flight += 1
        self.this_day().calls += 1

    def charged(self, values: int, cost: Decimal) -> None:
        """Note that so many values were answered, at this cost for all of them."""
        self.values += values
        if cost:
            self.cost += cost
            self.this_day().cost += cost

    def answered(self, latency_s: float) -> None:
        """Note an answer and how long it took."""
        self._latencies.append(latency_s)

    def failed(self, code: ReasonCode, *, called: bool = True) -> None:
        """Note a failure; not `called` when no call was made: there was no permit, or no time."""
        day = self.this_day()
        day.failures[code] += 1
        day.failed += called

    def this_day(self) -> Day:
        """Return what today took here."""
        number = today()
        if self._day.number != number:
            self._over.append(self._day)
            self._day = Day(number=number)
        return self._day

    def days(self) -> list[Day]:
        """Return all days that are not told in whole, and today."""
        day = self.this_day()
        while self._over and self._over[0].is_told():
            self._over.popleft()
        return [*self._over, day]

    def snapshot(self) -> "Snapshot":
        """Return the figures as they are now; latencies are of the last `LATENCIES_KEPT` calls."""
        ordered = sorted(self._latencies)
        return Snapshot(
            calls=self.calls,
            values=self.values,
            in_flight=self.in_flight,
            cost=self.cost,
            latency_p50_ms=_at(ordered, 0.5),
            latency_p95_ms=_at(ordered, 0.95),
        )


class Snapshot(Struct, frozen=True):
    """A provider's figures in this process at one moment; latencies are None before an answer."""

    calls: int
    values: int
    in_flight: int
    cost: Decimal
    latency_p50_ms: float | None
    latency_p95_ms: float | None


def today() -> int:
    """Return the number of this day (UTC) since 1970."""
    return int(time() // DAY_S)


def _at(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)
