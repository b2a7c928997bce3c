"""Who gets a permit while the shared store is lost: each process keeps to its part of the limits.

Nobody is asked. When the store answers again, and not everybody has told there yet what it sent
alone, only that is given which is within our part and which the store allows as well.
"""

from collections.abc import Callable, Sequence
from time import monotonic

from providers.fleet import Fleet
from providers.rates import Rate
from providers.share import Share
from providers.slots import Slots
from providers.waiters import Waiter, Waiters, Waiting

AHEAD_S = 1.5
"""What others may have reserved after our last word: a heartbeat, and the longest horizon."""


class Alone:
    """One process on its own, for one account."""

    def __init__(
        self, fleet: Fleet, rates: Sequence[Rate], arrival_s: float, slots: Slots, waiters: Waiters
    ) -> None:
        """Give what is `fleet`'s part of `rates` to `waiters`."""
        self.left: list[float] = []
        """What was left of each long window at the store's last word."""
        self._fleet = fleet
        self._share = Share(rates, arrival_s)
        self._slots = slots
        self._waiters = waiters
        self._begun = False
        self._sent: list[float] = []

    def over(self) -> None:
        """Say that the store is there, and that everybody has told."""
        self._begun = False

    def sent(self) -> list[float]:
        """Return when calls were permitted alone (monotonic clock), and forget it."""
        sent, self._sent = self._sent, []
        return sent

    def ended(self, number: int) -> None:
        """Say that call number `number` has ended now, or was not sent."""
        self._share.ended(number, monotonic())

    def within(self, waiting: Sequence[Waiting]) -> Sequence[Waiting]:
        """Return who may ask the store already: one waiter at most, when our part allows it."""
        now = monotonic()
        patient = [
            (tenant, batch, [one for one in waiters if self._waiters.patient(one, now)][:1])
            for tenant, batch, waiters in waiting
        ]
        if not self._begun or self._share.due(now) > now:
            return []
        first = [group for group in patient if group[2]][:1]
        if first:
            self._share.send(now)
        return first

    def serve(
        self,
        waiting: Sequence[Waiting],
        horizon_s: float,
        give: Callable[[Waiter, float, int], None],
    ) -> float | None:
        """Let `give` hand permits to who waits; return when there may be more for the others.

        It is handed a waiter, an instant, and a number to say when the call has `ended`.

        That is infinite when nobody is left, and None when we have no part of the limits.
        """
        part = self._fleet.part()
        own = self._slots.concurrency // part if part else 0
        if part is None or not own:
            return None
        if not self._begun:
            self._begun = True
            self._share.begin(self._fleet.contact, AHEAD_S, part, self.left)
        self._slots.lease(own, monotonic())
        for waiter in (one for _, _, waiters in waiting for one in waiters):
            now = monotonic()
            due = self._share.due(now)
            if not self._waiters.patient(waiter, due):
                continue
            if not self._slots.free or due > now + horizon_s:
                return max(now, due - horizon_s)
            self._sent.append(due)
            give(waiter, due, self._share.send(due))
        return float("inf")
