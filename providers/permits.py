"""Permits: the right to send at a time, reserved for an account over all processes and machines.

One atomic script on Valkey's clock answers for many permits at once with the delay after which
each may be used, over all windows together; a caller sleeps once and sends. One call of the
script is under way at a time in a process and serves everybody who waits in it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Protocol, cast

from msgspec import Struct

from providers.errors import NoPermit
from providers.rates import Rate
from verdicts.reason import ReasonCode

PERMITS_PER_TRIP_MAX = 200
PAUSE_KNOWN_FOR_S = 0.1
"""How long an account without limits sends on before it looks for a pause again."""
_US = 1e6

_SCRIPTS = files("providers") / "scripts"
RESERVE, PAUSE, STANDING = (
    (_SCRIPTS / name).read_text() for name in ("permits.lua", "pause.lua", "standing.lua")
)

Run = Callable[[Sequence[str], Sequence[str | int]], Awaitable[object]]
Waiter = tuple[float, asyncio.Future[None]]
"""Until when somebody waits (loop clock), and what tells of the permit."""


class Shared(Protocol):
    """What permits need of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...


class Window(Struct, frozen=True):
    """One window of an account as it stands: permits used and left in it."""

    rate: str
    limit: int
    used: int

    @property
    def left(self) -> int:
        """Permits that are left."""
        return max(0, self.limit - self.used)


class Permits:
    """The permits of one account."""

    def __init__(self, shared: Shared, account: str, rates: Sequence[Rate]) -> None:
        """Reserve for `account` within all `rates` together."""
        self._rates = tuple(rates)
        tag = f"permits:{{{account}}}"  # one hash slot for all keys of an account
        self._keys = [f"{tag}:pause", *(f"{tag}:{rate.text}" for rate in rates)]
        self._windows = [part for rate in rates for part in rate.script_arguments()]
        self._reserve = shared.script(RESERVE)
        self._pause = shared.script(PAUSE)
        self._standing = shared.script(STANDING)
        self._waiting: list[Waiter] = []
        self._pump: asyncio.Task[None] | None = None
        self._free_until = 0.0

    async def take(self, deadline: float) -> None:
        """Return when a call may be sent; `deadline` is an instant of the loop's clock.

        Raises:
            NoPermit: the limits leave no room before `deadline`, or can't be reached.
        """
        loop = asyncio.get_running_loop()
        if not self._rates and loop.time() < self._free_until:
            return
        permit: asyncio.Future[None] = loop.create_future()
        self._waiting.append((deadline, permit))
        if self._pump is None:
            self._pump = loop.create_task(self._serve())
        await permit

    async def pause(self, seconds: float) -> None:
        """Let nobody send for `seconds`, on any process."""
        self._free_until = 0.0
        try:
            await self._pause(self._keys[:1], [round(seconds * _US)])
        except OSError:
            return  # the next reservation fails the same way, and says so

    async def standing(self) -> tuple[float, tuple[Window, ...]]:
        """Return the pause that is left, in seconds, and every window as it stands.

        Raises:
            OSError: the shared store is away.
        """
        answer = cast("list[int]", await self._standing(self._keys, self._windows))
        windows = (
            Window(rate.text, rate.limit, int(used))
            for rate, used in zip(self._rates, answer[1:], strict=True)
        )
        return answer[0] / _US, tuple(windows)

    async def close(self) -> None:
        """Refuse whoever waits and end the pump."""
        waiting, self._waiting = self._waiting, []
        _refuse_all(waiting)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                wanted = sorted(self._waiting, key=lambda waiter: waiter[0])
                self._waiting = wanted[PERMITS_PER_TRIP_MAX:]
                await self._hand_out(wanted[:PERMITS_PER_TRIP_MAX])
        finally:
            self._pump = None

    async def _hand_out(self, wanted: Sequence[Waiter]) -> None:
        """Reserve for all of `wanted`, the most patient last, and tell each one."""
        loop = asyncio.get_running_loop()
        patience_s = max(0.0, wanted[-1][0] - loop.time())
        try:
            answer = await self._reserve(
                self._keys, [len(wanted), round(patience_s * _US), *self._windows]
            )
        except BaseException as error:  # closing, too: who is not told would wait for ever
            _refuse_all(wanted)
            if not isinstance(error, OSError):
                raise
            return
        now = loop.time()
        delays = [int(delay) for delay in cast("list[int]", answer)]
        refused_s = (-1 - delays.pop()) / _US if delays and delays[-1] < 0 else 0.0
        if not self._rates and delays and delays[0] == 0:
            self._free_until = now + PAUSE_KNOWN_FOR_S
        for at, (deadline, permit) in enumerate(wanted):
            if at >= len(delays):
                _refuse(permit, NoPermit(ReasonCode.RATE_LIMITED, refused_s))
            elif delays[at] <= 0:
                _grant(permit)
            elif now + delays[at] / _US > deadline:
                _refuse(permit, NoPermit(ReasonCode.RATE_LIMITED, delays[at] / _US))
            else:
                loop.call_at(now + delays[at] / _US, _grant, permit)


def _grant(permit: asyncio.Future[None]) -> None:
    if not permit.done():
        permit.set_result(None)


def _refuse(permit: asyncio.Future[None], why: NoPermit) -> None:
    if not permit.done():
        permit.set_exception(why)


def _refuse_all(waiting: Sequence[Waiter]) -> None:
    for _, permit in waiting:
        _refuse(permit, NoPermit(ReasonCode.LIMITS_UNAVAILABLE))
