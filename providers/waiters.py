"""Who waits for a permit of an account in this process: in groups, the most urgent first."""

import asyncio
from collections.abc import Iterable, Sequence
from operator import attrgetter, itemgetter
from time import monotonic
from typing import TYPE_CHECKING

from providers.errors import NoPermit
from providers.priority import Turn
from providers.trip import US, Group
from verdicts.reason import ReasonCode

if TYPE_CHECKING:
    from providers.permit import Permit

_DEADLINE = attrgetter("deadline")
_BATCH = itemgetter(0)

Waiting = tuple[str, bool, "Sequence[Waiter]"]
"""A tenant, whether for a batch, and who waits for it so: the least patient first."""


class Waiter:
    """One call that waits until `deadline` (monotonic clock); `told` ends its waiting."""

    __slots__ = ("deadline", "permit", "told", "turn")

    def __init__(self, deadline: float, turn: Turn, told: "asyncio.Future[Permit]") -> None:
        self.deadline = deadline
        self.turn = turn
        self.told = told
        self.permit: Permit | None = None

    def grant(self) -> None:
        """Hand over the permit that is its own by now."""
        if self.permit is not None and not self.told.done():
            self.told.set_result(self.permit)

    def refuse(self, why: NoPermit) -> None:
        """Tell that there is no permit."""
        if not self.told.done():
            self.told.set_exception(why)


class Waiters(dict[Waiter, None]):
    """All who wait, in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = 0
        self._stopped = False

    def add(self, waiter: Waiter) -> None:
        """Let one more wait. Raise NoPermit after `stop`."""
        if self._stopped:
            raise NoPermit(ReasonCode.STOPPING)
        self[waiter] = None

    def first(self) -> Waiter | None:
        """Return who is next for a slot: interactive before batches, then who came first."""
        batch = None
        for waiter in self:
            if waiter.told.done():
                continue
            if not waiter.turn.batch:
                return waiter
            batch = batch or waiter
        return batch

    def patient(
        self, waiter: Waiter, due: float, why: ReasonCode = ReasonCode.RATE_LIMITED
    ) -> bool:
        """Return whether `waiter` still waits and can wait until `due`; else it is refused."""
        if not waiter.told.done():
            if due <= waiter.deadline:
                return True
            waiter.refuse(NoPermit(why, due - monotonic()))
        self.pop(waiter, None)
        return False

    def refuse_all(self, why: ReasonCode) -> None:
        """Let nobody wait any more."""
        for waiter in self:
            waiter.refuse(NoPermit(why))
        self.clear()

    def stop(self) -> None:
        """Refuse who waits; nobody is to come any more."""
        self._stopped = True
        self.refuse_all(ReasonCode.STOPPING)

    def groups(self, waiters_max: int) -> list[Waiting]:
        """Return who waits: interactive before batches, another tenant first each time.

        At most `waiters_max` of a group; who has gone is forgotten.
        """
        found: dict[tuple[bool, str], list[Waiter]] = {}
        for waiter in [one for one in self if one.told.done()]:
            del self[waiter]
        for waiter in self:
            turn = waiter.turn
            key = turn.batch, turn.asker.tenant
            if key in found:
                found[key].append(waiter)
            else:
                found[key] = [waiter]
        self._turn += 1
        order = sorted(found)
        turned = [order[(at + self._turn) % len(order)] for at in range(len(order))]
        return [
            (tenant, batch, sorted(found[batch, tenant][:waiters_max], key=_DEADLINE))
            for batch, tenant in sorted(turned, key=_BATCH)
        ]


def wants(groups: Iterable[Waiting], now: float) -> list[Group]:
    """Return what `groups` want, as the script takes it."""
    return [
        Group(tenant, batch, len(waiters), max(0, round((waiters[-1].deadline - now) * US)))
        for tenant, batch, waiters in groups
    ]
