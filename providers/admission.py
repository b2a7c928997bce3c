"""The way of one call through its breakers, and what its end tells them.

A call passes the breaker of its account and capability and, where the service knows partitions of
its values (a member state, say), that of its partition. A source that fails behind a service which
answers is the partition's fault alone.
"""

from collections.abc import Callable
from typing import Self, TypeAlias

from providers.breaker import REST_MIN_S, Breaker, Pass, Resting
from providers.breakers import Breakers, Scope
from providers.errors import BreakerOpen, Faulted, ProviderError, TimedOut
from verdicts.reason import ReasonCode

WELL = {
    ReasonCode.RATE_LIMITED,
    ReasonCode.QUOTA_EXHAUSTED,
    ReasonCode.REJECTED_BY_PROVIDER,
}
"""What a service says that is well: it answered, if only to say no."""


Way: TypeAlias = tuple[tuple[Scope, Breaker], ...]
"""The breakers that a call passes, each with what it is for: the account's, the partition's."""


_Passed: TypeAlias = tuple[Breaker, Pass]


def way_of(scope: Scope, breakers: Breakers) -> Way:
    """Return the way of a call within `scope`."""
    whole = Scope(scope.account, scope.bulk)
    scopes = (whole, scope) if scope.partition else (whole,)
    return tuple((one, breakers.of(one)) for one in scopes)


class Admission:
    """What lets one call pass; ended by exactly one of `answered`, `failed` and `left`."""

    __slots__ = ("_passed", "_time", "probe")

    def __init__(self, time: Callable[[], float]) -> None:
        """Hold nothing yet; `time` is the loop's clock."""
        self.probe = False
        self._passed: list[_Passed] = []
        self._time = time

    @classmethod
    def at_once(cls, way: Way, time: Callable[[], float]) -> Self | None:
        """Return the admission of a call where all breakers on its `way` are closed, else None."""
        admission = cls(time)
        for _, breaker in way:
            given = breaker.free_pass
            if given is None:
                return None  # those of closed ones need not be given back
            admission._passed.append((breaker, given))
        return admission

    @classmethod
    async def past(cls, way: Way, breakers: Breakers, time: Callable[[], float]) -> Self:
        """Return the admission of a call that takes this `way`.

        Raises:
            BreakerOpen: a breaker is open.
        """
        admission = cls(time)
        for scope, breaker in way:
            given = breaker.enter(time())
            if isinstance(given, Resting):
                admission.left()
                raise BreakerOpen(given.why, max(0.0, given.until - time()))
            admission._passed.append((breaker, given))
            if given.probe:
                admission.probe = True
                await admission._claim_probe(scope, breaker, breakers)
        return admission

    async def _claim_probe(self, scope: Scope, breaker: Breaker, breakers: Breakers) -> None:
        try:
            ours = await breakers.may_probe(scope)
        except BaseException:
            self.left()
            raise
        if not ours:
            resting = breaker.resting
            self.left(REST_MIN_S)
            raise BreakerOpen(
                resting.why if resting else ReasonCode.PROVIDER_UNAVAILABLE, REST_MIN_S
            )

    def check(self) -> None:
        """Return when the call may still be sent; it may have waited for long.

        Raises:
            BreakerOpen: a breaker has opened meanwhile.
        """
        for breaker, given in self._passed:
            if breaker.holds(given):
                continue
            resting = breaker.resting
            if resting is not None:
                raise BreakerOpen(resting.why, max(0.0, resting.until - self._time()))

    def answered(self) -> None:
        """Say that the service answered."""
        now = self._time()
        for breaker, given in self._passed:
            breaker.succeeded(given, now)

    def left(self, rest_s: float = 0.0) -> None:
        """Say that nothing was learnt; who wants to probe next rests for `rest_s` first."""
        now = self._time()
        for breaker, given in self._passed:
            breaker.left(given, now + rest_s)

    def failed(self, error: ProviderError) -> None:
        """Say how the call failed."""
        if not error.tells:
            self.left()
        elif error.code in WELL:
            self.answered()
        elif error.opens:
            self._tripped(error)
        elif len(self._passed) > 1 and error.code is ReasonCode.SOURCE_UNAVAILABLE:
            self._partition_failed(error.code, answered=True)
        elif len(self._passed) > 1 and isinstance(error, TimedOut):
            self._partition_failed(error.code, answered=False)
        else:
            now = self._time()
            (whole, given), *parts = self._passed
            whole.failed(given, now, error.code)
            for part, part_given in parts:
                part.left(part_given, now)

    def _tripped(self, error: ProviderError) -> None:
        now = self._time()
        for_s = (error.fault.pause_s or 0.0) if isinstance(error, Faulted) else 0.0
        (whole, given), *parts = self._passed
        whole.trip(given, now, error.code, for_s)
        for part, part_given in parts:
            part.left(part_given, now)

    def _partition_failed(self, why: ReasonCode, *, answered: bool) -> None:
        now = self._time()
        (whole, given), (part, part_given) = self._passed
        part.failed(part_given, now, why)
        if answered:
            whole.succeeded(given, now)
        elif given.probe:
            whole.failed(given, now, why)


def told_at_last(
    error: ProviderError, failed: ProviderError | None, way: Way, now: float
) -> ProviderError:
    """Return what is told of a call that ends with `error`, and before that `failed`.

    It says when a breaker on its way lets calls pass again.
    """
    if isinstance(error, BreakerOpen):
        if failed is None:
            return error
        failed.rests(error.retry_after_s)  # the failure itself says more
        return failed
    for _, breaker in way:
        if (resting := breaker.resting) is not None:
            error.rests(resting.until - now)
    return error
