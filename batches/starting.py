"""Starting a batch: one that would cost more than its cap is CAPPED before it begins."""

from typing import TYPE_CHECKING

from batches.batch import Batch, Move, State
from batches.estimate import Estimator
from verdicts.outcome import MILLION

if TYPE_CHECKING:
    from batches.store import Store

_ESTIMATED = frozenset({State.DRAFT, State.CAPPED})
"""Whoever says START again of what has begun changes nothing."""


class Starter:
    """Starts batches, whoever asks for it."""

    def __init__(self, store: "Store", estimator: Estimator) -> None:
        """Let `estimator` say what those in `store` will cost that have a cap."""
        self._store = store
        self._estimator = estimator

    async def start(self, batch: Batch) -> Batch:
        """Return the batch started, or CAPPED where its cap does not allow that.

        Raises:
            NoSuchBatch: it was deleted meanwhile.
            MoveRefused: its state does not allow it, or it has no records.
            StoreError: the store can't be used.
            OSError: what is known can't be looked up, so the cost of one with a cap can't be told.
        """
        cap = batch.cost_cap_millionths
        wanted = Move.START
        if cap is not None and batch.records and batch.state in _ESTIMATED:
            estimate = await self._estimator.of(batch)
            cost = batch.spent.cost_millionths + round(estimate.cost * MILLION)
            wanted = Move.CAP if cost > cap else Move.START
        return await self._store.move(batch.tenant, batch.id, wanted)
