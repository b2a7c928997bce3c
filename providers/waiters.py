"""Who waits for a permit of an account in this process: in groups, the most urgent first."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
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


class Waiters:
    """All who wait, in the order in which they came."""

    def __init__(self) -> None:
        self._all: dict[Waiter, None] = {}
        self._turn = 0
        self._stopped = False

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(list(self._all))

    def add(self, waiter: Waiter) -> None:
        """Let one more wait; after `stop` it is refused."""
        if self._stopped:
            waiter.refuse(NoPermit(ReasonCode.STOPPING))
            return
        self._all[waiter] = None

    def discard(self, waiter: Waiter) -> None:
        """Let `waiter` wait no more."""
        self._all.pop(waiter, None)

    def refuse_all(self, code: ReasonCode) -> None:
        """Tell all who wait that there is no permit, because of `code`."""
        waiting, self._all = self._all, {}
        for waiter in waiting:
            waiter.refuse(NoPermit(code))

    def stop(self) -> None:
        """Refuse who waits, and who comes."""
        self._stopped = True
        self.refuse_all(ReasonCode.STOPPING)

    def groups(self, waiters_max: int) -> list[Waiting]:
        """Return who waits: interactive before batches, another tenant first each time.

        At most `waiters_max` of a group; who has gone is forgotten.
        """
        found: dict[tuple[bool, str], list[Waiter]] = {}
        for waiter in [one for one in self._all if one.told.done()]:
            del self._all[waiter]
        for waiter in self._all:
            found.setdefault((waiter.turn.batch, waiter.turn.asker.tenant), []).append(waiter)
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
