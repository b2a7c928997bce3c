"""Slots: the places among the calls in flight that this process holds, and uses, of an account's.

They are leased over all processes by permits.lua; in between a process hands them on to whoever
waits in it, without asking anybody. One that dies loses them when its lease is over.
"""

from time import monotonic

LEASE_MAX_S = 3.0


class Slots:
    """One process's slots of one account."""

    def __init__(self, concurrency: int, timeout_s: float) -> None:
        """Hold at most `concurrency`; a call has ended after `timeout_s`, and so has the lease."""
        self.concurrency = concurrency
        self.lease_s = min(LEASE_MAX_S, timeout_s)
        self.held = 0
        self.sure = 0
        """How many of them are ours whatever is answered to a trip that is under way."""
        self.in_use = 0
        self.batch = 0
        """How many of them batches use."""
        self._peak = 0
        self._renew_at = 0.0

    @property
    def free(self) -> bool:
        """Whether one is held for sure that nobody uses."""
        return self.in_use < self.sure

    @property
    def to_tell(self) -> bool:
        """Whether some are held in vain, or are about to be lost."""
        return self.held != self.in_use or (self.held > 0 and monotonic() >= self._renew_at)

    def take(self, *, batch: bool) -> None:
        """Use one more."""
        self.in_use += 1
        self.batch += batch
        if self.in_use > self._peak:  # noqa: PLR1730 - a call of max costs as much as the rest
            self._peak = self.in_use

    def give_back(self, *, batch: bool) -> None:
        """Use one less."""
        self.in_use -= 1
        self.batch -= batch

    def wanted(self, waiting: int) -> int:
        """Return how many are wanted: as many as were used at once since this was last asked.

        From now on those in use are sure, and no more, until the answer.
        """
        self.sure = self.in_use
        wanted = max(self._peak, self.in_use + waiting)
        self._peak = self.in_use
        return min(wanted, self.concurrency)

    def lease(self, held: int, since: float) -> None:
        """Hold `held` slots for `lease_s` from `since` on (monotonic clock)."""
        self.held = self.sure = held
        self._renew_at = since + self.lease_s / 3
