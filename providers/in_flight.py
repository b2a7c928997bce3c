"""In flight: how many calls of an account are under way at once, found out while working.

The limit lies between one and what the configuration allows. It is halved when the service says
"too many" or lets a call time out, and climbs by about one for every round of clean calls: the
additive increase and multiplicative decrease of TCP (RFC 5681, section 3.1). Calls that began
before a cut say nothing about the limit after it.
"""

import asyncio
from collections import deque
from contextlib import suppress

from providers.errors import Faulted, NoPermit, TimedOut
from verdicts.reason import ReasonCode

CUT = 0.5


class InFlight:
    """The places of one account in this process."""

    def __init__(self, most: int) -> None:
        """Allow `most` calls at once, until told better."""
        self.most = most
        self.taken = 0
        self._limit = float(most)
        self._cut_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._batches: deque[asyncio.Future[None]] = deque()
        self._stopped = False

    @property
    def limit(self) -> int:
        """Calls that may be under way at once now."""
        return int(self._limit)

    @property
    def cut(self) -> bool:
        """Whether there are fewer places than the configuration allows.

        While there are not, nobody waits for one: the account's slots let no more calls begin.
        """
        return self._limit < self.most

    def occupy(self) -> None:
        """Take a place without waiting for one; give it back with `leave`."""
        self.taken += 1

    async def enter(self, deadline: float, *, batch: bool = False) -> None:
        """Return when there is a place: interactive calls first, then who came first.

        Give it back with `leave`.

        Raises:
            NoPermit: there was none until `deadline` (loop clock), or before `stop`.
        """
        if self.taken < self.limit and not self._waiting and not self._batches:
            self.taken += 1
            return
        if self._stopped:
            raise NoPermit(ReasonCode.STOPPING)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._batches if batch else self._waiting
        waiting.append(place)
        try:
            async with asyncio.timeout_at(deadline):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave()  # given in the very moment in which nobody wanted it any more
            else:
                with suppress(ValueError):  # or it was passed over already
                    waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise NoPermit(ReasonCode.DEADLINE) from None
            raise

    def leave(self) -> None:
        """Give back a place."""
        self.taken -= 1
        if self._waiting or self._batches:
            self._hand_out()

    def stop(self) -> None:
        """Refuse whoever waits, and whoever would have to."""
        self._stopped = True
        while waiting := self._waiting or self._batches:
            place = waiting.popleft()
            if not place.done():
                place.set_exception(NoPermit(ReasonCode.STOPPING))

    def clean(self) -> None:
        """Climb: a call was answered as it should be."""
        if self._limit < self.most:
            self._limit = min(float(self.most), self._limit + 1.0 / self._limit)
            self._hand_out()

    def congested(self, began: float, now: float) -> None:
        """Cut: the service could not take a call that `began` then (loop clock)."""
        if began >= self._cut_at:
            self._limit = max(1.0, self._limit * CUT)
            self._cut_at = now

    def _hand_out(self) -> None:
        while self.taken < self.limit and (waiting := self._waiting or self._batches):
            place = waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)


def make_room(
    error: Faulted | TimedOut, began: float, now: float, places: tuple[InFlight, ...]
) -> None:
    """Have fewer calls at once where `error` says that there are too many.

    `places` are those of the partition, if there is one, and of the account; where a partition's
    source is the one that is busy, it alone has fewer.
    """
    if isinstance(error, TimedOut):
        if error.tells:
            places[0].congested(began, now)
    elif error.code is ReasonCode.RATE_LIMITED or error.fault.crowded:
        busy = places[:1] if error.code is ReasonCode.SOURCE_UNAVAILABLE else places[-1:]
        for place in busy:
            place.congested(began, now)
