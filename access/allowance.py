"""How much a caller may still ask: requests a second, records and cost of a day.

It holds over all processes: what is counted stands in the store that they share. Each process
takes a little in advance, so that most requests ask nobody: a tenth of a second's requests, a
hundredth of a day's records. Cost is known afterwards: who has spent it all is refused the next
time. While that store is away everybody goes on, and each process counts for itself.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Protocol, cast

from msgspec import Struct

from access.key import Limits
from access.principal import Principal

REQUESTS_AHEAD_S = 0.1
RECORDS_AHEAD_SHARE, RECORDS_AHEAD_MAX = 0.01, 1_000
LEASE_S = 1.0
"""After which requests that were taken in advance, and not used, are no longer good."""
BURST_S = 1.0
"""How much of a rate may come at once."""
SPENT_AGAIN_S = 1.0
"""Between two looks at what was spent elsewhere."""
KEPT_MAX = 10_000
"""Callers whose allowance this process knows; the one that was quiet for longest goes first."""
DAY_S = 86_400

_SCRIPTS = files("access") / "scripts"
_TAKE, _SPEND = ((_SCRIPTS / name).read_text() for name in ("take.lua", "spend.lua"))

Run = Callable[[Sequence[object], Sequence[object]], Awaitable[object]]


class Shared(Protocol):
    """What is needed of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...


class OverLimit(Exception):
    """A caller has asked for more than it may; after `retry_after_s` it may again."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_s = retry_after_s


class Left(Struct):
    """What a caller has left, as far as this process knows."""

    requests: float
    records: int
    spent: int = 0
    day_ends_at: float = 0.0
    """By the clock of the loop."""


class Allowance:
    """What one caller may still ask."""

    def __init__(self, run: "tuple[Run, Run]", credential: str, limits: Limits) -> None:
        """Know nothing yet of what `credential` has asked elsewhere."""
        self._take, self._spend = run
        self._limits = limits
        self._requests_key = f"allow:requests:{credential}"
        self._records_key = f"allow:records:{credential}"
        self._cost_key = f"allow:cost:{credential}"
        self._ahead = 0
        self._ahead_until = 0.0
        self._records_ahead = 0
        self._day = 0
        self._unsaid = 0
        self._said_at = -math.inf
        self.left = Left(
            self._burst, limits.records_per_day if limits.records_per_day is not None else 0
        )

    @property
    def _burst(self) -> float:
        rate = self._limits.requests_per_second
        return 0.0 if rate is None else max(1.0, rate * BURST_S)

    async def request(self) -> None:
        """Count one request.

        Raises:
            OverLimit: there were too many in this second.
        """
        rate = self._limits.requests_per_second
        if rate is None:
            return
        now = asyncio.get_running_loop().time()
        if self._ahead > 0 and now < self._ahead_until:
            self._ahead -= 1
            return
        block = max(1, int(rate * REQUESTS_AHEAD_S))
        granted, left, wait_ms, *_ = await self._taken(1, block, 0, 0)
        if granted < 1:
            self.left.requests = 0.0
            raise OverLimit("requests", wait_ms / 1000)
        self._ahead, self._ahead_until = granted - 1, now + LEASE_S
        self.left.requests = left / 1000 + self._ahead

    async def records(self, count: int) -> None:
        """Count `count` records.

        Raises:
            OverLimit: so many are not left today; none is counted.
        """
        limit = self._limits.records_per_day
        if limit is None or count == 0:
            return
        now = asyncio.get_running_loop().time()
        if now >= self.left.day_ends_at:
            self._records_ahead = 0
        if self._records_ahead >= count:
            self._records_ahead -= count
            self.left.records -= count
            return
        held, self._records_ahead = self._records_ahead, 0
        more = count - held
        ahead = min(RECORDS_AHEAD_MAX, int(limit * RECORDS_AHEAD_SHARE))
        _, _, _, granted, left, ends_s, self._day = await self._taken(0, 0, more, more + ahead)
        self.left.day_ends_at = now + ends_s
        if granted < more:
            self._records_ahead += held
            self.left.records = left + self._records_ahead
            raise OverLimit("records", ends_s)
        self._records_ahead += granted - more
        self.left.records = left + self._records_ahead

    async def spend(self, millionths: int) -> None:
        """Count what an answer has cost."""
        if self._limits.cost_per_day_millionths is not None and millionths:
            self._unsaid += millionths
            if self._unsaid * 100 > self._limits.cost_per_day_millionths:
                await self._say()

    async def give_back(self) -> None:
        """Say what is unsaid, and give back records that were taken in advance."""
        unused, self._records_ahead = self._records_ahead, 0
        if self._unsaid or unused:
            await self._say(unused)

    @property
    def cost_left_millionths(self) -> int | None:
        """What may still be spent today; None where nothing bounds it."""
        limit = self._limits.cost_per_day_millionths
        return None if limit is None else max(0, limit - self.left.spent - self._unsaid)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        policies: list[str] = []
        left: list[str] = []
        limits, now = self._limits, asyncio.get_running_loop().time()
        if limits.requests_per_second is not None:
            window_s = max(1, math.ceil(self._burst / limits.requests_per_second))
            policies.append(f'"requests";q={int(self._burst)};w={window_s}')
            left.append(f'"requests";r={int(self.left.requests)};t={window_s}')
        ends_s = max(0, math.ceil(self.left.day_ends_at - now))
        if limits.records_per_day is not None:
            policies.append(f'"records";q={limits.records_per_day};w={DAY_S}')
            left.append(f'"records";r={max(0, self.left.records)};t={ends_s}')
        if not policies:
            return []
        return [
            (b"ratelimit-policy", ", ".join(policies).encode()),
            (b"ratelimit", ", ".join(left).encode()),
        ]

    async def afford(self) -> None:
        """Return if something may still be spent today. Raise OverLimit if not."""
        limit = self._limits.cost_per_day_millionths
        if limit is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._said_at >= SPENT_AGAIN_S:
            await self._say()
        if self.left.spent + self._unsaid >= limit:
            raise OverLimit("cost", max(1.0, self.left.day_ends_at - loop.time()))

    async def _taken(self, requests: int, block: int, records: int, of_day: int) -> list[int]:
        limits = self._limits
        rate = -1 if limits.requests_per_second is None else limits.requests_per_second
        limit = -1 if limits.records_per_day is None else limits.records_per_day
        asked = (requests, block, repr(float(rate)), repr(self._burst), records, of_day, limit)
        try:
            found = await self._take((self._requests_key, self._records_key), asked)
        except OSError:  # what cannot be counted is not refused
            return [max(1, block), round(self._burst * 1000), 0, of_day, max(0, limit), 0, 0]
        return cast("list[int]", found)

    async def _say(self, unused: int = 0) -> None:
        """Tell what was spent here, and learn what was spent altogether."""
        now = asyncio.get_running_loop().time()
        said, self._unsaid, self._said_at = self._unsaid, 0, now
        try:
            keys = self._cost_key, self._records_key
            found = await self._spend(keys, (said, unused, self._day))
        except OSError:
            self._unsaid += said
            return
        spent, ends_s = cast("list[int]", found)
        self.left.spent, self.left.day_ends_at = spent, now + ends_s


class Allowances:
    """The allowances of this process, by credential."""

    def __init__(self, shared: Shared) -> None:
        """Count in `shared`."""
        self._run = shared.script(_TAKE), shared.script(_SPEND)
        self._known: dict[tuple[str, Limits], Allowance] = {}

    def of(self, principal: Principal) -> Allowance | None:
        """Return what `principal` may still ask; None where nothing bounds it."""
        limits = principal.limits
        if principal.credential is None or limits == Limits():
            return None
        key = principal.credential, limits
        found = self._known.pop(key, None)
        if found is None:
            found = Allowance(self._run, principal.credential, limits)
            if len(self._known) >= KEPT_MAX:
                del self._known[next(iter(self._known))]
        self._known[key] = found
        return found

    async def close(self) -> None:
        """Say what was spent and is unsaid."""
        await asyncio.gather(*(one.give_back() for one in self._known.values()))
