"""The progress of batches, followed: the store is the truth, messages only say where to look.

Whoever changes a batch publishes its id (`changed`). In each process one watch a batch reads it
again, all that are due in one trip, at most PACE times a second; whoever follows it gets the newest
snapshot. Messages may be lost, and Valkey may be away, so every watch looks by itself, too.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection
from typing import Protocol

from batches.batch import Batch
from batches.errors import NoSuchBatch, StoreError
from batches.snapshot import Pace, Snapshot

PACE_S = 0.25
"""Between two looks into the store at least: four snapshots a second."""
LOOK_AGAIN_S = 5.0
"""After which a batch is looked at though nobody said that it changed: a message may be lost."""
LOOK_UNTOLD_S = 1.0
"""The same while nothing can be heard, because Valkey is away."""
LISTEN_AGAIN_S = 0.5
SURE_S = 2.0
"""After which a connection that listens is taken to hear: to be refused takes less."""
CHANNEL = "batches:changed"

_log = logging.getLogger(__name__)


class Shared(Protocol):
    """What progress needs of the store that all processes share."""

    def run(self, *command: object) -> Awaitable[object]:
        """Run one command; OSError when the store is away."""
        ...

    def listen(self, channel: str, /) -> AsyncIterator[bytes]:
        """Yield the messages of `channel`; ends or raises OSError when the store goes away."""
        ...


class Batches(Protocol):
    """What progress needs of the store of batches."""

    async def batch(self, tenant: str, batch_id: str) -> Batch:
        """Return a batch as it is now. Raise NoSuchBatch."""
        ...

    async def snapshots(self, batch_ids: Collection[str]) -> dict[str, Batch]:
        """Return those of the batches that there are."""
        ...


class Progress:
    """The progress of batches, as this process sees it."""

    def __init__(self, store: Batches, shared: Shared, *, pace_s: float = PACE_S) -> None:
        """Read `store` where `shared` says that something changed; `start` begins."""
        self._store = store
        self._shared = shared
        self._pace_s = pace_s
        self._watches: dict[str, _Watch] = {}
        self._due = asyncio.Event()
        self._untold: set[str] = set()
        self._to_tell = asyncio.Event()
        self._listening_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self) -> None:
        """Begin to listen and to look; needs a running loop."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="progress listens"),
            asyncio.create_task(self._look(), name="progress looks"),
            asyncio.create_task(self._tell(), name="progress tells"),
        ]

    async def close(self) -> None:
        """Stop; whoever follows a batch gets no more."""
        self._closed = True  # redis-py may take a cancellation for a failure while it connects
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for watch in self._watches.values():
            watch.end()

    @property
    def watched(self) -> int:
        """Batches that are watched at present."""
        return len(self._watches)

    def snapshot(self, batch: Batch) -> Snapshot:
        """Return the snapshot of `batch`, with its pace where somebody follows it here."""
        watch = self._watches.get(batch.id)
        newest = None if watch is None else watch.newest
        if newest is not None and newest.batch.version >= batch.version:
            return newest
        return Pace().snapshot(batch)

    def changed(self, batch_id: str) -> None:
        """Say to every process, soon, that a batch has changed.

        What cannot be said is found out later.
        """
        self._note(batch_id)
        self._untold.add(batch_id)
        self._to_tell.set()

    async def follow(self, tenant: str, batch_id: str) -> AsyncGenerator[Snapshot]:
        """Yield a snapshot now, then the newest one after each change, until the batch has ended.

        Versions only grow; the last snapshot is of a state in which nothing happens any more. A
        reader that takes its time misses those in between.

        Raises:
            NoSuchBatch: there is none, or it was deleted meanwhile.
            StoreError: the first look failed.
        """
        watch = self._watches.setdefault(batch_id, _Watch())  # first, to miss no change
        watch.followers += 1
        try:
            if watch.newest is None:
                watch.see(await self._store.batch(tenant, batch_id))
            elif watch.newest.batch.tenant != tenant:
                raise NoSuchBatch(batch_id)
            else:
                self._note(batch_id)
            seen = 0
            while (snapshot := await watch.after(seen)) is not None:
                seen = snapshot.batch.version
                yield snapshot
                if snapshot.batch.ended:
                    return
            if watch.gone:
                raise NoSuchBatch(batch_id)
        finally:
            watch.followers -= 1
            if not watch.followers and self._watches.get(batch_id) is watch:
                del self._watches[batch_id]

    def _note(self, batch_id: str) -> None:
        watch = self._watches.get(batch_id)
        if watch is not None:
            watch.due = True
            self._due.set()

    async def _tell(self) -> None:
        """Say what has changed, each batch at most once in `_pace_s`."""
        while not self._closed:
            await self._to_tell.wait()
            self._to_tell.clear()
            untold, self._untold = self._untold, set()
            for batch_id in untold:
                try:
                    await self._shared.run("PUBLISH", CHANNEL, batch_id)
                except OSError:
                    break
            await asyncio.sleep(self._pace_s)

    async def _listen(self) -> None:
        deaf = False
        while not self._closed:
            try:
                self._listening_since = asyncio.get_running_loop().time()
                async for message in self._shared.listen(CHANNEL):
                    self._note(message.decode())
            except Exception as error:  # noqa: BLE001 - a deaf process would look seldom for ever
                if not deaf:
                    told = {"error": type(error).__name__}
                    _log.warning("changes of batches not heard", extra=told)
            deaf = not self._sure()
            self._listening_since = None
            self._due.set()
            if not self._closed:
                await asyncio.sleep(LISTEN_AGAIN_S)

    async def _look(self) -> None:
        """Look at what is due, at most once in `_pace_s`; at everything now and then."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while not self._closed:
            try:
                async with asyncio.timeout(looked + self._patience_s() - loop.time()):
                    await self._due.wait()
            except TimeoutError:
                looked = loop.time()
                for watch in self._watches.values():
                    watch.due = True
            self._due.clear()
            due = [batch_id for batch_id, watch in self._watches.items() if watch.due]
            if due:
                await self._see(due)
            await asyncio.sleep(self._pace_s)

    def _patience_s(self) -> float:
        return LOOK_AGAIN_S if self._sure() else LOOK_UNTOLD_S

    def _sure(self) -> bool:
        """Tell whether changes are heard: it has listened for a while already."""
        since = self._listening_since
        return since is not None and asyncio.get_running_loop().time() - since > SURE_S

    async def _see(self, batch_ids: list[str]) -> None:
        for batch_id in batch_ids:
            self._watches[batch_id].due = False
        try:
            found = await self._store.snapshots(batch_ids)
        except (StoreError, OSError) as error:
            _log.warning("progress not read", extra={"error": type(error).__name__})
            return
        for batch_id in batch_ids:
            watch = self._watches.get(batch_id)
            if watch is None:
                continue
            if (batch := found.get(batch_id)) is None:
                watch.gone = True
                watch.end()
            else:
                watch.see(batch)


class _Watch:
    """What is known of one batch that is followed here."""

    def __init__(self) -> None:
        self.followers = 0
        self.due = False
        self.gone = False
        self._ended = False
        self._pace = Pace()
        self.newest: Snapshot | None = None
        self._changed = asyncio.Event()

    def see(self, batch: Batch) -> None:
        """Take in a version of the batch; one that is not newer says nothing."""
        if self.newest is None or batch.version > self.newest.batch.version:
            self.newest = self._pace.snapshot(batch)
            self._wake()

    def end(self) -> None:
        """Say that nothing comes any more."""
        self._ended = True
        self._wake()

    async def after(self, version: int) -> Snapshot | None:
        """Return the newest snapshot once it is newer than `version`; None when none will come."""
        while True:
            if self._ended:
                return None
            newest = self.newest
            if newest is not None and newest.batch.version > version:
                return newest
            await self._changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
