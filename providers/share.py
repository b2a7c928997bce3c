"""What one process may send on its own, while the store that all share is lost. Pure.

Each of N processes keeps to a limit's N-th part, and begins when all that was sent before the loss
has left the window. Of a short window it sends its part in any such period, counted from the ends
of its calls as the store does; of others evenly spaced. What is left of a long window at the last
word is divided.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Protocol

from providers.rates import Rate


class _Part(Protocol):
    """One process's part of one window; the numbers are those of its calls."""

    def due(self) -> float: ...
    def send(self, number: int, at: float) -> None: ...
    def ended(self, number: int, at: float) -> None: ...


class _Counted:
    """So many calls in any period, each counted until the latest instant at which it arrived."""

    def __init__(self, rate: Rate, arrival_s: float, processes: int, opens: float) -> None:
        self._calls = rate.limit // processes
        self._period_s = rate.guarded_s
        self._arrival_s = arrival_s
        self._opens = opens
        self._arrived: list[float] = []
        """As many of the latest as we may send, in their order."""
        self._under_way: dict[int, float] = {}

    def due(self) -> float:
        if not self._calls:
            return math.inf
        if len(self._arrived) < self._calls:
            return self._opens
        return self._arrived[0] + self._period_s

    def send(self, number: int, at: float) -> None:
        self._under_way[number] = at + self._arrival_s
        insort(self._arrived, at + self._arrival_s)
        if len(self._arrived) > self._calls:
            del self._arrived[0]

    def ended(self, number: int, at: float) -> None:
        latest = self._under_way.pop(number, at)
        place = bisect_left(self._arrived, latest)
        if at < latest and place < len(self._arrived) and self._arrived[place] == latest:
            del self._arrived[place]
            insort(self._arrived, at)


class _Spaced:
    """A call in each interval; before that, of a long window, what was left."""

    def __init__(
        self, rate: Rate, arrival_s: float, processes: int, opens: float, budget: float
    ) -> None:
        part = rate.limit // processes
        if rate.burst is not None and rate.pace[1] < processes:
            part = 0  # all at the same moment would be more than the bucket holds
        self._period_s = rate.guarded_s + arrival_s
        self._interval_s = self._period_s / part if part else math.inf
        self._budget = budget
        self._whole = opens
        self._next = opens - self._period_s if budget else opens

    def due(self) -> float:
        return math.inf if math.isinf(self._interval_s) else self._next

    def send(self, number: int, at: float) -> None:
        del number
        if at < self._whole:
            self._budget -= 1
            self._whole = at + self._period_s
            self._next = at if self._budget > 0 else self._whole
        else:
            self._next = at + self._interval_s

    def ended(self, number: int, at: float) -> None:
        """Nothing changes: the intervals are between the beginnings."""


class Share:
    """One process's part of an account's windows; all instants are of one monotonic clock."""

    def __init__(self, rates: Sequence[Rate], arrival_s: float) -> None:
        """Divide `rates`; a call has reached the service within `arrival_s`, or never does."""
        self._rates = rates
        self._arrival_s = arrival_s
        self._parts: list[_Part] = []
        self._sent = 0

    def begin(self, contact: float, ahead_s: float, processes: int, left: Sequence[float]) -> None:
        """Be one of `processes` from now on.

        The store last answered at `contact`; others may have heard from it, and reserved, up to
        `ahead_s` later. `left` is what was left of each long window then, in their order.
        """
        known = iter(left)
        self._parts = []
        for rate in self._rates:
            opens = contact + ahead_s + rate.guarded_s + self._arrival_s
            if rate.counting == "log" and not rate.long:
                self._parts.append(_Counted(rate, self._arrival_s, processes, opens))
                continue
            budget = 0.0
            if rate.long:
                spare = next(known, 0.0) - self._taken_meanwhile(rate, ahead_s)
                budget = max(0.0, spare) // processes
            self._parts.append(_Spaced(rate, self._arrival_s, processes, opens, budget))

    def due(self, now: float) -> float:
        """Return the instant at which the next call may be sent; infinite when none may."""
        return max((now, *(part.due() for part in self._parts)))

    def send(self, at: float) -> int:
        """Count a call that is sent at the instant `at`; return its number."""
        self._sent += 1
        for part in self._parts:
            part.send(self._sent, at)
        return self._sent

    def ended(self, number: int, at: float) -> None:
        """Take note that call number `number` has ended, or was not sent."""
        for part in self._parts:
            part.ended(number, at)

    def _taken_meanwhile(self, rate: Rate, ahead_s: float) -> float:
        """Return how many calls of `rate` others may have reserved since our last word."""
        shorter = (
            one.limit * math.ceil(ahead_s / one.period_s) for one in self._rates if not one.long
        )
        return min((rate.limit, *shorter))
