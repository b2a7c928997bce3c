"""What happened to an account's permits, until the shared store has been told of it."""

from collections.abc import Sequence
from time import monotonic

from providers.told import Told
from providers.trip import US

ENDED_MAX = 5_000
"""Ends that wait to be told; of more the latest possible end counts, as for a killed process."""


class Untold:
    """Numbers of permits, and instants (monotonic clock) where they matter."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self.unused: list[int] = []
        self.heard: tuple[Told, float] | None = None
        """What the service said of the account, and when."""
        self.at_end: list[tuple[int, float]] = []
        self.used_late: list[tuple[int, float]] = []

    def __bool__(self) -> bool:
        """Return whether there is something that a trip is made for."""
        return bool(self.at_end or self.unused or self.used_late)

    def ended(self, number: int) -> None:
        """Tell that the call of permit `number` has ended now."""
        if len(self.at_end) < ENDED_MAX:
            self.at_end.append((number, monotonic()))

    def late(self, number: int) -> None:
        """Tell that permit `number` was used as late as now."""
        self.used_late.append((number, monotonic()))

    def ended_ages(self, now: float) -> list[int]:
        """Return the numbers and ages of what has ended, one after the other."""
        return _ages(self.at_end, now)

    def late_ages(self, now: float) -> list[int]:
        """Return the numbers and ages of what was used late, one after the other."""
        return _ages(self.used_late, now)

    def put_back(self, taken: "Untold") -> None:
        """Tell `taken` again: the store may not have heard it, and takes no harm if it has.

        But for what is unused: given back twice, it would be one too many.
        """
        self.at_end = [*taken.at_end, *self.at_end][:ENDED_MAX]
        self.used_late = [*taken.used_late, *self.used_late][:ENDED_MAX]
        self.heard = self.heard or taken.heard


def _ages(moments: Sequence[tuple[int, float]], now: float) -> list[int]:
    return [part for number, at in moments for part in (number, int((now - at) * US))]
