"""Whether the nameserver itself fails, or only the domains that it was asked about.

A domain whose own nameservers are dead looks like a dead resolver: nothing comes, or SERVFAIL. So a
failure is first a doubt, and a witness is asked about: a name that every resolver with a way to the
outside knows. Where that is answered, the resolver is well; where it is not, the failure counts in
a breaker as any provider's does. So it is with the question that probes an open one.

The breaker is this process's alone: another machine has another resolver.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from providers.breaker import Breaker, Pass, Resting
from providers.errors import BreakerOpen
from verdicts.reason import ReasonCode

WITNESS_S = 2.0
"""A resolver that is well has the witness in its cache."""
DOUBTED_MAX = 1_000
"""Failures that one witness speaks for; more say nothing more."""

_log = logging.getLogger(__name__)


class Doubt:
    """The breaker of a resolver, and the witness that speaks for it."""

    def __init__(self, account: str, answers: Callable[[], Awaitable[bool]]) -> None:
        """`answers` asks about the witness, and returns whether an answer came."""
        self._account = account
        self._answers = answers
        self.breaker = Breaker(self._told)
        self._doubted: list[tuple[Pass, ReasonCode]] = []
        self._asking: asyncio.Task[None] | None = None

    def enter(self) -> Pass:
        """Return a pass for one question, to be taken back by `answered`, `failed` or `left`.

        Raises:
            BreakerOpen: the resolver fails, and is left alone for a while.
        """
        now = asyncio.get_running_loop().time()
        given = self.breaker.enter(now)
        if isinstance(given, Resting):
            raise BreakerOpen(given.why, max(0.0, given.until - now))
        return given

    def answered(self, given: Pass) -> None:
        """Take back a pass whose question was answered."""
        self.breaker.succeeded(given, asyncio.get_running_loop().time())

    def left(self, given: Pass) -> None:
        """Take back a pass whose question said nothing of the resolver."""
        self.breaker.left(given, asyncio.get_running_loop().time())

    def failed(self, given: Pass, why: ReasonCode) -> None:
        """Take back a pass whose question failed; the witness will say whether that counts."""
        if len(self._doubted) < DOUBTED_MAX and self.breaker.holds(given):
            self._doubted.append((given, why))
            if self._asking is None:
                self._asking = asyncio.get_running_loop().create_task(self._settle())

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _settle(self) -> None:
        try:
            while self._doubted:
                well = await self._is_well()
                doubted, self._doubted = self._doubted, []
                now = asyncio.get_running_loop().time()
                for given, why in doubted:
                    if well:
                        self.breaker.succeeded(given, now)
                    else:
                        self.breaker.failed(given, now, why)
        finally:
            self._asking = None

    async def _is_well(self) -> bool:
        try:
            async with asyncio.timeout(WITNESS_S):
                return await self._answers()
        except TimeoutError:
            return False

    def _told(self, resting: Resting | None) -> None:
        about = {"account": self._account, "bulk": False, "partition": ""}
        if resting is None:
            _log.info("breaker closed", extra=about)
            return
        left_s = resting.until - asyncio.get_running_loop().time()
        about |= {"reason": resting.why.value, "rests_s": round(left_s, 3)}
        _log.warning("breaker opened", extra=about)
