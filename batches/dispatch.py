"""What goes next, and to whom: the store decides, hints tell whoever has room.

A process hints as many chunks as it has free slots itself, whoever then takes them; while chunks
take no time, as many ahead, so that one look at the store serves several. So the broker holds
little, and what goes next can still change. A batch of which nothing is worked on waits for no
slot: this process begins with it at once, beyond its slots, and twice their number is the bound.
"""

import asyncio

from batches.chunk import ChunkRef
from batches.hints import Hints
from batches.steady import Steady
from batches.store import Store
from batches.work import Work

LOOK_S = 0.5
"""So often it looks for what others have put into the store."""
QUICK_S = 1.0
"""Chunks that take less are hinted ahead."""
HINT_S = 3.0
"""A hint that nobody took for so long counts as lost: whoever has room takes it in no time."""
TAKEN_AFTER_S = 0.05
"""A hint of ours that has not come back to us by then may have been taken by another."""


class Dispatch:
    """Fills the slots of one process, and lets others help."""

    def __init__(self, store: Store, hints: Hints, work: Work) -> None:
        """Dispatch what `store` has to `work`, by way of `hints`."""
        self._store = store
        self._hints = hints
        self._work = work
        self._sent: dict[ChunkRef, float] = {}
        self.steady = Steady("dispatch", self._fill, LOOK_S)
        work.when_begun(self._begun)
        work.when_ended(self._ended)

    def start(self) -> None:
        """Begin; needs a running loop."""
        self.steady.start()

    def wake(self) -> None:
        """Look now: there is something new in the store."""
        self.steady.wake()

    async def close(self) -> None:
        """Hint no more."""
        await self.steady.close()

    def _begun(self, ref: ChunkRef) -> None:
        self._sent.pop(ref, None)

    def _ended(self, ref: ChunkRef) -> None:
        self._sent.pop(ref, None)
        slow = self._work.chunk_s >= QUICK_S
        if slow or self._room() >= self._work.slots // 2:  # one look serves several quick ones
            self.steady.wake()

    def _room(self) -> int:
        """Return how many chunks more are to be hinted now."""
        slots = self._work.slots
        ahead = slots if self._work.chunk_s < QUICK_S else 0  # none while all are slow
        free = slots + ahead - self._work.busy
        return max(0, min(free, self._work.room) - len(self._sent))

    async def _fill(self) -> None:
        work, loop = self._work, asyncio.get_running_loop()
        if work.busy < work.slots and self._sent:
            await self._forget_taken(loop.time())
        room = self._room()
        beyond = 0
        if work.busy >= work.slots:
            beyond = max(0, min(2 * work.slots - work.busy, work.room))
        if not room and not beyond:
            return
        refs = await self._store.next_chunks(room, beyond=beyond, hint_s=HINT_S)
        for ref in refs[room:]:
            work.begin_beside(ref)
        self._sent.update(dict.fromkeys(refs[:room], loop.time()))
        away = False
        for ref in refs[:room]:
            away = away or not await self._hints.send(ref.batch, ref.seq)
            if away:  # the broker, for the rest too: each try takes seconds. Do it here
                self._sent.pop(ref, None)
                work.begin_beside(ref)
        if work.busy < work.slots and self._sent:
            loop.call_later(TAKEN_AFTER_S, self.steady.wake)

    async def _forget_taken(self, now: float) -> None:
        """Forget hints that others have taken: those that are older than what the store has."""
        old = [ref for ref, at in self._sent.items() if now - at >= TAKEN_AFTER_S]
        if old:
            hinted = await self._store.hinted()
            for ref in old[: max(0, len(self._sent) - hinted)]:
                self._sent.pop(ref, None)
