"""What a batch's progress is at one moment: counts, and how fast it goes. Pure."""

from collections import deque
from datetime import datetime, timedelta

from msgspec import Struct

from batches.batch import Batch, State

RATE_WINDOW_S = 30.0
"""Seconds of the past that the rate is of."""
SAMPLES_MAX = 256
_WORKING = frozenset({State.RUNNING, State.CANCELLING})


class Snapshot(Struct, frozen=True, gc=False):
    """A batch, and how it goes: records decided a second, and when it will be done at that rate.

    `rate_per_s` is 0 where nothing is worked on; `eta` is None where nothing can be told.
    """

    batch: Batch
    rate_per_s: float
    eta: datetime | None


class Pace:
    """How fast one batch goes, from the versions of it that were seen.

    All moments are of the store's clock, so that it does not matter who looks, and from where.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, int]] = deque(maxlen=SAMPLES_MAX)

    def snapshot(self, batch: Batch) -> Snapshot:
        """Return what is to be told of `batch`, a later version than any before."""
        decided = batch.counts.records
        if batch.state not in _WORKING:
            self._samples.clear()
            return Snapshot(batch, 0.0, None)
        samples = self._samples
        if samples and decided < samples[-1][1]:
            samples.clear()  # records were opened again
        samples.append((batch.updated_at, decided))
        oldest = batch.updated_at - timedelta(seconds=RATE_WINDOW_S)
        while len(samples) > 1 and samples[1][0] <= oldest:
            samples.popleft()
        rate = self._rate(batch)
        left = batch.records - decided
        if not rate or left < 0:
            return Snapshot(batch, rate, None)
        return Snapshot(batch, rate, batch.updated_at + timedelta(seconds=left / rate))

    def _rate(self, batch: Batch) -> float:
        (since, before), (until, decided) = self._samples[0], self._samples[-1]
        if since == until:
            # the first look: the average since it was started is the best there is
            since, before = batch.started_at or until, 0
        took_s = (until - since).total_seconds()
        return (decided - before) / took_s if took_s > 0 else 0.0
