"""How much a caller may still ask: requests a second, records and cost of a day.

It holds over all processes: what is counted stands in the store that they share. Each process
takes a little in advance, so that most requests ask nobody: a tenth of a second's requests, a
hundredth of a day's records. Cost is known afterwards: who has spent it all is refused the next
time. While that store is away everybody goes on, and each process counts for itself.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from importlib.resources import files
from typing import Any, Protocol, cast

from msgspec import Struct

from access.key import UNLIMITED, Limits
from access.principal import Principal
from verdicts.outcome import MILLION

REQUESTS_AHEAD_S = 0.1
RECORDS_AHEAD_SHARE = 0.01
RECORDS_AHEAD_MAX = 1_000
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

    records: int
    spent: int = 0
    day_ends_at: float = 0.0
    """By the clock of the loop."""


class Allowance:
    """What one caller may still ask."""

    def __init__(self, run: "tuple[Run, Run]", credential: str, limits: Limits) -> None:
        """Know nothing yet of what `credential` has asked elsewhere."""
        self._take, self._spend = run
        self.limits = limits
        self._requests_key = f"allow:requests:{credential}"
        self._records_key = f"allow:records:{credential}"
        self._cost_key = f"allow:cost:{credential}"
        self._ahead = 0
        self._ahead_until = 0.0
        self._records_ahead = 0
        self._day = 0
        self._unsaid = self._on_its_way = 0
        self._saying = asyncio.Lock()
        self._heard = False
        """Whether the shared store has ever said what was spent."""
        self._told_until = -math.inf
        """Until then what it said will do, by the clock of the loop."""
        self._now = asyncio.get_running_loop().time
        rate, records = limits.requests_per_second, limits.records_per_day
        self._burst = 0.0 if rate is None else max(1.0, rate * BURST_S)
        self._window_s = 0 if rate is None else max(1, math.ceil(self._burst / rate))
        self.left = Left(records or 0)
        self._counts_days = records is not None
        self._header = ""
        """What `RateLimit` says, up to the number of records."""
        self._begin_header(int(self._burst))
        policies: list[str] = []
        if rate is not None:
            policies.append(f'"requests";q={int(self._burst)};w={self._window_s}')
        if records is not None:
            policies.append(f'"records";q={records};w={DAY_S}')
        self._policy = b"ratelimit-policy", ", ".join(policies).encode()

    def counts_request(self) -> bool:
        """Count one request of those taken in advance; tell whether there was one."""
        if self._ahead > 0 and self._now() < self._ahead_until:
            self._ahead -= 1
            return True
        return self.limits.requests_per_second is None

    async def request(self) -> None:
        """Count one request.

        Raises:
            OverLimit: there were too many in this second.
        """
        rate = self.limits.requests_per_second
        if rate is None or self.counts_request():
            return
        now = self._now()
        block = max(1, int(rate * REQUESTS_AHEAD_S))
        granted, thousandths, wait_ms, *_ = await self._taken(1, block, 0, 0)
        if granted < 1:
            self._begin_header(0)
            raise OverLimit("requests", wait_ms / 1000)
        self._ahead, self._ahead_until = granted - 1, now + LEASE_S
        self._begin_header(thousandths // 1000 + self._ahead)

    def covers(self, count: int) -> bool:
        """Count `count` records of those taken in advance; tell whether that will do.

        It does not where there are fewer, or it is not known that something may still be spent
        today. Nothing is counted then: `afford` and `records` know more.
        """
        now, limit = self._now(), self.limits.cost_per_day_millionths
        if limit is not None and (now >= self._told_until or self._spent >= limit):
            return False
        return not self._counts_days or self._counts_records(count, now)

    def _counts_records(self, count: int, now: float) -> bool:
        self._forget_yesterday(now)
        if self._records_ahead < count:
            return False
        self._records_ahead -= count
        self.left.records -= count
        return True

    def _forget_yesterday(self, now: float) -> None:
        """Drop records that were taken in advance of a day that has ended."""
        if now >= self.left.day_ends_at:
            self._records_ahead = 0

    async def records(self, count: int) -> None:
        """Count `count` records.

        Raises:
            OverLimit: so many are not left today; none is counted.
        """
        limit, now = self.limits.records_per_day, self._now()
        if limit is None or self._counts_records(count, now):
            return
        held, self._records_ahead = self._records_ahead, 0
        more = count - held
        ahead = min(RECORDS_AHEAD_MAX, int(limit * RECORDS_AHEAD_SHARE))
        _, _, _, granted, left, ends_s, self._day = await self._taken(0, 0, more, more + ahead)
        self.left.day_ends_at = now + ends_s
        if granted < more:
            self._records_ahead += held
            self.left.records = max(0, left) + self._records_ahead
            raise OverLimit("records", ends_s)
        self._records_ahead += granted - more
        self.left.records = left + self._records_ahead

    def charge(self, cost: Decimal) -> None:
        """Count what asking has cost; `settle` tells the others."""
        if self.limits.cost_per_day_millionths is not None:
            self._unsaid += round(cost * MILLION)

    async def spend(self, millionths: int) -> None:
        """Count so much as spent; less than 0 is what was counted and is not spent."""
        if self.limits.cost_per_day_millionths is not None:
            self._unsaid += millionths
            await self.settle()

    async def settle(self) -> None:
        """Tell the others what was spent, if it is much; a little is told with the next look."""
        limit = self.limits.cost_per_day_millionths
        if limit is not None and abs(self._unsaid) * 100 > limit:
            await self._say()

    async def give_back(self) -> None:
        """Say what is unsaid, and give back records that were taken in advance."""
        unused, self._records_ahead = self._records_ahead, 0
        if self._unsaid or unused:
            await self._say(unused)

    async def reserve(self, millionths: int | None) -> int | None:
        """Count `millionths` as spent, if so many are left today; None is more than any.

        Return None when they are counted, or else how many are left.
        """
        limit = self.limits.cost_per_day_millionths
        if limit is None:
            return None
        await self._refresh()
        left = max(0, limit - self._spent)
        if millionths is None or millionths > left:
            return left
        await self.spend(millionths)  # counted here before it waits for anything
        return None

    @property
    def _spent(self) -> int:
        return self.left.spent + self._unsaid + self._on_its_way

    async def _refresh(self) -> None:
        if self._now() >= self._told_until:
            await self._say()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        header = self._header
        if self._counts_days:
            ends_s = DAY_S - int(time.time()) % DAY_S  # at midnight UTC, used or not
            header = f"{header}{self.left.records};t={ends_s}"
        return [self._policy, (b"ratelimit", header.encode())] if header else []

    async def afford(self) -> None:
        """Return if something may still be spent today. Raise OverLimit if not."""
        limit = self.limits.cost_per_day_millionths
        if limit is None:
            return
        await self._refresh()
        if self._spent >= limit:
            ends_s = self.left.day_ends_at - self._now()
            raise OverLimit("cost", max(1.0, ends_s))

    def _begin_header(self, requests_left: int) -> None:
        parts: list[str] = []
        if self._window_s:
            parts.append(f'"requests";r={requests_left};t={self._window_s}')
        if self._counts_days:
            parts.append('"records";r=')
        self._header = ", ".join(parts)

    async def _taken(self, requests: int, block: int, records: int, of_day: int) -> list[int]:
        limits = self.limits
        rate = -1 if limits.requests_per_second is None else limits.requests_per_second
        limit = -1 if limits.records_per_day is None else limits.records_per_day
        asked = (requests, block, repr(float(rate)), repr(self._burst), records, of_day, limit)
        try:
            found = await self._take((self._requests_key, self._records_key), asked)
        except OSError:  # what cannot be counted is not refused
            return [max(1, block), round(self._burst * 1000), 0, of_day, max(0, limit), 0, 0]
        return cast("list[int]", found)

    async def _say(self, unused: int = 0) -> None:
        """Tell what was spent here, and learn what was spent altogether.

        One at a time: of two on their way the answer to the first could come last, and would take
        back what the other has learnt.
        """
        async with self._saying:
            now = self._now()
            said, self._unsaid = self._unsaid, 0
            self._on_its_way += said
            if self._heard:  # others need not ask meanwhile, nor at once again if it is away
                self._told_until = now + SPENT_AGAIN_S
            try:
                keys = self._cost_key, self._records_key
                found = await self._spend(keys, (said, unused, self._day))
            except OSError:
                self._unsaid += said
                return
            finally:
                self._on_its_way -= said
            spent, ends_s = cast("list[int]", found)
            self._forget_yesterday(now)
            self.left.spent, self.left.day_ends_at = spent, now + ends_s
            self._heard, self._told_until = True, now + SPENT_AGAIN_S


class Allowances:
    """The allowances of this process, by credential."""

    def __init__(self, shared: Shared) -> None:
        """Count in `shared`."""
        self._run = shared.script(_TAKE), shared.script(_SPEND)
        self._known: dict[Principal, Allowance | None] = {}
        self._counted: dict[str, Allowance] = {}

    def of(self, principal: Principal) -> Allowance | None:
        """Return what `principal` may still ask; None where nothing bounds it."""
        try:
            return self._known[principal]
        except KeyError:
            return self._made(principal)

    def _made(self, principal: Principal) -> Allowance | None:
        limits, credential = principal.limits, principal.credential
        allowance: Allowance | None = None
        if credential is not None and limits != UNLIMITED:
            allowance = self._counted.pop(credential, None)
            if allowance is None or allowance.limits != limits:
                allowance = Allowance(self._run, credential, limits)
            _bounded(self._counted)
            self._counted[credential] = allowance
        _bounded(self._known)
        self._known[principal] = allowance
        return allowance

    async def close(self) -> None:
        """Say what was spent and is unsaid; give back what was taken in advance."""
        await asyncio.gather(*(one.give_back() for one in self._counted.values()))


def _bounded(known: dict[Any, Any]) -> None:
    """Forget the oldest where there are `KEPT_MAX`."""
    if len(known) >= KEPT_MAX:
        del known[next(iter(known))]
