"""Who gets a permit while the shared store is lost: each process keeps to its part of the limits.

Nobody is asked. When the store answers again, and not everybody has told there yet what it sent
alone, only that is given which is within our part and which the store allows as well.
"""

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from providers.fleet import Fleet
from providers.rates import Rate
from providers.share import Share
from providers.slots import Slots
from providers.trip import US
from providers.waiters import Waiter, Waiters, Waiting

AHEAD_S = 1.5
"""What others may have reserved after our last word: a heartbeat, and the longest horizon."""
SETTLED_S = 2.0
"""After its instant, in which a call has arrived and the store can have been told of it."""
INSTANTS_MAX = 5_000
"""Calls whose instants are kept: more than any limit of which calls are listed one by one."""
GRAIN_S = 60.0
"""In which calls are counted for quotas, all as late as the last one of them."""
GRAINS_MAX = 1_440
"""Of more the oldest is counted with the one after it, which is never too little."""


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
        self._arrival_s = arrival_s
        self._kept_s = max((_kept_s(rate) for rate in rates), default=0.0)
        self._instants: deque[float] = deque(maxlen=INSTANTS_MAX)
        self._grains: deque[tuple[float, int]] = deque()
        self._sent = 0

    @property
    def to_tell(self) -> bool:
        """Whether the store has not been told of calls that were sent alone."""
        return self._sent > 0

    def over(self) -> None:
        """Say that the store is there, and that everybody has told."""
        self._begun = False

    def ages(self, now: float) -> list[int]:
        """Return since when calls that were permitted alone have arrived, in microseconds.

        Of those that windows need one by one; below nought when they may arrive later than `now`.
        """
        self._prune(now)
        return [self._age(at, now) for at in self._instants]

    def counts(self, now: float) -> list[int]:
        """Return ages, as above, and how many calls are as old: of all that were sent alone."""
        return [part for at, calls in self._grains for part in (self._age(at, now), calls)]

    def forget(self) -> int:
        """Say that the store was told of all that was sent alone; return how many calls."""
        sent, self._sent = self._sent, 0
        if sent:
            self._instants.clear()
            self._grains.clear()
        return sent

    def note(self, due: float) -> None:
        """Keep what is to be told of a call that is sent at the instant `due`."""
        self._sent += 1
        if self._kept_s:
            self._prune(due)
            self._instants.append(due)
        grain = due // GRAIN_S
        calls = 1
        if self._grains and self._grains[-1][0] // GRAIN_S == grain:
            calls += self._grains.pop()[1]
        self._grains.append((due, calls))
        if len(self._grains) > GRAINS_MAX:
            _, oldest = self._grains.popleft()
            at, calls = self._grains.popleft()
            self._grains.appendleft((at, calls + oldest))

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
            self.note(due)
            give(waiter, due, self._share.send(due))
        return float("inf")

    def _prune(self, now: float) -> None:
        while self._instants and self._instants[0] < now - self._kept_s:
            self._instants.popleft()

    def _age(self, at: float, now: float) -> int:
        return int((now - at - self._arrival_s) * US)


def _kept_s(rate: Rate) -> float:
    """Return for how long the instant of a call matters to `rate`; nought where only counts do."""
    match rate.counting:
        case "log":
            return rate.guarded_s + SETTLED_S
        case "bucket" | "paced":
            interval_s, burst = rate.pace
            return burst * interval_s + SETTLED_S
        case _:
            return 0.0
