"""Asks a provider, and gathers what it delivers."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from providers.errand import Bill
from providers.priority import Asker
from providers.provider import Provider
from verdicts.outcome import Found

DEADLINE_S = 10.0


class Asked(Struct):
    """What came of an ask."""

    found: dict[str, Found]
    calls: int
    cost: Decimal
    took_s: float

    def codes(self, value: str) -> list[str]:
        return [reason.code.value for reason in self.found[value].reasons]

    def conclusions(self) -> dict[str, str]:
        return {value: found.conclusion.value for value, found in self.found.items()}


async def asked(
    provider: Provider,
    values: Sequence[str],
    deadline_s: float = DEADLINE_S,
    asker: Asker | None = None,
) -> Asked:
    """Ask about `values` and return all that was delivered, each value exactly once."""
    loop = asyncio.get_running_loop()
    delivered: dict[str, Found] = {}
    bills: list[Bill] = []

    def deliver(found: Mapping[str, Found], bill: Bill) -> None:
        assert not delivered.keys() & found.keys()
        delivered.update(found)
        bills.append(bill)

    started = loop.time()
    await provider.ask(values, started + deadline_s, deliver, asker or Asker())
    took_s = loop.time() - started
    assert delivered.keys() == set(values)
    cost = sum((bill.cost for bill in bills), Decimal(0))
    return Asked(delivered, sum(bill.calls for bill in bills), cost, took_s)
