"""The sweeper of every process: nothing waits for ever, whoever died."""

import logging

from batches.dispatch import Dispatch
from batches.steady import Steady
from batches.store import Store

SWEEP_S = 2.0

_log = logging.getLogger(__name__)


class Sweeper:
    """Lets the store set right what has waited too long, and the dispatch know of it."""

    def __init__(self, store: Store, dispatch: Dispatch) -> None:
        """Sweep `store`."""
        self._store = store
        self._dispatch = dispatch
        self._steady = Steady("sweeper", self._sweep, SWEEP_S)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._steady.start()

    async def close(self) -> None:
        """End."""
        await self._steady.close()

    async def _sweep(self) -> None:
        swept = await self._store.sweep()
        if swept.leases or swept.hints or swept.dead:
            counts = {"leases": swept.leases, "hints": swept.hints, "dead": swept.dead}
            _log.warning("swept", extra=counts)
        if swept.leases or swept.hints or swept.resumed:
            self._dispatch.wake()
