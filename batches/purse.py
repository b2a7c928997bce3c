"""What batches with a cost cap may still spend: each stops before its cap, and not behind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from batches.batch import Batch

if TYPE_CHECKING:
    from batches.store import Store


class _Look:
    """A look at what a batch has spent, and what was given `back` while it was under way.

    That may have been spent in the meantime, and what the look finds does not tell.
    """

    def __init__(self, batch: str) -> None:
        self.batch = batch
        self.back = 0


class Purse:
    """Sets money aside for what a process is about to ask, for batches that have a cap.

    Other processes see it once it is flushed: with several the cap is passed by what they have
    under way at most.
    """

    def __init__(self, store: "Store") -> None:
        """Learn from `store` what was spent."""
        self._store = store
        self._aside: dict[str, int] = {}
        self._looking: list[_Look] = []

    async def grant(self, batch: Batch, prices: Sequence[int]) -> int:
        """Set aside, in millionths, as many of `prices` from the first on as the cap allows.

        Returns how many that are. Raises StoreError.
        """
        cap = batch.cost_cap_millionths
        if cap is None:
            return len(prices)
        while True:
            look = _Look(batch.id)
            self._looking.append(look)
            try:
                known = (await self._store.snapshots([batch.id])).get(batch.id, batch)
            finally:
                self._looking.remove(look)
            cap = known.cost_cap_millionths
            if cap is None:
                return len(prices)
            aside = self._aside.get(batch.id, 0)
            granted, taken = _granted(prices, cap - known.spent.cost_millionths - aside - look.back)
            if taken:
                self._aside[batch.id] = aside + taken
            if granted or not look.back or not prices:
                return granted
            # what was given back may have been spent before we looked, or not at all: look again

    def give_back(self, batch: Batch, millionths: int) -> None:
        """Put back what was set aside: it was spent and told to the store, or was not needed."""
        for look in self._looking:
            if look.batch == batch.id:
                look.back += millionths
        left = self._aside.get(batch.id, 0) - millionths
        if left > 0:
            self._aside[batch.id] = left
        else:
            self._aside.pop(batch.id, None)

    def holds(self, batch: Batch) -> bool:
        """Whether anything is set aside for `batch`, and may come back."""
        return batch.id in self._aside


def _granted(prices: Sequence[int], room: int) -> tuple[int, int]:
    """Return how many of `prices`, from the first on, fit into `room`, and their sum."""
    granted = taken = 0
    for price in prices:
        if taken + price > room:
            break
        taken += price
        granted += 1
    return granted, taken
