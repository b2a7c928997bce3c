"""Providers: our configured ways to services. Permit, call, retry; many values at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Protocol

from msgspec import Struct

from providers.backoff import RETRY_AFTER_MAX_S, full_jitter, retry_after_s
from providers.carrier import carry
from providers.errors import Fault, Faulted, NoPermit, ProtocolBroken, ProviderError
from providers.exchange import Account, Answer, Call, Metered, Service
from providers.permits import Permits
from providers.priority import Asker, Turn
from providers.standing import Standing
from providers.statistics import Statistics
from providers.told import told
from providers.transport import Transport
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

BULK_PATIENCE_S = 0.5
"""How long values wait for a bulk call of a limit of its own, before they go one by one."""
PAUSE_WITHOUT_WORD_S = 1.0
"""For everybody, after an answer that says "too many" and not for how long."""

_log = logging.getLogger(__name__)


class State(Enum):
    """Whether a provider can be asked."""

    READY = "READY"
    SANDBOX = "SANDBOX"
    NOT_CONFIGURED = "NOT_CONFIGURED"


class Bill(Struct):
    """What answering some values took of `provider`: calls made, and their cost."""

    provider: str
    calls: int = 0
    cost: Decimal = Decimal(0)


Deliver = Callable[[Mapping[str, Found], Bill], None]


class Provider(Protocol):
    """Our way to whoever answers the questions of one check: a service, or the DNS."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def service_name(self) -> str:
        """The service that it speaks."""
        ...

    @property
    def state(self) -> State:
        """Whether it can be asked."""
        ...

    @property
    def concurrency(self) -> int:
        """Calls in flight at most."""
        ...

    @property
    def values_per_call(self) -> int:
        """Values in one call at most."""
        ...

    @property
    def price(self) -> Decimal:
        """What one answered value costs."""
        ...

    @property
    def statistics(self) -> Statistics:
        """What it did so far in this process."""
        ...

    def serves(self, value: str, /) -> bool:
        """Return whether `value` is one that this provider knows of."""
        ...

    async def ask(
        self, values: Sequence[str], deadline: float, deliver: Deliver, asker: Asker, /
    ) -> None:
        """Ask about all `values` until `deadline` (loop clock), handing in what is found at once.

        `asker` says for whom, and how urgently. Every value is delivered exactly once; a failure
        is delivered as UNDECIDED.
        """
        ...


class ServiceTerms(Struct, frozen=True):
    """How a provider is to be used: addresses, bounds, patience, price for each value."""

    base_url: str
    bulk_base_url: str
    concurrency: int
    timeout_s: float
    attempts: int
    bulk: int
    bulk_from: int
    price: Decimal
    state: State


class ServiceProvider:
    """One account with one service."""

    def __init__(  # noqa: PLR0913 - the composition root hands in each part by name
        self,
        *,
        name: str,
        service: Service,
        terms: ServiceTerms,
        account: Account,
        permits: Permits,
        bulk_permits: Permits,
        transport: Transport,
        random: Callable[[], float],
    ) -> None:
        """Put the parts together; nothing is opened here."""
        self.name = name
        self.service = service
        self.terms = terms
        self.permits = permits
        self.statistics = Statistics()
        self._account = account
        self._metered = service if isinstance(service, Metered) else None
        self._bulk_permits = bulk_permits
        self._transport = transport
        self._random = random

    @property
    def service_name(self) -> str:
        """The service that it speaks."""
        return self.service.NAME

    @property
    def state(self) -> State:
        """Whether it can be asked, and whether the sandbox answers."""
        return self.terms.state

    @property
    def concurrency(self) -> int:
        """Calls in flight at most."""
        return self.terms.concurrency

    @property
    def values_per_call(self) -> int:
        """Values in one call at most."""
        return self.terms.bulk

    @property
    def price(self) -> Decimal:
        """What one answered value costs."""
        return self.terms.price

    def serves(self, value: str) -> bool:
        """Return whether the service knows anything of `value`."""
        return self.service.serves(value)

    async def ask(
        self, values: Sequence[str], deadline: float, deliver: Deliver, asker: Asker
    ) -> None:
        """Ask about all `values` until `deadline`; see `Provider.ask`."""
        if self.terms.state is State.NOT_CONFIGURED:
            deliver(self._undecided(values, ReasonCode.NOT_CONFIGURED), Bill(self.name))
            return
        size = self.terms.bulk if len(values) >= self.terms.bulk_from else 1
        await self._share_out(values, size, deadline, deliver, asker)

    async def standing(self) -> tuple[Standing, Standing | None]:
        """Return where its account stands; and its bulk calls, where they are limited apart.

        Raises:
            OSError: the shared store is away.
        """
        standing = await self.permits.standing()
        if self._bulk_permits is self.permits:
            return standing, None
        return standing, await self._bulk_permits.standing()

    async def close(self) -> None:
        """Refuse whoever waits for a permit."""
        await self.permits.close()
        if self._bulk_permits is not self.permits:
            await self._bulk_permits.close()

    async def _share_out(
        self,
        values: Sequence[str],
        size: int,
        deadline: float,
        deliver: Deliver,
        asker: Asker,
    ) -> None:
        """Carry exchanges for `size` of `values` each, as many at once as there are slots."""
        chunks = deque(values[at : at + size] for at in range(0, len(values), size))
        workers = min(len(chunks), self.terms.concurrency)
        if workers == 1:
            await self._work(chunks, deadline, deliver, asker)
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(chunks, deadline, deliver, asker))

    async def _work(
        self, chunks: deque[Sequence[str]], deadline: float, deliver: Deliver, asker: Asker
    ) -> None:
        while chunks:
            values = asker.next_of(chunks)
            bill = Bill(self.name)
            try:
                found = await self._found(values, deadline, bill, asker)
            except NoPermit as error:
                if len(values) > 1 and self._bulk_permits is not self.permits:
                    # bulk calls are counted apart and there are none left: single ones may be
                    await self._share_out(values, 1, deadline, deliver, asker)
                    continue
                found = self._failed(values, error)
            except ProviderError as error:
                found = self._failed(values, error)
            except Exception as error:  # noqa: BLE001 - ours, and no reason to drop paid siblings
                kind = type(error).__name__
                _log.error("exchange failed", extra={"provider": self.name, "error": kind})
                found = self._failed(values, ProviderError(kind))
            deliver(found, bill)

    async def _found(
        self, values: Sequence[str], deadline: float, bill: Bill, asker: Asker
    ) -> Mapping[str, Found]:
        """Carry an exchange for `values`, and one more for those that its answer left out."""

        async def send(call: Call) -> Answer:
            return await self._send(call, deadline, bill, Turn(asker, values))

        found = dict(await carry(self.service, values, self._account, send))
        self._charge(len(found), bill)
        missing = [value for value in values if value not in found]
        if not missing:
            return found
        error: ProviderError = ProtocolBroken("the answer leaves values out, twice")
        if found:
            try:
                again = await carry(self.service, missing, self._account, send)
            except ProviderError as failure:
                error = failure  # what the first answer said stays true
            else:
                self._charge(len(again), bill)
                found.update(again)
                missing = [value for value in missing if value not in found]
        return found | self._failed(missing, error)

    async def _send(self, call: Call, deadline: float, bill: Bill, turn: Turn) -> Answer:
        """Send one call: slot and permit, transport; again after a failure that allows it."""
        loop = asyncio.get_running_loop()
        for attempt in range(1, self.terms.attempts + 1):
            try:
                return await self._attempt(call, deadline, bill, turn)
            except ProviderError as error:
                repeatable = error.again and (call.safe or not error.sent)
                wait_s = full_jitter(attempt, self._random)
                if (
                    not repeatable
                    or attempt == self.terms.attempts
                    or loop.time() + wait_s >= deadline
                ):
                    raise
                self.statistics.failed(error.code)
                await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, call: Call, deadline: float, bill: Bill, turn: Turn) -> Answer:
        loop = asyncio.get_running_loop()
        permits = self._bulk_permits if call.bulk else self.permits
        patience = deadline
        if call.bulk and permits is not self.permits:
            patience = min(deadline, loop.time() + BULK_PATIENCE_S)
        permit = await permits.take(patience, turn)
        try:
            started = loop.time()
            left_s = deadline - started
            if left_s <= 0:
                raise NoPermit(ReasonCode.DEADLINE)
            timeout_s = self.terms.timeout_s
            if call.safe:  # one that may be charged is heard out: its answer has been paid for
                timeout_s = min(timeout_s, left_s)
            bill.calls += 1
            statistics = self.statistics
            statistics.calls += 1
            statistics.in_flight += 1
            try:
                base = self.terms.bulk_base_url if call.bulk else self.terms.base_url
                answer = await self._transport.send(call.base_url or base, call, timeout_s)
            finally:
                statistics.in_flight -= 1
            statistics.answered(loop.time() - started)
        finally:
            permit.end()
        if (left := told(answer.headers)) is not None:
            await permits.hear(left)
        fault = self.service.fault_of(answer)
        if fault is None:
            if self._metered is not None and (rest_s := self._metered.exhausted_for_s(answer)):
                await permits.pause(min(rest_s, RETRY_AFTER_MAX_S), ReasonCode.QUOTA_EXHAUSTED)
            return answer
        await self._heed(fault, answer, permits)
        raise Faulted(fault, answer.status)

    async def _heed(self, fault: Fault, answer: Answer, permits: Permits) -> None:
        """Leave the account alone for as long as the answer says, or else the fault."""
        pause_s = retry_after_s(answer.headers.get("retry-after"), answer.headers.get("date"))
        if pause_s is None:
            pause_s = fault.pause_s
        if pause_s is None and fault.code is ReasonCode.RATE_LIMITED:
            pause_s = PAUSE_WITHOUT_WORD_S
        if pause_s:
            too_much = fault.code is ReasonCode.RATE_LIMITED
            await permits.pause(pause_s, fault.code, too_much=too_much)

    def _charge(self, values: int, bill: Bill) -> None:
        cost = self.terms.price * values
        bill.cost += cost
        self.statistics.cost += cost
        self.statistics.values += values

    def _failed(self, values: Sequence[str], error: ProviderError) -> dict[str, Found]:
        if not values:
            return {}
        self.statistics.failed(error.code, called=not isinstance(error, NoPermit))
        _log.warning(
            "provider failed",
            extra={
                "provider": self.name,
                "check": self.service.CHECK,
                "reason": error.code.value,
                "detail": str(error),
                "values": len(values),
            },
        )
        return self._undecided(values, error.code, retryable=error.retryable)

    def _undecided(
        self, values: Sequence[str], code: ReasonCode, *, retryable: bool = False
    ) -> dict[str, Found]:
        reasons = (because(code, self.service.CHECK, retryable=retryable),)
        return dict.fromkeys(values, Found(Conclusion.UNDECIDED, reasons))
