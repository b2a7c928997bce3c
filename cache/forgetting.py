"""Forgetting what is known about a value: in the shared store, and in the memory of every process.

What a process remembers stands under the values themselves, which no message may hold. So whoever
hears that something is to be forgotten forgets all that it remembers: that is rare, and the shared
store still has the rest.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Protocol, cast

CHANNEL = "outcomes:forgotten"
LISTEN_AGAIN_S = 0.5
SURE_S = 2.0
"""After which a connection that listens is taken to hear: to be refused takes less."""
_FORGET = (files("cache") / "scripts" / "forget.lua").read_text()

_log = logging.getLogger(__name__)

Run = Callable[[Sequence[bytes], Sequence[bytes | int | str]], Awaitable[object]]


class Shared(Protocol):
    """What is needed of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...

    def listen(self, channel: str, /) -> AsyncIterator[bytes]:
        """Yield the messages of `channel`; ends or raises OSError when the store goes away."""
        ...


class Forgetting:
    """Forgets, and hears of others that do."""

    def __init__(self, shared: Shared, apart: Shared | None = None) -> None:
        """Forget in `shared`, and in `apart` where outcomes have a server of their own."""
        self._shared = shared
        self._forget = shared.script(_FORGET)
        self._apart = None if apart is None else apart.script(_FORGET)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self, drop: Callable[[], None]) -> None:
        """Call `drop` from now on whenever something is forgotten; needs a running loop."""
        self._task = asyncio.create_task(self._listen(drop), name="forgetting")

    async def close(self) -> None:
        """Listen no longer."""
        self._closed = True  # redis-py may take a cancellation for a failure while it connects
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def forget(self, digests: Sequence[bytes]) -> int:
        """Forget the questions of these digests; return of how many an outcome was kept.

        Raises:
            OSError: a store is away; then nothing is sure to be forgotten.
        """
        said = b"".join(digests), CHANNEL
        known = cast("int", await self._apart((), said)) if self._apart is not None else 0
        return known + cast("int", await self._forget((), said))

    async def _listen(self, drop: Callable[[], None]) -> None:
        missed = False

        def caught_up() -> None:
            nonlocal missed
            missed = False
            drop()

        while not self._closed:
            # What was said while nothing was heard is made up for once it hears again, and not
            # before: while the store is away, what a process remembers is all that it has.
            sure = asyncio.get_running_loop().call_later(SURE_S, caught_up) if missed else None
            try:
                async for _ in self._shared.listen(CHANNEL):
                    drop()
            except Exception as error:  # noqa: BLE001 - a deaf process would remember for ever
                _log.warning("forgetting not heard", extra={"error": type(error).__name__})
            finally:
                if sure is not None:
                    sure.cancel()
            missed = True
            if not self._closed:
                await asyncio.sleep(LISTEN_AGAIN_S)
