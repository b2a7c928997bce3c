"""What a provider did so far in this process: calls, failures, latency."""

from collections import Counter, deque
from decimal import Decimal
from time import time

from msgspec import Struct

from verdicts.reason import ReasonCode

LATENCIES_KEPT = 512
DAY_S = 86_400


class Day(Struct):
    """What one day (UTC) took; `number` counts the days since 1970."""

    number: int
    calls: int = 0
    cost: Decimal = Decimal(0)


class Statistics:
    """Counts the calls of one provider; `snapshot` shows them."""

    def __init__(self) -> None:
        """Start at nought."""
        self.calls = 0
        self.values = 0
        self.in_flight = 0
        self.cost = Decimal(0)
        self.failures: Counter[ReasonCode] = Counter()
        self._calls_failed = 0
        self._day = Day(_today())
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def begun(self) -> None:
        """Note that a call is under way; `in_flight` is taken back by whoever began it."""
        self.calls += 1
        self.in_flight += 1
        self._this_day().calls += 1

    def charged(self, values: int, cost: Decimal) -> None:
        """Note that so many values were answered, at this cost for all of them."""
        self.values += values
        if cost:
            self.cost += cost
            self._this_day().cost += cost

    def answered(self, latency_s: float) -> None:
        """Note an answer and how long it took."""
        self._latencies.append(latency_s)

    def failed(self, code: ReasonCode, *, called: bool = True) -> None:
        """Note a failure; not `called` when no call was made: there was no permit, or no time."""
        self.failures[code] += 1
        self._calls_failed += called

    def _this_day(self) -> Day:
        today = _today()
        if self._day.number != today:
            self._day = Day(today)
        return self._day

    def snapshot(self) -> "Snapshot":
        """Return the figures as they are now; latencies are of the last `LATENCIES_KEPT` calls."""
        ordered = sorted(self._latencies)
        return Snapshot(
            calls=self.calls,
            values=self.values,
            in_flight=self.in_flight,
            cost=self.cost,
            calls_today=self._this_day().calls,
            cost_today=self._this_day().cost,
            failures=tuple(sorted(self.failures.items(), key=lambda item: -item[1])),
            error_rate=self._calls_failed / self.calls if self.calls else None,
            latency_p50_ms=_at(ordered, 0.5),
            latency_p95_ms=_at(ordered, 0.95),
        )


class Snapshot(Struct, frozen=True):
    """A provider's figures at one moment.

    `error_rate` is the share of the calls that failed, None before the first call; latencies are
    None before the first answer.
    """

    calls: int
    values: int
    in_flight: int
    cost: Decimal
    calls_today: int
    cost_today: Decimal
    failures: tuple[tuple[ReasonCode, int], ...]
    error_rate: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


def _today() -> int:
    return int(time() // DAY_S)


def _at(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)
