"""In flight: how many calls of an account are under way at once, found out while working.

The limit lies between one and what the configuration allows. It is halved when the service says
"too many" or lets a call time out, and climbs by about one for every round of clean calls: the
additive increase and multiplicative decrease of TCP (RFC 5681, section 3.1). Calls that began
before a cut say nothing about the limit after it.
"""

import asyncio
from collections import deque
from contextlib import suppress

from providers.errors import NoPermit
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
        self._stopped = False

    @property
    def limit(self) -> int:
        """Calls that may be under way at once now."""
        return int(self._limit)

    async def enter(self, deadline: float) -> None:
        """Return when there is a place, first come, first served; give it back with `leave`.

        Raises:
            NoPermit: there was none until `deadline` (loop clock), or before `stop`.
        """
        if self.taken < self.limit and not self._waiting:
            self.taken += 1
            return
        if self._stopped:
            raise NoPermit(ReasonCode.STOPPING)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout_at(deadline):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave()  # given in the very moment in which nobody wanted it any more
            else:
                with suppress(ValueError):  # or it was passed over already
                    self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise NoPermit(ReasonCode.DEADLINE) from None
            raise

    def leave(self) -> None:
        """Give back a place."""
        self.taken -= 1
        self._hand_out()

    def stop(self) -> None:
        """Refuse whoever waits, and whoever would have to."""
        self._stopped = True
        while self._waiting:
            place = self._waiting.popleft()
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
        while self._waiting and self.taken < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)
