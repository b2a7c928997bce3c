"""Asks the DNS whether a domain takes mail: the one check that is not HTTP.

MX first; without any, the domain's own address takes the mail (RFC 5321, section 5.1), unless a
null MX says that it takes none (RFC 7505). Only an answer is about the domain: a nameserver that
fails, refuses or is silent leaves it UNDECIDED, and so does one that denies every name because it
has no way to the outside. One that fails whatever it is asked is left alone for a while, by the
rules of every breaker (`providers.doubt`). Reserved names are asked like all others.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Literal

from aiodns import DNSResolver
from aiodns.error import DNSError
from pycares import AAAARecordData, ARecordData, AresError, DNSRecord, MXRecordData

from providers.breaker import Breaker, Phase
from providers.breakers import Scope
from providers.doubt import Doubt
from providers.errand import Bill
from providers.errors import BreakerOpen, NoPermit
from providers.in_flight import InFlight
from providers.priority import Asker
from providers.provider import Deliver
from providers.sending import State
from providers.statistics import Statistics
from verdicts.evidence import MailHosts
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

CHECK = "domain"
TIMEOUT_S = 3.0
TRIES_MAX = 2
CONCURRENCY_MAX = 64
FRESH_MIN_S = 30.0
FRESH_MAX_S = 86_400.0
# The resolver does not show the SOA that would say how long a "no" holds (RFC 2308, section 5).
NEGATIVE_FRESH_S = 300.0
WITNESS = "com"
"""A name that whoever knows the outside knows, since 1985: who denies it denies everything."""
WITNESS_FRESH_S = 60.0

# Numbers of c-ares, part of its ABI (ares.h)
NO_DATA, NAME_NOT_FOUND, BAD_NAME, BAD_ANSWER = 1, 4, 8, 10

_DOMAIN_NOT_FOUND = Found(
    Conclusion.REFUTED, (because(ReasonCode.DOMAIN_NOT_FOUND, CHECK),), None, NEGATIVE_FRESH_S
)
_NO_MAIL_HOST = Found(
    Conclusion.REFUTED,
    (because(ReasonCode.NO_MAIL_HOST, CHECK),),
    MailHosts(),
    NEGATIVE_FRESH_S,
)
QType = Literal["MX", "A", "AAAA", "NS"]

_log = logging.getLogger(__name__)


class MailDomains:
    """The provider of the `domain` check; see `providers.provider.Provider`."""

    def __init__(
        self,
        nameservers: Sequence[str] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES_MAX,
        concurrency: int = CONCURRENCY_MAX,
        state: State = State.READY,
    ) -> None:
        """Ask `nameservers` (addresses, each with `:port` or without), or else the system's.

        `timeout_s` is for one try of one query; a domain takes up to three queries. Must be
        called in the running loop.

        Raises:
            ValueError: a nameserver is not an address.
        """
        self.name = "dns"
        self.service_name = "dns"
        self.state = state
        self.concurrency = concurrency
        self.values_per_call = 1
        self.price = Decimal(0)
        self.statistics = Statistics()
        self._slots = InFlight(concurrency)
        self._doubt = Doubt(self.name, self._answers)
        self._stopped = False
        self._repeating = asyncio.Lock()
        self._witnessing = asyncio.Lock()
        self._witnessed_until = 0.0
        self._made = partial(DNSResolver, nameservers or None, timeout=timeout_s, tries=tries)
        try:
            self._resolver = self._made()
        except AresError:
            raise ValueError(
                f"nameservers: write addresses such as 192.0.2.53, 192.0.2.53:5353 or "
                f"[2001:db8::53]:53, not {', '.join(nameservers)}"
            ) from None

    @property
    def hearing_out(self) -> int:
        """None: a query costs nothing."""
        return 0

    def open_breakers(self) -> list[tuple[Scope, Breaker]]:
        """Return its breaker, unless it is closed; see `Provider.open_breakers`."""
        breaker = self._doubt.breaker
        return [] if breaker.phase is Phase.CLOSED else [(Scope(self.name), breaker)]

    def stop(self) -> None:
        """Send nothing from now on; see `Provider.stop`."""
        self._stopped = True
        self._slots.stop()

    def serves(self, _value: str) -> bool:
        """Return that the DNS knows every domain, or knows that there is none."""
        return True

    async def ask(
        self, values: Sequence[str], deadline: float, deliver: Deliver, _asker: Asker
    ) -> None:
        """Ask about all domains in `values` until `deadline`; see `Provider.ask`."""
        waiting = deque(values)
        if len(waiting) == 1:
            await self._work(waiting, deadline, deliver)
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(waiting), self.concurrency)):
                group.create_task(self._work(waiting, deadline, deliver))

    async def close(self) -> None:
        """End all queries and close the sockets."""
        await self._doubt.close()
        await self._resolver.close()

    async def _work(self, waiting: deque[str], deadline: float, deliver: Deliver) -> None:
        while waiting:
            domain = waiting.popleft()
            bill = Bill(self.name)
            deliver({domain: await self._found(domain, deadline, bill)}, bill)

    async def _found(self, domain: str, deadline: float, bill: Bill) -> Found:
        try:
            found = await self._in_place(domain, deadline, bill)
        except (NoPermit, BreakerOpen) as error:
            return self._undecided(error.code, str(error), called=bill.calls > 0)
        except TimeoutError:
            late = ReasonCode.SOURCE_UNAVAILABLE if bill.calls else ReasonCode.DEADLINE
            return self._undecided(late, "the deadline passed", called=bill.calls > 0)
        except DNSError as error:
            code = _code(error)
            retryable = code is not ReasonCode.REJECTED_BY_PROVIDER
            return self._undecided(code, error.args[1], retryable=retryable)
        self.statistics.values += 1
        return found

    async def _in_place(self, domain: str, deadline: float, bill: Bill) -> Found:
        await self._slots.enter(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._past_doubt(domain, bill)
        finally:
            self._slots.leave()

    async def _past_doubt(self, domain: str, bill: Bill) -> Found:
        given = self._doubt.enter()
        try:
            found = await self._look(domain, bill)
        except DNSError as error:
            if (code := _code(error)) is ReasonCode.REJECTED_BY_PROVIDER:
                self._doubt.left(given)
            else:
                self._doubt.failed(given, code)
            raise
        except BaseException:
            self._doubt.left(given)
            raise
        self._doubt.answered(given)
        return found

    async def _look(self, domain: str, bill: Bill) -> Found:
        """Return what the DNS says of `domain`; DNSError when it says nothing."""
        try:
            mail = await self._query(domain, "MX", bill)
            hosts = [record.data for record in mail if isinstance(record.data, MXRecordData)]
            if hosts:
                return _hosted(hosts, _fresh_for_s(mail))
            return await self._addressed(domain, bill)
        except DNSError as error:
            if error.args[0] != NAME_NOT_FOUND:
                raise
        await self._witness()
        return _DOMAIN_NOT_FOUND

    async def _witness(self) -> None:
        """Return when the nameserver knows `WITNESS`; DNSError when its "no" means nothing."""
        loop = asyncio.get_running_loop()
        async with self._witnessing:
            if loop.time() < self._witnessed_until:
                return
            await self._ask_witness()
            self._witnessed_until = loop.time() + WITNESS_FRESH_S

    async def _answers(self) -> bool:
        """Return whether the nameserver says anything of `WITNESS` now, be it that it has none."""
        try:
            await self._ask_witness()
        except DNSError as error:
            return error.args[0] == NAME_NOT_FOUND
        except NoPermit:
            return False
        return True

    async def _ask_witness(self) -> None:
        """Return when the nameserver knows `WITNESS` now; DNSError when it does not.

        By a resolver of its own, that has no answer of before in its cache: c-ares keeps them for
        up to an hour.
        """
        resolver = self._made()
        try:
            await self._send(WITNESS, "NS", Bill(self.name), resolver)
        finally:
            await resolver.close()

    async def _addressed(self, domain: str, bill: Bill) -> Found:
        """Return whether `domain`, which has no MX, has an address of its own."""
        types: tuple[QType, ...] = ("A", "AAAA")
        for qtype in types:
            found = await self._query(domain, qtype, bill)
            if any(isinstance(record.data, ARecordData | AAAARecordData) for record in found):
                fresh_for_s = min(_fresh_for_s(found), NEGATIVE_FRESH_S)  # an MX may come
                return Found(Conclusion.CONFIRMED, (), MailHosts(implicit=True), fresh_for_s)
        return _NO_MAIL_HOST

    async def _query(self, domain: str, qtype: QType, bill: Bill) -> list[DNSRecord]:
        """Return the records of one answer, none when `domain` has none of this type."""
        try:
            return await self._send(domain, qtype, bill)
        except DNSError as error:
            if error.args[0] != BAD_ANSWER:
                raise
        # the resolver drops all queries of a socket on which one nonsensical answer came
        async with self._repeating:
            return await self._send(domain, qtype, bill)

    async def _send(
        self, domain: str, qtype: QType, bill: Bill, resolver: DNSResolver | None = None
    ) -> list[DNSRecord]:
        if self._stopped:
            raise NoPermit(ReasonCode.STOPPING)
        started = asyncio.get_running_loop().time()
        statistics = self.statistics
        bill.calls += 1
        statistics.begun()
        try:
            return (await (resolver or self._resolver).query_dns(domain, qtype)).answer
        except DNSError as error:
            if error.args[0] == NO_DATA:
                return []
            raise
        finally:
            statistics.in_flight -= 1
            statistics.answered(asyncio.get_running_loop().time() - started)

    def _undecided(
        self, code: ReasonCode, detail: str, *, retryable: bool = True, called: bool = True
    ) -> Found:
        self.statistics.failed(code, called=called)
        _log.log(
            logging.WARNING if called or code is ReasonCode.DEADLINE else logging.DEBUG,
            "provider failed",
            extra={
                "provider": self.name,
                "check": CHECK,
                "reason": code.value,
                "detail": detail,
                "values": 1,
            },
        )
        return Found(Conclusion.UNDECIDED, (because(code, CHECK, retryable=retryable),))


def _code(error: DNSError) -> ReasonCode:
    """Return the reason that a query's failure is."""
    number = error.args[0]
    if number == BAD_NAME:
        return ReasonCode.REJECTED_BY_PROVIDER
    return ReasonCode.PROVIDER_PROTOCOL if number == BAD_ANSWER else ReasonCode.SOURCE_UNAVAILABLE


def _hosted(hosts: Sequence[MXRecordData], fresh_for_s: float) -> Found:
    ranked = sorted((host.priority, host.exchange.lower()) for host in hosts)
    mx = tuple(exchange for _, exchange in ranked if exchange)
    if not mx:  # the host "." alone: RFC 7505, section 3
        return _NO_MAIL_HOST
    return Found(Conclusion.CONFIRMED, (), MailHosts(mx), fresh_for_s)


def _fresh_for_s(records: Sequence[DNSRecord]) -> float:
    """Return the shortest time to live of `records`, within our bounds."""
    return min(max(FRESH_MIN_S, float(min(record.ttl for record in records))), FRESH_MAX_S)
