"""The breakers of a process, which hears of those that other processes open and close.

Whoever opens or closes one tells all others over a channel of the shared store; what rests stands
in one hash there, for who comes later. A store that is away costs nothing: then each process finds
out for itself, as it would anyway.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from importlib.resources import files
from typing import Protocol, cast

import msgspec
from msgspec import Struct

from providers.breaker import REST_MIN_S, Breaker, Resting
from verdicts.reason import ReasonCode

KEY = "breakers"
CHANNEL = "breakers:told"
LISTEN_AGAIN_S = 0.5
CANCEL_AGAIN_S = 0.1
TOKEN_BYTES = 8
_US = 1e6

_SCRIPTS = files("providers") / "scripts"
TELL, PROBE = ((_SCRIPTS / name).read_text() for name in ("breakers.lua", "probe.lua"))

Run = Callable[[Sequence[str], Sequence[str | int]], Awaitable[object]]

_log = logging.getLogger(__name__)


class Shared(Protocol):
    """What breakers need of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...

    def listen(self, channel: str, /) -> AsyncIterator[bytes]:
        """Yield the messages of `channel`; ends or raises OSError when the store goes away."""
        ...


class Scope(Struct, frozen=True):
    """What a breaker is for: an account, its single or bulk calls, a partition of its values."""

    account: str
    bulk: bool = False
    partition: str = ""

    @property
    def name(self) -> str:
        """Its name in the shared store."""
        capability = "bulk" if self.bulk else "single"
        return f"{self.account}:{capability}:{self.partition}"


class _Note(Struct):
    """What one process tells the others of a breaker; seconds are before or after the telling."""

    by: str
    scope: Scope
    why: ReasonCode | None = None
    left_s: float = 0.0
    since_s: float = 0.0
    rest_s: float = REST_MIN_S
    refused: bool = False


_NOTE = msgspec.json.Decoder(_Note)


class Breakers:
    """All breakers of this process, by their scope."""

    def __init__(self, shared: Shared) -> None:
        """Tell and hear over `shared`; `start` begins to listen."""
        self._shared = shared
        self._tell = shared.script(TELL)
        self._probe = shared.script(PROBE)
        self._token = secrets.token_hex(TOKEN_BYTES)
        self._breakers: dict[Scope, Breaker] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen to other processes; needs a running loop."""
        self._own(self._listen())

    async def close(self) -> None:
        """Stop listening and telling."""
        while self._tasks:  # redis-py loses a cancellation that comes while it connects
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCEL_AGAIN_S)

    def of(self, scope: Scope) -> Breaker:
        """Return the breaker for `scope`; there is one, bounded by what the configuration names."""
        breaker = self._breakers.get(scope)
        if breaker is None:
            breaker = self._breakers[scope] = Breaker(lambda resting: self._told(scope, resting))
        return breaker

    def of_account(self, account: str) -> dict[Scope, Breaker]:
        """Return the breakers of `account` that were needed so far."""
        return {s: one for s, one in self._breakers.items() if s.account == account}

    async def may_probe(self, scope: Scope) -> bool:
        """Return whether this process may probe: all together do so once in `REST_MIN_S`."""
        try:
            key = f"{KEY}:probe:{scope.name}"
            return bool(await self._probe([key], [round(REST_MIN_S * 1000)]))
        except OSError:
            return True

    def _told(self, scope: Scope, resting: Resting | None) -> None:
        about = {"account": scope.account, "bulk": scope.bulk, "partition": scope.partition}
        if resting is None:
            _log.info("breaker closed", extra=about)
            note = _Note(self._token, scope)
        else:
            now = asyncio.get_running_loop().time()
            left_s = resting.until - now
            told = about | {"reason": resting.why.value, "rests_s": round(left_s, 3)}
            _log.warning("breaker opened", extra=told)
            note = _Note(
                self._token,
                scope,
                resting.why,
                left_s,
                now - resting.since,
                resting.rest_s,
                resting.refused,
            )
        self._own(self._pass_on(note))

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, note: _Note) -> None:
        text = msgspec.json.encode(note).decode()
        name = note.scope.name
        if note.why is None:
            arguments: list[str | int] = ["close", CHANNEL, name, text]
        else:
            arguments = ["open", CHANNEL, name, round(note.left_s * _US), text]
        try:
            await self._tell([KEY], arguments)
        except OSError:
            return  # the others find out for themselves

    async def _listen(self) -> None:
        while True:
            try:
                await self._catch_up()
                async for message in self._shared.listen(CHANNEL):
                    self._heard(message)
            except Exception as error:  # noqa: BLE001 - a deaf process would be told nothing more
                _log.warning("breakers not heard", extra={"error": type(error).__name__})
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _catch_up(self) -> None:
        """Open what rests already."""
        found = cast("list[bytes | int]", await self._tell([KEY], ["load"]))
        for left_us, text in zip(found[1::3], found[2::3], strict=True):
            self._heard(cast("bytes", text), int(left_us) / _US)

    def _heard(self, message: bytes, left_s: float | None = None) -> None:
        try:
            note = _NOTE.decode(message)
        except msgspec.DecodeError:
            _log.warning("breakers told in another form", extra={"bytes": len(message)})
            return
        if note.by == self._token:
            return
        breaker = self.of(note.scope)
        if note.why is None:
            breaker.told_closed()
            return
        now = asyncio.get_running_loop().time()
        until = now + (note.left_s if left_s is None else left_s)
        breaker.told_open(Resting(note.why, now - note.since_s, until, note.rest_s, note.refused))
