"""`kinds` and `providers`: what this gateway can validate, and who answers."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter

from msgspec import Struct

from providers.breaker import Phase
from providers.provider import Provider, ServiceProvider
from providers.sending import State
from providers.standing import Standing
from providers.statistics import Counts, Snapshot
from resolvers.context import Context, SandboxInput
from verdicts.kind import Check
from verdicts.reason import ReasonCode

_WORST = (Phase.CLOSED, Phase.HALF_OPEN, Phase.OPEN)


class CheckView(Struct, frozen=True):
    """A check of a kind as clients see it."""

    name: str
    description: str
    local: bool
    in_policy: bool
    optional: bool
    providers: tuple[str, ...]


class KindView(Struct, frozen=True):
    """A kind as clients see it."""

    name: str
    description: str
    meaning: str
    checks: tuple[CheckView, ...]
    sandbox_inputs: tuple[SandboxInput, ...]


class FailureView(Struct, frozen=True):
    """How often calls failed today for one reason, and what share of all calls that is."""

    code: ReasonCode
    count: int
    share: float | None


class BreakerView(Struct, frozen=True):
    """A breaker that is not closed, as clients see it."""

    bulk: bool
    partition: str | None
    state: Phase
    reason: ReasonCode
    since: datetime
    until: datetime


class WindowView(Struct, frozen=True):
    """A window of a provider's limits as clients see it."""

    rate: str
    limit: int
    used: int
    left: int
    more_at: datetime | None
    bulk: bool


class ProviderView(Struct, frozen=True):
    """A provider as clients see it."""

    name: str
    service: str
    kind: str
    check: str
    state: State
    concurrency: int
    slots_in_use: int | None
    in_flight: int
    in_flight_limit: int
    breaker: Phase
    open_breakers: tuple[BreakerView, ...]
    values_per_call: int
    price: Decimal
    paused_for_ms: int | None
    paused_because: ReasonCode | None
    rate_share: float | None
    windows: tuple[WindowView, ...] | None
    calls: int
    values: int
    cost: Decimal
    calls_today: int
    cost_today: Decimal
    failures: tuple[FailureView, ...]
    error_rate: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None


def kinds(context: Context) -> list[KindView]:
    """Return every kind with its checks, who answers them, and the sandbox's inputs."""
    return [
        KindView(
            kind.name,
            kind.description,
            kind.meaning,
            tuple(_check(context, kind.name, check) for check in kind.checks),
            tuple(one for one in context.sandbox_inputs if one.kind == kind.name),
        )
        for kind in context.kinds
    ]


async def providers(context: Context) -> list[ProviderView]:
    """Return every provider as it stands now, each once."""
    shown: dict[str, tuple[str, str, Provider]] = {}
    for (kind, check), panel in context.panels.items():
        for provider in panel.providers:
            shown.setdefault(provider.name, (kind, check, provider))
    counts = await context.daily.today([one.statistics for _, _, one in shown.values()])
    return [
        await _provider(kind, check, provider, today)
        for (kind, check, provider), today in zip(shown.values(), counts, strict=True)
    ]


def _check(context: Context, kind: str, check: Check) -> CheckView:
    panel = context.panels.get((kind, check.name))
    names: Sequence[str] = [provider.name for provider in panel.providers] if panel else ()
    in_policy = check.local or check.name in context.judge.policies[kind]
    optional = check.name in context.judge.waived[kind]
    return CheckView(check.name, check.description, check.local, in_policy, optional, tuple(names))


async def _provider(kind: str, check: str, provider: Provider, today: Counts) -> ProviderView:
    figures: Snapshot = provider.statistics.snapshot()
    longest: Standing | None = None
    slots: int | None = None
    windows: tuple[WindowView, ...] | None = ()
    limit = provider.concurrency
    breakers = _open_breakers(provider)
    if isinstance(provider, ServiceProvider):
        limit = provider.sender.in_flight.limit
        try:
            single, bulk = await provider.standing()
        except OSError:
            windows = None  # the shared store is away: unknown, rather than wrong
        else:
            longest = max((one for one in (single, bulk) if one), key=attrgetter("paused_s"))
            slots = single.slots
            windows = (*_windows(single, of_bulk=False), *_windows(bulk, of_bulk=True))
    return ProviderView(
        name=provider.name,
        service=provider.service_name,
        kind=kind,
        check=check,
        state=provider.state,
        concurrency=provider.concurrency,
        slots_in_use=slots,
        in_flight=figures.in_flight,
        in_flight_limit=limit,
        breaker=max((one.state for one in breakers), key=_WORST.index, default=Phase.CLOSED),
        open_breakers=breakers,
        values_per_call=provider.values_per_call,
        price=provider.price,
        paused_for_ms=round(longest.paused_s * 1000) if longest else None,
        paused_because=longest.why if longest else None,
        rate_share=longest.share if longest else None,
        windows=windows,
        calls=figures.calls,
        values=figures.values,
        cost=figures.cost,
        calls_today=today.calls,
        cost_today=today.cost,
        failures=tuple(
            FailureView(code, count, count / today.calls if today.calls else None)
            for code, count in today.failures.most_common()
        ),
        error_rate=today.error_rate,
        latency_p50_ms=figures.latency_p50_ms,
        latency_p95_ms=figures.latency_p95_ms,
    )


def _windows(standing: Standing | None, *, of_bulk: bool) -> tuple[WindowView, ...]:
    now = datetime.now(UTC)
    return tuple(
        WindowView(
            one.rate,
            one.limit,
            one.used,
            one.left,
            now + timedelta(seconds=one.again_s) if one.used else None,
            of_bulk,
        )
        for one in (standing.windows if standing else ())
    )


def _open_breakers(provider: Provider) -> tuple[BreakerView, ...]:
    now, loop_now = datetime.now(UTC), asyncio.get_running_loop().time()
    return tuple(
        BreakerView(
            bulk=scope.bulk,
            partition=scope.partition or None,
            state=breaker.phase,
            reason=resting.why,
            since=now + timedelta(seconds=resting.since - loop_now),
            until=now + timedelta(seconds=resting.until - loop_now),
        )
        for scope, breaker in provider.open_breakers()
        if (resting := breaker.resting) is not None
    )
