"""A desk and a judge with real parts around an provider that answers from a table."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cache.claims import Claims
from cache.freshness import Freshness, FreshnessSettings
from cache.keys import Keys
from cache.outcomes import Apart, Outcomes
from cache.recent import Recent
from gateway.valkey import Valkey
from providers.breaker import Breaker
from providers.breakers import Scope
from providers.errand import Bill
from providers.panel import Panel
from providers.priority import Asker
from providers.provider import Deliver
from providers.sending import State
from providers.statistics import Statistics
from questions.desk import Desk
from questions.terms import Terms
from questions.usage import Usage
from verdicts.evidence import MailboxState
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

TIMEOUT_S = 5.0
SECRET = b"a key for tests, of 32 bytes...."
DELIVERABLE = Found(Conclusion.CONFIRMED, evidence=MailboxState(deliverable=True))
UNREACHABLE = Found(
    Conclusion.UNDECIDED, (because(ReasonCode.PROVIDER_UNAVAILABLE, "mailbox", retryable=True),)
)


@dataclass
class TableProvider:
    """Answers from `table`, else with DELIVERABLE; notes every call; waits while `gate` is shut."""

    table: dict[str, Found] = field(default_factory=dict[str, Found])
    calls: list[list[str]] = field(default_factory=list[list[str]])
    askers: list[Asker] = field(default_factory=list[Asker])
    values_per_call: int = 100
    fault: Exception | None = None
    name: str = "table"
    service_name: str = "table"
    state: State = State.READY
    concurrency: int = 8
    price: Decimal = Decimal("0.01")
    statistics: Statistics = field(default_factory=Statistics)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    hearing_out: int = 0
    stopped: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    def open_breakers(self) -> list[tuple[Scope, Breaker]]:
        return []

    def stop(self) -> None:
        self.stopped = True

    def serves(self, value: str) -> bool:
        return not value.startswith("foreign")

    async def ask(
        self, values: Sequence[str], deadline: float, deliver: Deliver, asker: Asker
    ) -> None:
        del deadline
        self.askers.append(asker)
        for at in range(0, len(values), self.values_per_call):
            chunk = list(values[at : at + self.values_per_call])
            self.calls.append(chunk)
            await self.gate.wait()
            if self.fault is not None:
                raise self.fault
            found = {value: self.table.get(value, DELIVERABLE) for value in chunk}
            deliver(found, Bill(self.name, 1, self.price * len(chunk)))

    @property
    def asked(self) -> list[str]:
        """Every value that was asked, in order, repeats included."""
        return [value for call in self.calls for value in call]


class SlowReader:
    """A client that is in no hurry: who has `looked` gets what was seen when `gate` opens."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's, through which it reads
        self._client = client
        self.looked = asyncio.Event()
        self.gate = asyncio.Event()

    async def mget(self, *keys: bytes) -> list[bytes | None]:
        found = await self._client.mget(*keys)
        self.looked.set()
        await self.gate.wait()
        return found


NewDesk = Callable[..., Desk]


@asynccontextmanager
async def desks(url: str) -> AsyncGenerator[NewDesk]:
    """Give a maker of desks, each with a client and claims of its own as another process has."""
    async with asyncio.timeout(4 * TIMEOUT_S):
        closers: list[Desk | Claims | Valkey] = []

        def new(
            provider: TableProvider,
            apart: Callable[[Valkey], Apart | None] = lambda _: None,
            check: str = "mailbox",
            **settings: float,
        ) -> Desk:
            valkey = Valkey(url, TIMEOUT_S)
            claims = Claims(valkey)
            claims.start()
            keys = Keys(SECRET, "email", check)
            desk = Desk(
                check=check,
                panel=Panel(check, [provider], provider.values_per_call),
                recent=Recent(),
                outcomes=Outcomes(claims, apart(valkey)),
                claims=claims,
                keys=keys,
                freshness=Freshness(FreshnessSettings()),
                **settings,
            )
            closers.extend((desk, claims, valkey))
            return desk

        try:
            yield new
        finally:
            for closer in closers:
                await closer.close()


def terms(*, within_s: float = TIMEOUT_S, max_age_s: float | None = None) -> Terms:
    """Return terms with a usage of their own."""
    deadline = asyncio.get_running_loop().time() + within_s
    return Terms(deadline, max_age_s, Usage())
