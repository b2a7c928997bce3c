"""The door of this process and what is counted there: made from the settings.

It opens with the store of batches, where the keys are, too; the audit log there is pruned.
"""

import asyncio
import logging
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING

from access.allowance import Allowances
from access.door import Door
from access.secret import Pepper
from batches.errors import StoreError, StoreUnavailable
from gateway.bind import is_local
from gateway.issuer import tokens_of
from gateway.load import Load
from gateway.settings import Settings
from gateway.valkey import Valkey
from providers.transport import Transport

if TYPE_CHECKING:
    from access.audit import Audit
    from batches.store import Store
    from resolvers.keys import KeyRoom

PRUNE_EVERY_S = 6 * 3600.0
"""Between two removals of what is too old in the audit log."""

_log = logging.getLogger(__name__)


def pepper_of(settings: Settings, hash_key: bytes) -> Pepper:
    """Return the pepper of the keys: the configured one, else the key of the hashes."""
    pepper = settings.access.pepper
    return Pepper(hash_key if pepper is None else pepper.get_secret_value().encode())


async def has_keys(settings: Settings) -> bool:
    """Return whether anybody can be let in with a key or token; true when the store is away.

    Raises:
        StoreError: the store is there, and is of no use.
    """
    if settings.access.jwt_issuer is not None:
        return True
    from access.keys import any_live  # noqa: PLC0415 - it needs SQLAlchemy
    from batches.opening import open_store  # noqa: PLC0415 - as above
    from gateway.batch_assembly import FILE  # noqa: PLC0415 - as above

    try:
        store = await open_store(settings.store, settings.gateway.data_dir / FILE)
    except StoreUnavailable as error:
        _log.warning("keys not read", extra={"error": type(error).__name__})
        return True
    try:
        return await any_live(store.database)
    finally:
        await store.close()


class Doorkeeper:
    """Keeps the door of one process; knows how much callers ask, and how busy the process is."""

    def __init__(
        self,
        settings: Settings,
        hash_key: bytes,
        valkey: Valkey,
        transport: Transport,
        *,
        local: bool | None,
    ) -> None:
        """Make the door, which only this machine reaches: if `local`, or else by the settings.

        Needs a running loop.
        """
        self.settings = settings
        self._pepper = pepper_of(settings, hash_key)
        self.door = Door(
            self._pepper,
            open_=settings.access.open,
            local=is_local(settings.gateway.host) if local is None else local,
            tokens=tokens_of(settings, transport),
        )
        self.allowances = Allowances(valkey)
        self.load = Load()
        self.load.start()
        self._pruning: asyncio.Task[None] | None = None
        self._room: KeyRoom | None = None

    def is_busy(self) -> bool:
        """Tell whether new batch work is to wait."""
        return self.load.is_high

    async def room(self) -> "KeyRoom":
        """Return what administrators work with. Raise StoreUnavailable before `begin`."""
        if self._room is None:
            raise StoreUnavailable("the store is not open")
        return self._room

    async def begin(self, store: "Store") -> None:
        """Read the keys in `store`, from now on."""
        # it needs SQLAlchemy, which the start does not wait for
        await asyncio.to_thread(import_module, "access.keys")
        from access.audit import Audit  # noqa: PLC0415 - imported just now, in a thread
        from access.keys import Keys  # noqa: PLC0415 - as above
        from resolvers.keys import KeyRoom  # noqa: PLC0415 - what it needs is imported by now

        keys, audit = Keys(store.database, self._pepper), Audit(store.database)
        await self.door.begin(keys)
        self._room = KeyRoom(keys, audit)
        if self._pruning is None:
            self._pruning = asyncio.create_task(self._prune(audit), name="audit")

    async def close(self) -> None:
        """End what goes on here."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.gather(self._pruning, return_exceptions=True)
        await self.door.close()
        await self.allowances.close()
        await self.load.close()

    async def _prune(self, audit: "Audit") -> None:
        while True:
            try:
                await audit.prune(timedelta(days=self.settings.access.audit_days))
            except StoreError as error:
                _log.warning("audit log not pruned", extra={"error": type(error).__name__})
            await asyncio.sleep(PRUNE_EVERY_S)
