"""Batches in this process: their store, which is opened in the background, and who works on them.

What the store needs takes half a second to import, and a database may be away: neither holds up
the start, nor makes what needs no batches unready.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from batches.errors import (
    BrokerError,
    StoreError,
    StoreLocked,
    StoreTooNew,
    StoreUnavailable,
    StoreUnreadable,
)
from batches.ingest import Ingest
from gateway.settings import Settings

if TYPE_CHECKING:
    from batches.engine import Engine
    from batches.store import Store
    from batches.upkeep import Upkeep
    from batches.work import Bench
    from checks.kinds import KindModule
    from gateway.batch_room import Followed
    from gateway.downloads import Sources
    from resolvers.batch_room import BatchRoom

FILE = "batches.db"
PATIENCE_S = 5.0
"""Of a request that comes before the store is open."""
REST_FIRST_S, REST_MAX_S = 0.5, 10.0
"""Between two tries to open a store that is away: at first, and what that doubles to."""
LASTING = (StoreTooNew, StoreLocked, StoreUnreadable)
"""What another try does not put right."""

_log = logging.getLogger(__name__)


class Batches:
    """The store of batches, as soon as it is open, and the engine that works on it here."""

    def __init__(
        self,
        settings: Settings,
        kinds: "Sequence[KindModule]",
        bench: "Callable[[], Bench]",
        followed: "Followed",
        opened: "Callable[[Store], Awaitable[None]]",
    ) -> None:
        """Use the store of `settings`; `bench` is called once, when work begins.

        `opened` is called with the store, once it is open.
        """
        self._tell_opened = opened
        self._settings = settings
        self._kinds = kinds
        self._bench = bench
        self._followed = followed
        self._store: Store | None = None
        self._room: BatchRoom | None = None
        self._ingest: Ingest | None = None
        self._engine: Engine | None = None
        self._upkeep: Upkeep | None = None
        self._opening: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self._away: StoreError | BrokerError | None = None

    def start(self, *, working: bool) -> None:
        """Open the store in the background and, when `working`, begin to work on what it has."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._begun(working=working))

    @property
    def away(self) -> str | None:
        """Why the store can't be used now, None when it can be."""
        if self._store is not None and self._open.is_set():
            return None
        return "it is being opened" if self._away is None else str(self._away)

    def store(self) -> "Store":
        """Return the store. Raise StoreUnavailable, which says why, when it is not open."""
        if self._store is None:
            raise StoreUnavailable(f"The store of batches can't be used: {self.away}")
        return self._store

    async def room(self) -> "BatchRoom":
        """Return what keeps, follows and reads batches; waits for `PATIENCE_S` while it opens.

        Raises:
            StoreUnavailable: it is not open by then.
        """
        if self._room is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._open.wait()
        if self._room is None:
            raise StoreUnavailable(f"The store of batches can't be used: {self.away}")
        return self._room

    async def ingest(self) -> "Ingest":
        """Return what takes files in; as `room`."""
        await self.room()
        assert self._ingest is not None, "what is open takes files"
        return self._ingest

    async def sources(self) -> "Sources":
        """Return what downloads are made of; as `room`."""
        room = await self.room()
        from gateway.downloads import Sources  # noqa: PLC0415 - what it needs is imported by now

        return Sources(room.store, room.decode, self._kinds)

    async def opened(self) -> "Store":
        """Wait until the store is open and return it.

        Raises:
            StoreError: it can't be opened, and trying again is of no use.
            BrokerError: the configured broker can't be had.
        """
        opening, waiting = self._opening, asyncio.ensure_future(self._open.wait())
        assert opening is not None, "`start` begins it"
        try:
            await asyncio.wait((opening, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._away is not None and not self._open.is_set():
            raise self._away
        if opening.done():
            opening.result()
        return self.store()

    def look(self) -> None:
        """Let the work here hear at once of what was changed in the store."""
        if self._engine is not None:
            self._engine.dispatch.wake()
            self._engine.work.look()

    async def close(self) -> None:
        """End the work within its bound, and close the store."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._engine is not None:
            await self._engine.close()
        if self._upkeep is not None:
            await self._upkeep.close()
        if self._room is not None:
            await self._room.progress.close()
        if self._store is not None:
            await self._store.close()
        self._store = self._engine = self._room = self._ingest = None

    async def _begun(self, *, working: bool) -> None:
        try:
            await self._run(working=working)
        except (StoreError, BrokerError) as error:
            self._away = error
            _log.error("no store of batches", extra={"error": type(error).__name__})
            raise
        except Exception as error:
            self._away = StoreUnavailable(f"opening it failed: {type(error).__name__}")
            _log.exception("no store of batches")  # a fault of ours: nothing else depends on it
            raise

    async def _run(self, *, working: bool) -> None:
        await asyncio.to_thread(import_module, "batches.opening")
        from batches.results import Results  # noqa: PLC0415 - imported just now, in a thread
        from gateway.batch_room import batch_room, webhook_gate  # noqa: PLC0415 - as above

        store = await self._store_opened()
        if store is None:
            return
        self._store = store
        await self._tell_opened(store)
        gate = webhook_gate(self._settings)
        self._room = batch_room(
            store,
            self._followed,
            self._kinds,
            Results(self._kinds),
            gate if self._settings.webhooks.secret is not None else None,
        )
        names = [module.KIND.name for module in self._kinds]
        self._ingest = Ingest(
            store,
            self._settings.uploads,
            names,
            self._settings.batches.chunk_records,
            self._room.starter,
        )
        if working:
            await asyncio.to_thread(import_module, "batches.engine")
            from batches.engine import Engine  # noqa: PLC0415 - imported just now, in a thread
            from batches.packing import ChunkPacking  # noqa: PLC0415 - as above
            from batches.upkeep import Upkeep  # noqa: PLC0415 - as above

            packing = ChunkPacking(self._kinds)
            settings, redis_url = self._settings.batches, self._followed.valkey.url
            self._engine = Engine(settings, store, packing, self._bench(), redis_url)
            self._engine.start()
            self._upkeep = Upkeep(store, settings, self._settings.webhooks, gate)
            self._upkeep.start()
        self._open.set()

    async def _store_opened(self) -> "Store | None":
        """Return the store as soon as it is open; None when no other try is of use."""
        from batches.opening import open_store  # noqa: PLC0415 - imported before, in a thread

        rest_s = REST_FIRST_S
        path = self._settings.gateway.data_dir / FILE
        while True:
            try:
                return await open_store(self._settings.store, path)
            except StoreError as error:
                if type(error) is not type(self._away):
                    told = {"error": type(error).__name__, "reason": str(error)}
                    _log.error("no store of batches", extra=told)
                self._away = error
                if isinstance(error, LASTING):
                    return None
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, REST_MAX_S)
