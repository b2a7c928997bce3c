"""The chunks that this process works on: claimed, held by their leases, ended within a bound."""

import asyncio
import logging
import math
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

from batches.batch import Batch, Move, PauseReason
from batches.chunk import ChunkRef, Claimed, Standing
from batches.chunk_work import ChunkWork, Packing
from batches.errors import (
    BatchError,
    ChunkUnreadable,
    StoreDamaged,
    StoreError,
    StoreLocked,
)
from batches.rounds import ROUND_S, Court, Rounds, Window
from batches.steady import Steady
from batches.store import Store
from batches.undecided import Blocked
from cache.bounded import Bounded

LEASE_S = 8.0
"""A chunk whose worker has not been heard of for so long goes to another."""
HOLD_S = 2.0
"""So often all leases of a process are renewed, and it hears whom to stop."""
STOP_S = ROUND_S + 4.0
"""For all chunks to be flushed and given back when the process stops."""
QUOTA_AGAIN_S = 900.0
"""After a quota was used up of which nobody knows when it begins anew."""
WINDOWS_KEPT_MAX = 1000
LOCKED_KEPT_MAX = 1000
"""Batches of which it is remembered that their key is missing."""
HELD_PER_SLOT = 4
"""Chunks that a process holds at most, for each slot: those that rest take none."""

_log = logging.getLogger(__name__)


class Bench(Protocol):
    """Who judges which batch, and when a provider that is blocked may be asked again."""

    def court(self, batch: Batch) -> Court:
        """Return who judges `batch`."""
        ...

    async def again_in_s(self, blocked: Blocked) -> float | None:
        """Return in how many seconds asking is of use again; None where nobody knows."""
        ...


class Work:
    """Works on chunks; `begin` is called for each that may be worked on, by whoever says so."""

    def __init__(
        self,
        *,
        store: Store,
        packing: Packing,
        bench: Bench,
        owner: str,
        slots: int,
        lease_s: float = LEASE_S,
    ) -> None:
        """Work on up to `slots` chunks as `owner`, and hold up to `HELD_PER_SLOT` times as many."""
        self.slots = slots
        self.owner = owner
        self._store = store
        self._packing = packing
        self._bench = bench
        self._lease_s = lease_s
        self._windows: Bounded[str, Window] = Bounded(WINDOWS_KEPT_MAX)
        self._locked: Bounded[str, bool] = Bounded(LOCKED_KEPT_MAX)
        self._running: dict[ChunkRef, ChunkWork] = {}
        self._tasks: dict[ChunkRef, asyncio.Task[None]] = {}
        self._freed: dict[ChunkRef, asyncio.Event] = {}
        self._closing = False
        self._begun: list[Callable[[ChunkRef], None]] = []
        self._ended: list[Callable[[ChunkRef], None]] = []
        self._chunk_s = math.inf
        self._began: dict[ChunkRef, float] = {}
        self.hold = Steady("leases", self._renew, min(HOLD_S, lease_s / 4))

    def start(self) -> None:
        """Begin to renew leases; needs a running loop."""
        self.hold.start()

    def when_begun(self, tell: Callable[[ChunkRef], None]) -> None:
        """Call `tell` for each chunk with which work begins."""
        self._begun.append(tell)

    def when_ended(self, tell: Callable[[ChunkRef], None]) -> None:
        """Call `tell` for each chunk that is no longer worked on, or was not to be."""
        self._ended.append(tell)

    @property
    def busy(self) -> int:
        """How many chunks are worked on; those that rest take no slot."""
        return len(self._tasks) - sum(one.resting for one in self._running.values())

    @property
    def room(self) -> int:
        """How many chunks more may be held."""
        return max(0, HELD_PER_SLOT * self.slots - len(self._tasks))

    @property
    def chunk_s(self) -> float:
        """How long a chunk takes now: what the last one took, or the oldest has taken so far."""
        began = min(self._began.values(), default=None)
        if began is None:
            return self._chunk_s
        return max(self._chunk_s, asyncio.get_running_loop().time() - began)

    def look(self) -> None:
        """Hear now, and not only at the next renewal, whether something is to stop."""
        self.hold.wake()

    async def begin(self, batch: str, seq: int) -> None:
        """Work on a chunk, if the store gives it to us; returns when it has ended, or rests.

        Whoever waits here may go away: the work goes on, and `close` ends it.
        """
        ref = ChunkRef(batch, seq)
        if self.begin_beside(ref) is not None:
            await self._freed[ref].wait()

    def begin_beside(self, ref: ChunkRef) -> "asyncio.Task[None] | None":
        """Begin as `begin` does, and return at once; None when there is nothing to begin."""
        if self._closing or ref in self._tasks or not self.room:
            return None
        task = asyncio.get_running_loop().create_task(self._work(ref))
        self._tasks[ref] = task
        self._freed[ref] = asyncio.Event()
        for tell in self._begun:
            tell(ref)
        return task

    async def close(self) -> None:
        """Flush what is decided, give all chunks back, renew no lease any more."""
        self._closing = True
        for one in self._running.values():
            one.leave()
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.hold.close()

    async def _work(self, ref: ChunkRef) -> None:
        """Claim and work; whatever happens, it is known here to have ended."""
        try:
            claimed = await self._claimed(ref)
            if claimed is not None:
                loop = asyncio.get_running_loop()
                began = self._began[ref] = loop.time()
                await self._worked(ref, claimed)
                self._chunk_s = loop.time() - began
        except StoreError as error:
            said = {"batch": ref.batch, "chunk": ref.seq, "error": type(error).__name__}
            _log.warning("chunk let go", extra=said)
        except Exception as error:  # noqa: BLE001 - its lease ends, and that counts as an attempt
            _log.error("chunk failed", extra=_failure(ref, error))
        finally:
            self._running.pop(ref, None)
            self._began.pop(ref, None)
            del self._tasks[ref]
            self._freed.pop(ref).set()
            for tell in self._ended:
                tell(ref)

    async def _claimed(self, ref: ChunkRef) -> Claimed | None:
        """Claim a chunk; what can't be read now is none, and what never can ends its batch."""
        said = {"batch": ref.batch, "chunk": ref.seq}
        try:
            return await self._store.claim(ref, self.owner, self._lease_s)
        except StoreLocked:
            if self._locked.get(ref.batch) is None:  # each chunk comes round until the key is there
                self._locked.put(ref.batch, True)  # noqa: FBT003 - a set
                how = "put its key into store.encryption_keys_old"
                _log.error("batch is locked", extra=said | {"do": how})
        except (ChunkUnreadable, StoreDamaged):
            _log.error("chunk unreadable, batch failed", extra=said)
            batch = (await self._store.snapshots([ref.batch])).get(ref.batch)
            if batch is not None:
                await self._moved(batch, self._store.move(batch.tenant, batch.id, Move.FAIL))
        return None

    async def _worked(self, ref: ChunkRef, claimed: Claimed) -> None:
        batch = claimed.batch
        work = ChunkWork(self._store, self._packing, claimed, self._halt)
        work.when_resting(self._freed[ref].set)
        self._running[ref] = work
        if self._closing:
            work.leave()
        try:
            records, erased = self._packing.records(batch, claimed.given)
            window = self._windows.get(batch.id)
            if window is None:
                window = Window()
                self._windows.put(batch.id, window)
            set_aside = partial(self._store.set_aside, claimed.claim)
            rounds = Rounds(batch, records, self._bench.court(batch), window, set_aside)
            await work.run(rounds, len(records), erased)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one chunk an attempt
            _log.error("chunk failed", extra=_failure(ref, error))
            await self._store.release(work.claim, failed=True)

    async def _halt(self, work: ChunkWork) -> None:
        """Stop the batch of `work`: every record that is asked about would fare alike."""
        batch = work.batch
        for one in self._running.values():
            if one.batch.id == batch.id and one is not work:
                one.stop()
        blocked = work.blocked
        if blocked is None:
            _log.warning("batch capped", extra={"batch": batch.id})
            await self._moved(batch, self._store.move(batch.tenant, batch.id, Move.CAP))
            return
        again_s = await self._bench.again_in_s(blocked)
        if again_s is None and blocked.reason is PauseReason.QUOTA_EXHAUSTED:
            again_s = QUOTA_AGAIN_S
        retry_at = None
        if again_s is not None:
            retry_at = await self._store.now() + timedelta(seconds=again_s)
        said = {"batch": batch.id, "reason": blocked.reason.value, "check": blocked.check}
        _log.warning("batch paused", extra=said | {"again_s": again_s})
        await self._moved(
            batch,
            self._store.move(
                batch.tenant, batch.id, Move.PAUSE, reason=blocked.reason, retry_at=retry_at
            ),
        )

    async def _moved(self, batch: Batch, moved: Awaitable[Batch]) -> None:
        """Await a move; one that came too late, because the batch has ended, is none."""
        try:
            await moved
        except BatchError as error:
            said = {"batch": batch.id, "error": type(error).__name__}
            _log.info("batch not moved", extra=said)

    async def _renew(self) -> None:
        """Renew all leases; stop what is to stop, and end what is lost."""
        held = dict(self._running)
        if not held:
            return
        claims = {one.claim: ref for ref, one in held.items()}
        standings = await self._store.renew(claims, self._lease_s)
        for claim, ref in claims.items():
            work, standing = held[ref], standings.get(claim, Standing.LOST)
            if standing is Standing.STOPPING:
                work.stop()
            elif standing is Standing.LOST and self._running.get(ref) is work:
                _log.warning("chunk lost", extra={"batch": ref.batch, "chunk": ref.seq})
                work.lose()
                if (task := self._tasks.get(ref)) is not None:
                    task.cancel()


def _failure(ref: ChunkRef, error: Exception) -> dict[str, object]:
    """Return what is logged of a fault of ours: never its message, which may hold a value."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
    return {"batch": ref.batch, "chunk": ref.seq, "error": type(error).__name__, "at": where}
