"""Claims: the right to be the one, of all processes and machines, that asks a question.

A claim is a lease in Valkey: whoever dies leaves it to expire. Who finds a question claimed marks
the claim and waits; when the claim is settled its holder publishes the marked ones, and nobody
else is told anything. A settled claim stands as `done` for a moment, so that a process which
looked in the store just before the outcome was kept looks once more instead of asking again.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from enum import Enum
from importlib.resources import files
from typing import Protocol, cast

from cache.keys import DIGEST_BYTES

LEASE_S = 3.0
"""After which the claims of a process that died are free."""
RENEW_EVERY_S = 1.0
DONE_FOR_S = 2.0
"""How long a settled claim is seen as such: longer than a look into the store may take."""
LOOK_AGAIN_S = 0.5
"""After which a waiter looks for itself: a message may be lost."""
LISTEN_AGAIN_S = 0.5
TOKEN_BYTES = 8
CHANNEL = "claims:settled"

_SCRIPTS = files("cache") / "scripts"
TAKE, SETTLE, RENEW = (
    (_SCRIPTS / name).read_text() for name in ("take.lua", "settle.lua", "renew.lua")
)

_log = logging.getLogger(__name__)

Run = Callable[[Sequence[bytes], Sequence[bytes | int | str]], Awaitable[object]]
"""A script of the store, to be run with keys and arguments."""


class Shared(Protocol):
    """What claims need of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...

    def listen(self, channel: str, /) -> AsyncIterator[bytes]:
        """Yield the messages of `channel`; ends or raises OSError when the store goes away."""
        ...


class Taken(Enum):
    """What came of claiming a question, in the numbers of take.lua."""

    HELD = 0
    OURS = 1
    DONE = 2


_TAKEN = tuple(Taken)
_OURS = Taken.OURS


class Claims:
    """The claims of this process."""

    def __init__(self, shared: Shared) -> None:
        """Claim in `shared`; `start` begins to listen and to renew."""
        self._take = shared.script(TAKE)
        self._settle = shared.script(SETTLE)
        self._renew = shared.script(RENEW)
        self._shared = shared
        self._token = secrets.token_hex(TOKEN_BYTES)
        self._held: set[bytes] = set()
        self._waiting: dict[bytes, list[asyncio.Event]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(self) -> None:
        """Begin to listen for settled claims and to renew our own; needs a running loop."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="claims listen"),
            asyncio.create_task(self._keep_renewing(), name="claims renew"),
        ]

    async def close(self) -> None:
        """Give up what is held and stop listening."""
        self._closed = True  # redis-py may take a cancellation for a failure while it connects
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        held = list(self._held)
        if held:
            with suppress(OSError):  # they expire by themselves
                await self.settle(held)

    async def look(self, digests: Sequence[bytes]) -> list[bytes | Taken]:
        """Return for each digest what the same server keeps for it, or else what claiming it gave.

        Raises:
            OSError: the store is away.
        """
        return await self._ask(digests, "l")

    async def peek(self, digests: Sequence[bytes]) -> list[bytes | Taken]:
        """Return for each digest what the same server keeps for it; nothing is claimed.

        Raises:
            OSError: the store is away.
        """
        return await self._ask(digests, "p")

    async def take(self, digests: Sequence[bytes], *, anew: bool = False) -> list[Taken]:
        """Claim all `digests` at once.

        `anew` says that a claim which was settled just now is of no use, because the outcome in the
        store is known and can't be used.

        Raises:
            OSError: the store is away.
        """
        return cast("list[Taken]", await self._ask(digests, "a" if anew else "c"))

    async def settle(
        self,
        digests: Sequence[bytes],
        kept: Sequence[bool] | None = None,
        outcomes: bytes = b"",
    ) -> None:
        """Give back claims; `kept` says for which to tell late comers to look once more.

        `outcomes` are those that the same server keeps, packed (`cache.outcomes`): they are written
        first, in one trip.

        Raises:
            OSError: the store is away; the claims expire by themselves.
        """
        self._held.difference_update(digests)
        flags = "0" * len(digests)
        if kept is not None:
            flags = "".join("1" if one else "0" for one in kept)
        settled = (round(DONE_FOR_S * 1000), CHANNEL, b"".join(digests), flags, outcomes)
        await self._settle((), (self._token, *settled))

    async def wait(self, digests: Sequence[bytes], timeout_s: float) -> None:
        """Return when one of `digests` is settled, or after `LOOK_AGAIN_S` or `timeout_s`."""
        settled = asyncio.Event()
        for digest in digests:
            self._waiting.setdefault(digest, []).append(settled)
        try:
            async with asyncio.timeout(max(0.0, min(timeout_s, LOOK_AGAIN_S))):
                await settled.wait()
        except TimeoutError:
            return
        finally:
            for digest in digests:
                events = self._waiting[digest]
                events.remove(settled)
                if not events:
                    del self._waiting[digest]

    def heard(self, message: bytes) -> None:
        """Wake those who wait for a digest in `message`."""
        for at in range(0, len(message), DIGEST_BYTES):
            for settled in self._waiting.get(message[at : at + DIGEST_BYTES], ()):
                settled.set()

    async def _ask(self, digests: Sequence[bytes], how: str) -> list[bytes | Taken]:
        lease_ms = round(LEASE_S * 1000)
        answer = cast(
            "list[bytes | int]",
            await self._take((), (self._token, lease_ms, b"".join(digests), how * len(digests))),
        )
        found = [_TAKEN[one] if isinstance(one, int) else one for one in answer]
        ours = [digest for digest, one in zip(digests, found, strict=True) if one is _OURS]
        self._held.update(ours)
        return found

    async def _listen(self) -> None:
        while not self._closed:
            try:
                async for message in self._shared.listen(CHANNEL):
                    self.heard(message)
            except Exception as error:  # noqa: BLE001 - a deaf process would poll for ever
                _log.warning("claims not heard", extra={"error": type(error).__name__})
            if not self._closed:
                await asyncio.sleep(LISTEN_AGAIN_S)

    async def _keep_renewing(self) -> None:
        while not self._closed:
            await asyncio.sleep(RENEW_EVERY_S)
            if self._held:
                try:
                    await self._renew(
                        (), (self._token, round(LEASE_S * 1000), b"".join(self._held))
                    )
                except Exception as error:  # noqa: BLE001 - leases run out where nobody renews
                    _log.warning("claims not renewed", extra={"error": type(error).__name__})
