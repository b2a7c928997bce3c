"""Failover: what one provider could not answer goes to the next, and nothing else does."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from providers.again import soonest
from providers.errand import Bill
from providers.priority import Asker
from providers.provider import Deliver, Provider
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode

GATHER_S = 0.01
"""How long values that fail wait for company on their way to the next provider."""
ELSEWHERE = {ReasonCode.NOT_COVERED, ReasonCode.NOT_CONFIGURED}


async def fail_over(
    providers: Sequence[Provider],
    values: Sequence[str],
    deadline: float,
    deliver: Deliver,
    asker: Asker,
) -> None:
    """Ask the first of `providers`, and each next one about what is left; as `Provider.ask`.

    An answer is final, whatever it says. What is delivered for a value is what the last one said
    who was asked, billed with what all of them took.
    """
    async with asyncio.TaskGroup() as group:
        relay = _Relay(providers, deadline, deliver, asker, group)
        relay.ask(0, values)


def may_go_on(found: Found) -> bool:
    """Return whether another provider may know more."""
    return found.conclusion is Conclusion.UNDECIDED and any(
        reason.retryable or reason.code in ELSEWHERE for reason in found.reasons
    )


class Owed:
    """What was billed for values whose answer is still to come."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._bills: dict[str, list[tuple[Bill, Decimal]]] = {}

    def note(self, values: Mapping[str, object], bill: Bill) -> None:
        """Keep the calls of `bill` for whichever of `values` is answered first, the cost for all.

        `values` are those that it is about.
        """
        calls = Bill(bill.provider, bill.calls)
        for value in values:
            self._bills.setdefault(value, []).append((calls, bill.cost / len(values)))

    def settle(self, values: Mapping[str, object], bill: Bill) -> Bill:
        """Return `bill` with all that is owed for `values`, which is owed no more."""
        whole = Bill(bill.provider, bill.calls, bill.cost)
        for value in values:
            for owed, cost in self._bills.pop(value, ()):
                whole.calls += owed.calls
                whole.cost += cost
                owed.calls = 0
        return whole


class _Relay:
    """Hands values from provider to provider; every ask is a task of `group`."""

    def __init__(
        self,
        providers: Sequence[Provider],
        deadline: float,
        deliver: Deliver,
        asker: Asker,
        group: asyncio.TaskGroup,
    ) -> None:
        self._providers = providers
        self._asker = asker
        self._deadline = deadline
        self._deliver = deliver
        self._group = group
        self._owed = Owed()
        self._gathered: dict[int, list[str]] = {}
        self._failed: dict[str, list[Found]] = {}

    def ask(self, at: int, values: Sequence[str]) -> None:
        work = self._providers[at].ask(values, self._deadline, self._taker(at), self._asker)
        self._group.create_task(work)

    def _taker(self, at: int) -> Callable[[Mapping[str, Found], Bill], None]:
        def take(found: Mapping[str, Found], bill: Bill) -> None:
            going_on: dict[str, Found] = {}
            if at + 1 < len(self._providers) and self._is_in_time():
                going_on = {value: one for value, one in found.items() if may_go_on(one)}
            final = {value: one for value, one in found.items() if value not in going_on}
            if at:
                final = {
                    value: soonest(one, self._failed.pop(value, ())) for value, one in final.items()
                }
            for value, one in going_on.items():
                self._failed.setdefault(value, []).append(one)
            if final:
                self._deliver(final, self._owed.settle(final, bill))
            elif going_on:
                self._owed.note(going_on, bill)
            if going_on:
                self._gather(at + 1, going_on)

        return take

    def _is_in_time(self) -> bool:
        return asyncio.get_running_loop().time() + GATHER_S < self._deadline

    def _gather(self, at: int, values: Mapping[str, Found]) -> None:
        if at in self._gathered:
            self._gathered[at] += values
        else:
            self._gathered[at] = list(values)
            self._group.create_task(self._ask_gathered(at))

    async def _ask_gathered(self, at: int) -> None:
        await asyncio.sleep(GATHER_S)
        self.ask(at, self._gathered.pop(at))
