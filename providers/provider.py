"""Providers: our configured ways to services. Many values at once, each answered exactly once."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Protocol

from msgspec import Struct

from providers.breaker import Breaker
from providers.breakers import Breakers, Scope
from providers.carrier import carry
from providers.chunks import in_chunks, in_partitions
from providers.errand import Bill, Errand
from providers.errors import Faulted, NoPermit, ProtocolBroken, ProviderError
from providers.exchange import Account, Answer, Call, Metered, Service
from providers.permits import Permits
from providers.pool import Pool
from providers.priority import Asker, Priority, Turn
from providers.sending import Sender, ServiceTerms, State
from providers.shared_calls import SharedCalls
from providers.standing import Standing
from providers.statistics import Statistics
from providers.transport import Transport
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

HALVING_STATUSES = {400, 413, 422}
"""With these a service refuses a bulk call, be it for one of its values or for its size."""
HALVING_CALLS_MAX = 20
"""Calls that one bulk call may become in the search for the values that it is refused for."""

_NOTHING = Decimal(0)

_log = logging.getLogger(__name__)

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

    @property
    def hearing_out(self) -> int:
        """Exchanges under way with a call that may be charged and is not to be repeated."""
        ...

    def open_breakers(self) -> Sequence[tuple[Scope, Breaker]]:
        """Return its breakers that are not closed, and what each is for."""
        ...

    def stop(self) -> None:
        """Send nothing from now on: what waits or comes is at once UNDECIDED, with STOPPING."""
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


class _Order(Struct, frozen=True, gc=False):
    """What holds for all values of one partition that are asked about together."""

    partition: str
    deadline: float
    deliver: Deliver
    asker: Asker


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
        breakers: Breakers,
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
        self._bulk_permits = bulk_permits
        self._shared = SharedCalls()
        self._partition_of: Callable[[str], str] | None = getattr(service, "partition_of", None)
        self._pools: dict[tuple[str, Priority, str], Pool] = {}
        self.sender = Sender(
            account=account.name,
            terms=terms,
            fault_of=service.fault_of,
            metered=service if isinstance(service, Metered) else None,
            permits=permits,
            bulk_permits=bulk_permits,
            breakers=breakers,
            transport=transport,
            statistics=self.statistics,
            random=random,
        )

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

    @property
    def hearing_out(self) -> int:
        """Exchanges under way with a call that may be charged and is not to be repeated."""
        return self.sender.hearing_out

    def open_breakers(self) -> Sequence[tuple[Scope, Breaker]]:
        """Return its breakers that are not closed; see `Provider.open_breakers`."""
        return self.sender.open_breakers()

    def stop(self) -> None:
        """Send nothing from now on; see `Provider.stop`."""
        self.sender.stop()

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
        groups = in_partitions(values, self._partition_of)
        if len(groups) == 1:
            ((partition, group),) = groups.items()
            await self._share_out(group, _Order(partition, deadline, deliver, asker))
            return
        async with asyncio.TaskGroup() as tasks:  # each of its own: none waits for a slow one
            for partition, group in groups.items():
                order = _Order(partition, deadline, deliver, asker)
                tasks.create_task(self._share_out(group, order))

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

    async def _share_out(self, values: Sequence[str], order: _Order) -> None:
        """Carry exchanges for all `values`, in bulk where there are enough of them."""
        size = self.terms.bulk if len(values) >= self.terms.bulk_from else 1
        chunks = deque(in_chunks(values, size, self.terms.bulk_bytes))
        while len(chunks) == 1:
            chunks.extend(await self._carried(chunks.popleft(), order))
        if chunks:
            await self._work_off(chunks, order)

    async def _work_off(self, chunks: deque[Sequence[str]], order: _Order) -> None:
        """Carry the exchanges of all `chunks`, as many at once as there are places."""
        asker = order.asker
        key = order.partition, asker.priority, asker.tenant
        pool = self._pools.get(key)
        if pool is None:
            pool = Pool(self.terms.concurrency, partial(self._pools.pop, key, None))
            self._pools[key] = pool
        await pool.work_off(chunks, asker, partial(self._carried, order=order))

    async def _carried(self, values: Sequence[str], order: _Order) -> Sequence[Sequence[str]]:
        """Carry one exchange for `values` and deliver; return what is to be asked one by one."""
        bill = Bill(self.name)
        found: Mapping[str, Found]
        singly: Sequence[str] = ()
        try:
            try:
                found = await self._found(values, order, bill)
            except ProviderError as error:
                found, singly = await self._halved(values, error, order, bill)
        except Exception as error:  # noqa: BLE001 - ours, and no reason to drop paid siblings
            kind = type(error).__name__
            _log.error("exchange failed", extra={"provider": self.name, "error": kind})
            found = self._failed(values, ProviderError(kind))
        finally:
            if bill.heard_out:
                self.sender.hearing_out -= 1
        if found:
            order.deliver(found, bill)
        return [(value,) for value in singly]

    async def _halved(
        self, values: Sequence[str], error: ProviderError, order: _Order, bill: Bill
    ) -> tuple[Mapping[str, Found], Sequence[str]]:
        """Find out for which of `values` their call failed with `error`, if it was refused.

        A bulk call that is refused as a whole is halved, and its halves likewise, so that nobody's
        values fail with those of somebody else; at most `HALVING_CALLS_MAX` calls in all. Returned
        besides what was found are values to be asked one by one: bulk calls, which are counted and
        kept apart, have no room for them.
        """
        found: dict[str, Found] = {}
        singly: list[str] = []
        failed = deque([(values, error)])
        calls = 1
        while failed:
            some, why = failed.popleft()
            middle = len(some) // 2
            apart = middle > 0 and self._bulk_permits is not self.permits
            if _is_halved(why, some) and calls + 2 <= HALVING_CALLS_MAX:
                calls += 2
                for half in (some[:middle], some[middle:]):
                    try:
                        found |= await self._found(half, order, bill)
                    except ProviderError as again:
                        failed.append((half, again))
            elif apart and not why.called:
                singly += some
            else:
                found |= self._failed(some, why, innocent=_is_halved(why, some))
        return found, singly

    async def _found(self, values: Sequence[str], order: _Order, bill: Bill) -> Mapping[str, Found]:
        """Carry an exchange for `values`, and one more for those that its answer left out."""
        errand = Errand(order.deadline, bill, Turn(order.asker, values), order.partition)
        found = await self._exchange(values, errand)
        if len(found) == len(values):
            return found
        missing = [value for value in values if value not in found]
        error: ProviderError = ProtocolBroken("the answer leaves values out, twice")
        found = dict(found)
        if found:
            try:
                found.update(await self._exchange(missing, errand))
            except ProviderError as failure:
                error = failure  # what the first answer said stays true
            missing = [value for value in missing if value not in found]
        return found | self._failed(missing, error)

    async def _exchange(self, values: Sequence[str], errand: Errand) -> Mapping[str, Found]:
        """Carry one exchange for `values`.

        Raises:
            ProviderError: it failed for good.
        """
        try:
            found = await carry(self.service, values, self._account, partial(self._send, errand))
        except Faulted as error:
            if error.opens and not error.counted:  # the exchange itself has read it
                self.sender.refused(error)
            raise
        self._charge(len(found), errand.bill)
        return found

    def _send(self, errand: Errand, call: Call) -> Awaitable[Answer]:
        """Send `call`; one that is the same for all who wait for it is sent once."""
        if not call.shared:
            return self.sender.send(errand, call)
        return self._shared.send(call, errand.deadline, partial(self.sender.send, errand, call))

    def _charge(self, values: int, bill: Bill) -> None:
        cost = self.terms.price * values if self.terms.price else _NOTHING
        if cost:
            bill.cost += cost
        self.statistics.charged(values, cost)

    def _failed(
        self, values: Sequence[str], error: ProviderError, *, innocent: bool = False
    ) -> dict[str, Found]:
        """Return UNDECIDED for `values`; `innocent` ones may get an answer in other company."""
        if not values:
            return {}
        if not error.counted:
            self.statistics.failed(error.code, called=error.called)
        told = error.called or isinstance(error, NoPermit)
        if error.code is ReasonCode.STOPPING:
            told = False  # a stop says once how much it heard out
        _log.log(
            logging.WARNING if told else logging.DEBUG,
            "provider failed",
            extra={
                "provider": self.name,
                "check": self.service.CHECK,
                "reason": error.code.value,
                "detail": str(error),
                "values": len(values),
            },
        )
        retryable, retry_at = error.retryable or innocent, None
        if retryable and error.retry_after_s and isfinite(error.retry_after_s):
            retry_at = datetime.now(UTC) + timedelta(seconds=error.retry_after_s)
        return self._undecided(values, error.code, retryable=retryable, retry_at=retry_at)

    def _undecided(
        self,
        values: Sequence[str],
        code: ReasonCode,
        *,
        retryable: bool = False,
        retry_at: datetime | None = None,
    ) -> dict[str, Found]:
        reasons = (because(code, self.service.CHECK, retryable=retryable, retry_at=retry_at),)
        return dict.fromkeys(values, Found(Conclusion.UNDECIDED, reasons))


def _is_halved(error: ProviderError, values: Sequence[str]) -> bool:
    """Return whether a bulk call for `values`, refused with `error`, is tried in two halves."""
    if not isinstance(error, Faulted) or len(values) == 1:
        return False
    return error.status in HALVING_STATUSES and not error.fault.charged
