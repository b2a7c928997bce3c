"""Sends the calls of one account: breaker, place, permit, transport; and again where that helps.

This is the one place that repeats a call. It does so within the deadline, the attempts and the
retry tokens, with a permit for each time, and never where the first may have been charged.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from functools import partial

from msgspec import Struct

from providers.admission import Admission, Way, told_at_last, way_of
from providers.backoff import RETRY_AFTER_MAX_S, full_jitter, retry_after_s
from providers.breaker import Breaker, Phase
from providers.breakers import Breakers, Scope
from providers.errand import Errand
from providers.errors import (
    BreakerOpen,
    Fault,
    Faulted,
    NoPermit,
    ProtocolBroken,
    ProviderError,
    TimedOut,
)
from providers.exchange import Answer, Call, Metered
from providers.in_flight import InFlight, make_room
from providers.permit import HORIZON_S, Permit
from providers.permits import Permits
from providers.retry_tokens import RetryTokens
from providers.statistics import Statistics
from providers.told import told
from providers.transport import Transport
from verdicts.reason import ReasonCode

BULK_PATIENCE_S = 0.5
"""How long values wait for a bulk call of a limit of its own, before they go one by one."""
PAUSE_WITHOUT_WORD_S = 1.0
"""For everybody, after an answer that says "too many" and not for how long."""
IN_PLACE_S = 2 * HORIZON_S
"""How long a batch's call waits for its permit in a place, where there are few of them."""
OUT_OF_PLACE_MIN_S = 0.02
"""Before it waits for a place again."""
FAIR_S = 1.0
"""Who was given less, because the deadline was near, was not too slow."""
PROBE_S = 5.0
"""A probe's whole time: it is to find out soon, not to be patient."""


class State(Enum):
    """Whether a provider can be asked."""

    READY = "READY"
    SANDBOX = "SANDBOX"
    NOT_CONFIGURED = "NOT_CONFIGURED"


class ServiceTerms(Struct, frozen=True):
    """How a provider is to be used: addresses, bounds, patience, price for each value.

    `bulk` and `bulk_bytes` bound the values of one call, in number and in bytes.
    """

    base_url: str
    bulk_base_url: str
    concurrency: int
    timeout_s: float
    attempts: int
    bulk: int
    bulk_bytes: int
    bulk_from: int
    price: Decimal
    state: State


class Sender:
    """Sends for one account."""

    def __init__(  # noqa: PLR0913 - the composition root hands in each part by name
        self,
        *,
        account: str,
        terms: ServiceTerms,
        fault_of: Callable[[Answer], Fault | None],
        metered: Metered | None,
        permits: Permits,
        bulk_permits: Permits,
        breakers: Breakers,
        transport: Transport,
        statistics: Statistics,
        random: Callable[[], float],
    ) -> None:
        """Put the parts together; nothing is opened here."""
        self.account = account
        self.terms = terms
        self.permits = permits
        self.bulk_permits = bulk_permits
        self.breakers = breakers
        self.tokens = RetryTokens()
        self.in_flight = InFlight(terms.concurrency)
        self._places = (self.in_flight,)
        self._in_partition: dict[str, InFlight] = {}
        self._ways: dict[tuple[bool, str], Way] = {}
        self._fault_of = fault_of
        self._metered = metered
        self._transport = transport
        self._statistics = statistics
        self._random = random
        self._stopped = asyncio.Event()
        self.hearing_out = 0
        """Bills under way that are `heard_out`; who settles one takes it back."""

    async def send(self, errand: Errand, call: Call) -> Answer:
        """Return the answer to `call`, in the time of its `errand`; again after a failure.

        Raises:
            ProviderError: it failed for good, or was not sent.
        """
        attempt = 1
        failed: ProviderError | None = None
        way, time = self._way_of(call.bulk, errand.partition), asyncio.get_running_loop().time
        while True:
            admission = Admission.at_once(way, time)
            if admission is None:
                try:
                    admission = await Admission.past(way, self.breakers, time)
                except BreakerOpen as error:
                    raise told_at_last(error, failed, way, time()) from None
            try:
                answer = await self._in_place(call, errand, admission)
            except ProviderError as error:
                self._learn(error, admission)
                wait_s = full_jitter(attempt, self._random)
                if not self._may_repeat(call, errand, error, attempt, wait_s):
                    raise told_at_last(error, failed, way, time()) from None
                failed = error
            except BaseException:
                admission.left()
                raise
            else:
                admission.answered()
                if admission.probe:
                    self._accepted()
                self.tokens.earn()
                return answer
            await self._rest(wait_s)
            if self._stopped.is_set():
                raise failed
            attempt += 1

    def _learn(self, error: ProviderError, admission: Admission) -> None:
        """Let the breakers and the figures hear how a call failed."""
        admission.failed(error)
        if isinstance(error, Faulted) and error.opens:
            self.refused(error)
        if error.called:
            error.counted = True
            self._statistics.failed(error.code)

    def _may_repeat(
        self, call: Call, errand: Errand, error: ProviderError, attempt: int, wait_s: float
    ) -> bool:
        """Return whether `call`, which failed with `error`, is sent again in `wait_s`."""
        return (
            error.again
            and (call.safe or not error.sent)
            and attempt < self.terms.attempts
            and not self._stopped.is_set()
            and asyncio.get_running_loop().time() + wait_s < errand.deadline
            and not any(breaker.resting for _, breaker in self._way_of(call.bulk, errand.partition))
            and self.tokens.spend(error.code)
        )

    def stop(self) -> None:
        """Send nothing from now on: whoever waits or comes is refused, with STOPPING."""
        self._stopped.set()
        for places in (self.in_flight, *self._in_partition.values()):
            places.stop()
        for permits in {self.permits, self.bulk_permits}:
            permits.stop()

    async def _rest(self, seconds: float) -> None:
        """Return after so many seconds, or when nothing more is to be sent."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def refused(self, error: Faulted) -> None:
        """Open the breakers of the account, whose single and bulk calls are refused alike."""
        now = asyncio.get_running_loop().time()
        for breaker in self._both():
            breaker.trip(None, now, error.code, error.fault.pause_s or 0.0)

    def _accepted(self) -> None:
        """Close the breakers of the account that a refusal opened: a probe was answered."""
        for breaker in self._both():
            if breaker.resting is not None and breaker.resting.refused:
                breaker.close()

    def _both(self) -> list[Breaker]:
        """Return the breakers of the account's single calls and, if there are any, bulk calls."""
        capabilities = (False, True) if self.terms.bulk > 1 else (False,)
        return [self.breakers.of(Scope(self.account, bulk)) for bulk in capabilities]

    def limit_of(self, partition: str) -> InFlight:
        """Return the places of `partition`, besides those of the whole account."""
        places = self._in_partition.get(partition)
        if places is None:
            places = self._in_partition[partition] = InFlight(self.terms.concurrency)
        return places

    def open_breakers(self) -> list[tuple[Scope, Breaker]]:
        """Return the breakers of the account that are not closed, and what each is for."""
        mine = self.breakers.of_account(self.account).items()
        return [(scope, one) for scope, one in mine if one.phase is not Phase.CLOSED]

    def _way_of(self, bulk: bool, partition: str) -> Way:  # noqa: FBT001 - the parts of a key
        key = bulk, partition
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = way_of(Scope(self.account, *key), self.breakers)
        return way

    async def _in_place(self, call: Call, errand: Errand, admission: Admission) -> Answer:
        """Send in a place of the account, and of the partition where there is one.

        A place is waited for where there are few of them, and before the permit, which must not
        get old; else after it, so that who waits for a permit is in nobody's way.
        """
        places = self._places
        if errand.partition:
            places = (self.limit_of(errand.partition), self.in_flight)
        permits = self.bulk_permits if call.bulk else self.permits
        taken: list[InFlight] = []
        try:
            patience = partial(self._patience, call, errand, admission)
            permit = await self._permit(permits, errand, patience, taken, places)
            for place in places:
                if place not in taken:
                    place.occupy()
                    taken.append(place)
            began = asyncio.get_running_loop().time()
            try:
                answer = await self._with(permit, call, errand, admission)
                await self._heard(answer, permits)
            except (Faulted, TimedOut) as error:
                make_room(error, began, asyncio.get_running_loop().time(), places)
                raise
            for place in places:
                place.clean()
            return answer
        finally:
            for place in taken:
                place.leave()

    async def _permit(
        self,
        permits: Permits,
        errand: Errand,
        patience: Callable[[], float],
        taken: list[InFlight],
        places: tuple[InFlight, ...],
    ) -> Permit:
        """Return a permit, and have those of `places` in `taken` that are waited for.

        A batch does not wait in them for long: interactive calls wait behind it.
        """
        turn, time = errand.turn, asyncio.get_running_loop().time
        until = 0.0
        while True:
            for place in places:
                if place.cut:
                    await place.enter(errand.deadline, batch=turn.batch)
                    taken.append(place)
            if (permit := permits.ready(turn)) is not None:
                return permit
            until = until or patience()  # from when there was a place
            patient = min(until, time() + IN_PLACE_S) if taken and turn.batch else until
            try:
                return await permits.take(patient, turn)
            except NoPermit as error:
                wait_s = error.retry_after_s
                if patient >= until or wait_s is None or time() + wait_s > until:
                    raise
            while taken:
                taken.pop().leave()
            await self._rest(max(OUT_OF_PLACE_MIN_S, wait_s - IN_PLACE_S))

    def _patience(self, call: Call, errand: Errand, admission: Admission) -> float:
        """Return until when (loop clock) a permit is waited for."""
        if admission.probe:
            return min(errand.deadline, asyncio.get_running_loop().time() + PROBE_S)
        if call.bulk and self.bulk_permits is not self.permits:
            return min(errand.deadline, asyncio.get_running_loop().time() + BULK_PATIENCE_S)
        return errand.deadline

    async def _with(
        self, permit: Permit, call: Call, errand: Errand, admission: Admission
    ) -> Answer:
        """Send with `permit`, which goes back unused when nothing is sent."""
        statistics, time = self._statistics, asyncio.get_running_loop().time
        started = time()
        try:
            admission.check()
            if self._stopped.is_set():
                raise NoPermit(ReasonCode.STOPPING)
            timeout_s = self._timeout_s(call, errand.deadline - started, probe=admission.probe)
        except BaseException:
            permit.unused()
            raise
        if not call.safe and not errand.bill.heard_out:
            errand.bill.heard_out = True
            self.hearing_out += 1
        errand.bill.calls += 1
        statistics.begun()
        try:
            base = self.terms.bulk_base_url if call.bulk else self.terms.base_url
            answer = await self._transport.send(call.base_url or base, call, timeout_s)
        except TimedOut as error:
            error.tells = timeout_s >= min(self.terms.timeout_s, FAIR_S)
            raise
        finally:
            permit.end()
            statistics.in_flight -= 1
        statistics.answered(time() - started)
        return answer

    def _timeout_s(self, call: Call, left_s: float, *, probe: bool) -> float:
        """Return how long `call` is awaited, of which `left_s` are left.

        Raises:
            NoPermit: nothing is left.
        """
        if left_s <= 0:
            raise NoPermit(ReasonCode.DEADLINE)
        timeout_s = self.terms.timeout_s
        if call.safe:  # one that may be charged is heard out: its answer has been paid for
            timeout_s = min(timeout_s, left_s, PROBE_S if probe else timeout_s)
        return timeout_s

    async def _heard(self, answer: Answer, permits: Permits) -> None:
        """Take note of what `answer` says of the account.

        Raises:
            Faulted, ProtocolBroken: it says nothing of the values.
        """
        if (left := told(answer.headers)) is not None:
            await permits.hear(left)
        fault = self._fault_of(answer)
        if fault is not None:
            raise Faulted(fault, answer.status, await self._heed(fault, answer, permits))
        if _is_page(answer):
            raise ProtocolBroken("a page for people, where an answer was due")
        if self._metered is not None and (rest_s := self._metered.exhausted_for_s(answer)):
            await permits.pause(min(rest_s, RETRY_AFTER_MAX_S), ReasonCode.QUOTA_EXHAUSTED)

    async def _heed(self, fault: Fault, answer: Answer, permits: Permits) -> float | None:
        """Leave the account alone for as long as the answer says, or else the fault; return it."""
        pause_s = retry_after_s(answer.headers.get("retry-after"), answer.headers.get("date"))
        if pause_s is None:
            pause_s = fault.pause_s
        if pause_s is None and fault.code is ReasonCode.RATE_LIMITED:
            pause_s = PAUSE_WITHOUT_WORD_S
        if pause_s:
            too_much = fault.code is ReasonCode.RATE_LIMITED
            await permits.pause(pause_s, fault.code, too_much=too_much)
        return pause_s


def _is_page(answer: Answer) -> bool:
    """Return whether `answer` is what a proxy, or a service that is down, shows to a browser."""
    return answer.headers.get("content-type", "").startswith("text/html")
