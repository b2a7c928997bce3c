"""What goes next, and to whom: the store decides, hints tell whoever has room.

A process hints as many chunks as it has free slots itself, whoever then takes them; so the broker
holds little, and what goes next can still change. A batch of which nothing is worked on waits for
no slot: this process begins with it at once, beyond its slots, and twice their number is the bound.
"""

import asyncio

from batches.chunk import ChunkRef
from batches.hints import Hints
from batches.steady import Steady
from batches.store import Store
from batches.work import Work

LOOK_S = 0.5
"""So often it looks for what others have put into the store."""
GATHER_S = 0.005
"""For other slots to become free while there is work in most: one look serves them all."""
HINT_S = 10.0
"""A hint that nobody took for so long counts as lost."""
TAKEN_AFTER_S = 2.0
"""A hint of ours that did not come back to us has been taken by another."""


class Dispatch:
    """Fills the slots of one process, and lets others help."""

    def __init__(self, store: Store, hints: Hints, work: Work) -> None:
        """Dispatch what `store` has to `work`, by way of `hints`."""
        self._store = store
        self._hints = hints
        self._work = work
        self._sent: dict[ChunkRef, float] = {}
        self._steady = Steady("dispatch", self._fill, LOOK_S)
        work.when_ended(self._ended)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._steady.start()

    def wake(self) -> None:
        """Look now: there is something new in the store."""
        self._steady.wake()

    async def close(self) -> None:
        """Hint no more."""
        await self._steady.close()

    def _ended(self, ref: ChunkRef) -> None:
        self._sent.pop(ref, None)
        self._steady.wake()

    async def _fill(self) -> None:
        work, now = self._work, asyncio.get_running_loop().time()
        if 2 * work.busy > work.slots:
            await asyncio.sleep(GATHER_S)
        self._sent = {
            ref: at
            for ref, at in self._sent.items()
            if now - at < TAKEN_AFTER_S and not work.has(ref)
        }
        busy = work.busy + len(self._sent)
        free = max(0, work.slots - busy)
        beyond = max(0, 2 * work.slots - busy - free)
        if not free and not beyond:
            return
        refs = await self._store.next_chunks(free, beyond=beyond, hint_s=HINT_S)
        for ref in refs[free:]:
            work.begin_beside(ref)
        for ref in refs[:free]:
            self._sent[ref] = now
        for ref in refs[:free]:
            if not await self._hints.send(ref.batch, ref.seq):  # the broker is away: do it here
                self._sent.pop(ref, None)
                work.begin_beside(ref)
        if len(refs) == free + beyond:
            self._steady.wake()
