"""What accounts did today, counted over all processes that share the store.

Each process counts for itself, and tells the store in the background, every `EVERY_S` and for all
accounts in one trip: no call waits for it. While the store is away counts are kept, and told later.
What is told has a number, so that it counts once where an answer is lost. A process that is killed
takes what it has not told with it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from importlib.resources import files
from time import monotonic
from typing import TypeAlias, cast

import msgspec
from msgspec import Struct

from providers.statistics import BILLION, Counts, Day, Statistics, today
from providers.trip import Shared
from verdicts.reason import ReasonCode

EVERY_S = 1.0
CLOSE_S = 1.0
"""For telling the rest at the end."""
ENDS_S = 2 * 86_400
"""After the last word about a day, until it is forgotten."""
_SCRIPT = (files("providers") / "scripts" / "counts.lua").read_text()
_CODES = ReasonCode.__members__

AccountDay: TypeAlias = tuple[str, int]
"""An account, and the number of a day."""

_log = logging.getLogger(__name__)


class _Asked(Struct):
    me: str
    number: int
    added: list[Mapping[str, int]]
    ends: int = ENDS_S


class _Telling(Struct):
    """What is told under one number, until the store has answered: what is added to each account.

    `told` is for each day what the store knows of it once it has.
    """

    number: int
    added: dict[AccountDay, Counter[str]]
    told: list[tuple[Day, Counts]]


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[list[str]]).decode


class Daily:
    """The counts of the day, of every account that this process uses."""

    def __init__(self, shared: Shared, me: str) -> None:
        """Count in `shared`; `me` is this process among those that share it."""
        self._me = me
        self._run = shared.script(_SCRIPT)
        self._accounts: dict[Statistics, str] = {}
        self._known: dict[AccountDay, Counts] = {}
        """What the store said last."""
        self._telling: _Telling | None = None
        self._number = 0
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._ends = asyncio.Event()

    def count(self, account: str, statistics: Statistics) -> None:
        """Let what `statistics` count be that of `account`."""
        self._accounts[statistics] = account

    def start(self) -> None:
        """Tell the store from now on."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def today(self, asked: Sequence[Statistics]) -> list[Counts]:
        """Return for each of `asked` what its account did today, over all processes.

        While the store is away that is what it said last, and what this process did since.
        """
        number = today()
        wanted = [(self._accounts[one], number) for one in asked]
        with suppress(OSError):
            await self._tell(wanted)
        found = {one: self._known.get(one, Counts()).copy() for one in wanted}
        for statistics, account in self._accounts.items():
            day = statistics.this_day()
            if (counts := found.get((account, day.number))) is not None:
                counts.add(day.untold())
        return [found[one] for one in wanted]

    async def close(self) -> None:
        """Stop; what is not told yet is told now, if the store is there."""
        self._ends.set()
        if self._task is not None:
            await self._task  # not cancelled: whether a trip was heard would be anybody's guess
        until = monotonic() + CLOSE_S
        try:
            while self._next() is not None and monotonic() < until:
                await self._tell()
        except OSError:
            _log.warning("counts lost", extra={"accounts": len(self._accounts)})

    async def _live(self) -> None:
        while not self._ends.is_set():
            with suppress(OSError):  # the store is away, which others say: the counts are kept
                if self._next() is not None:
                    await self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._ends.wait()

    async def _tell(self, wanted: Sequence[AccountDay] = ()) -> None:
        """Tell what is new, and hear how much there is of what is `wanted`.

        Raises:
            OSError: the store is away; what is told may have been heard all the same.
        """
        async with self._turn:
            telling = self._next()
            added: dict[AccountDay, Mapping[str, int]] = {one: {} for one in wanted}
            if telling is not None:
                added |= telling.added
            asked = _Asked(self._me, telling.number if telling else 0, list(added.values()))
            keys = [f"counts:{{{account}}}:{number}" for account, number in added]
            answer = _unpack(cast("bytes", await self._run(keys, [_pack(asked)])))
            for day, told in telling.told if telling else ():
                day.told = told
            self._telling = None
            number = today()
            self._known = {one: all_ for one, all_ in self._known.items() if one[1] == number}
            self._known |= {one: _read(flat) for one, flat in zip(added, answer, strict=True)}

    def _next(self) -> _Telling | None:
        """Return what is to be told: what may not have been heard, or else all that is new."""
        if self._telling is None:
            added: dict[AccountDay, Counter[str]] = {}
            told: list[tuple[Day, Counts]] = []
            for statistics, account in self._accounts.items():
                for day in statistics.days():
                    if not day.is_told():
                        fields, whole = _new(day)
                        added.setdefault((account, day.number), Counter()).update(fields)
                        told.append((day, whole))
            if told:
                self._number += 1
                self._telling = _Telling(self._number, added, told)
        return self._telling


def _new(day: Day) -> tuple[dict[str, int], Counts]:
    """Return what is to be added for `day`, and what is told of it then, to the billionth."""
    new = day.untold()
    cost = int(new.cost * BILLION)
    fields = {"calls": new.calls, "failed": new.failed, "cost": cost}
    fields |= {code.value: count for code, count in new.failures.items()}
    whole = day.copy()
    whole.cost = day.told.cost + Decimal(cost) / BILLION
    return {name: by for name, by in fields.items() if by}, whole


def _read(flat: Sequence[str]) -> Counts:
    """Return the counts in a hash; a reason that another version knows is passed over."""
    fields: Mapping[str, int] = {
        name: int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)
    }
    failures = {_CODES[name]: count for name, count in fields.items() if name in _CODES}
    cost = Decimal(fields.get("cost", 0)) / BILLION
    return Counts(fields.get("calls", 0), fields.get("failed", 0), cost, Counter(failures))
