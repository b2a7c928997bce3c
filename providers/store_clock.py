"""The shared store's clock beside our own, as far apart as the trips to it show.

An answer says what the store's clock showed at an instant between asking and being answered. One
trip may be held up, by a loop that stands still; of many the quickest bound the difference well.
"""

import math

DRIFT_SHARE = 0.0005
"""Of the time that passes: by so much two clocks may come apart."""


class StoreClock:
    """All instants are in seconds; ours are of the monotonic clock."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._least, self._most = -math.inf, math.inf
        self._heard_at = 0.0

    def hear(self, asked: float, shown: float, answered: float) -> None:
        """Take note that the store's clock showed `shown` between `asked` and `answered`."""
        drift_s = (answered - self._heard_at) * DRIFT_SHARE
        self._heard_at = answered
        least = max(self._least - drift_s, asked - shown)
        most = min(self._most + drift_s, answered - shown)
        if least > most:  # a clock was set, or it is another server's
            least, most = asked - shown, answered - shown
        self._least, self._most = least, most

    def ours(self, shown: float) -> float:
        """Return the latest instant of ours at which the store's clock can have shown `shown`."""
        return shown + self._most
