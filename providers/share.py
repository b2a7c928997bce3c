"""What one process may send on its own, while the store that all share is lost. Pure.

Each of N processes keeps to a limit's N-th part, evenly spaced, and begins when all that was sent
before the loss has left the window. What is left of a long window at the last word is divided.
"""

import math
from collections.abc import Sequence
from itertools import count

from providers.rates import Rate


class Share:
    """One process's part of an account's windows; all instants are of one monotonic clock."""

    def __init__(self, rates: Sequence[Rate], arrival_s: float) -> None:
        """Divide `rates`; a call has reached the service within `arrival_s`, or never does."""
        self._rates = rates
        self._periods_s = [rate.guarded_s + arrival_s for rate in rates]
        self._intervals_s: list[float] = []
        self._next: list[float] = []
        self._budgets: list[float] = []
        self._whole: list[float] = []

    def begin(self, contact: float, ahead_s: float, processes: int, left: Sequence[float]) -> None:
        """Be one of `processes` from now on.

        The store last answered at `contact`; others may have heard from it, and reserved, up to
        `ahead_s` later. `left` is what was left of each long window then, in their order.
        """
        known = iter(left)
        self._intervals_s, self._next, self._budgets, self._whole = [], [], [], []
        for rate, period_s in zip(self._rates, self._periods_s, strict=True):
            part = rate.limit // processes
            if rate.burst is not None and rate.pace[1] < processes:
                part = 0  # all at the same moment would be more than the bucket holds
            interval_s = period_s / part if part else math.inf
            opens = contact + ahead_s + period_s
            budget = 0.0
            if rate.long:
                spare = next(known, 0.0) - self._taken_meanwhile(rate, ahead_s)
                budget = max(0.0, spare) // processes
            self._intervals_s.append(interval_s)
            self._budgets.append(budget)
            self._whole.append(opens)
            self._next.append(contact + ahead_s if budget else opens)

    def due(self, now: float) -> float:
        """Return the instant at which the next call may be sent; infinite when none may."""
        due = now
        for at in range(len(self._rates)):
            if math.isinf(self._intervals_s[at]):
                return math.inf
            due = max(due, self._next[at])
        return due

    def send(self, at: float) -> None:
        """Count a call that is sent at the instant `at`."""
        for index, interval_s, whole in zip(count(), self._intervals_s, self._whole, strict=False):
            if at < whole:
                self._budgets[index] -= 1
                self._whole[index] = at + self._periods_s[index]
                self._next[index] = at if self._budgets[index] > 0 else self._whole[index]
            else:
                self._next[index] = at + interval_s

    def _taken_meanwhile(self, rate: Rate, ahead_s: float) -> float:
        """Return how many calls of `rate` others may have reserved since our last word."""
        shorter = (
            one.limit * math.ceil(ahead_s / one.period_s) for one in self._rates if not one.long
        )
        return min((rate.limit, *shorter))
