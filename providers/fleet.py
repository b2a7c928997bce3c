"""The processes that share the store: how many there are, and whether it can be reached.

Each says every second that it lives. When the store is lost, everybody keeps to an equal part of
each limit, by the number that was last seen; so a process that has just joined, and whom the
others may not have seen, has no part yet.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from time import monotonic
from typing import cast

from providers.trip import Shared

HEARTBEAT_S = 1.0
LEASE_S = 3.5
"""After its last word, for which a process is counted."""
LOST_AFTER_S = 2.0
"""Without any answer the store is lost, and not merely slow."""
REJOIN_S = 2.5
"""After its return, until everybody has told there what was sent meanwhile."""
SEEN_BY_ALL_S = 3.0
"""After it joined, until every other process has counted this one."""
_KEY = "permits:processes"
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
"""

_log = logging.getLogger(__name__)


class Fleet:
    """One process among those that share the store."""

    def __init__(self, shared: Shared) -> None:
        """Be a process with a name of its own; `start` lets the others know."""
        self.name = secrets.token_hex(4)
        self.processes = 0
        self.alone_since: float | None = None
        """Since when each process is on its own (monotonic); None while the store is there."""
        self.contact = 0.0
        """When the store last answered."""
        self._joined: float | None = None
        self._back_since: float | None = None
        self._beat = shared.script(_SCRIPT)
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._told: list[Callable[[], None]] = []

    @property
    def back(self) -> bool:
        """Whether the store answers again, while the others may still be alone."""
        return self._back_since is not None

    def start(self) -> None:
        """Say from now on that this process lives."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Call `tell` when the store is lost, and when it is there again."""
        self._told.append(tell)

    def part(self) -> int | None:
        """Return by how much a limit is to be divided while alone; None when that is not known."""
        if self._joined is None or self.contact - self._joined < SEEN_BY_ALL_S:
            return None
        return self.processes

    async def close(self) -> None:
        """Stop; the others notice in `LEASE_S`."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            await self._once()
            if self._closed:  # redis-py may have taken the cancellation for a failure
                return
            await asyncio.sleep(HEARTBEAT_S)

    async def _once(self) -> None:
        began = monotonic()
        try:
            count = cast("int", await self._beat([_KEY], [self.name, round(LEASE_S * 1000)]))
        except OSError:
            self._back_since = None
            if (
                self._joined is not None
                and self.alone_since is None
                and monotonic() - self.contact > LOST_AFTER_S
            ):
                self.alone_since = monotonic()
                _log.error("limits alone", extra={"processes": self.processes})
                self._tell()
            return
        self.contact = began
        if self._joined is None:
            self._joined = began
        if self.alone_since is None:
            self.processes = count
            return
        if self._back_since is None:
            self._back_since = began
        if began - self._back_since >= REJOIN_S:
            self.alone_since = self._back_since = None
            self.processes = count
            _log.warning("limits together again", extra={"processes": count})
        self._tell()

    def _tell(self) -> None:
        for tell in self._told:
            tell()
