"""What batches with a cost cap may still spend: each stops before its cap, and not behind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from batches.batch import Batch

if TYPE_CHECKING:
    from batches.store import Store


class Purse:
    """Sets money aside for what a process is about to ask, for batches that have a cap.

    Other processes see it once it is flushed: with several the cap is passed by what they have
    under way at most.
    """

    def __init__(self, store: "Store") -> None:
        """Learn from `store` what was spent."""
        self._store = store
        self._aside: dict[str, int] = {}

    async def grant(self, batch: Batch, prices: Sequence[int]) -> int:
        """Set aside, in millionths, as many of `prices` from the first on as the cap allows.

        Returns how many that are. Raises StoreError.
        """
        cap = batch.cost_cap_millionths
        if cap is None:
            return len(prices)
        known = (await self._store.snapshots([batch.id])).get(batch.id, batch)
        cap = known.cost_cap_millionths
        if cap is None:
            return len(prices)
        aside = self._aside.get(batch.id, 0)
        room = cap - known.spent.cost_millionths - aside
        granted = taken = 0
        for price in prices:
            if taken + price > room:
                break
            taken += price
            granted += 1
        if taken:
            self._aside[batch.id] = aside + taken
        return granted

    def give_back(self, batch: Batch, millionths: int) -> None:
        """Put back what was set aside: it was spent and told to the store, or was not needed."""
        left = self._aside.get(batch.id, 0) - millionths
        if left > 0:
            self._aside[batch.id] = left
        else:
            self._aside.pop(batch.id, None)

    def holds(self, batch: Batch) -> bool:
        """Whether anything is set aside for `batch`, and may come back."""
        return batch.id in self._aside
