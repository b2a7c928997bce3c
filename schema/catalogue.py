"""`kinds` and `providers` as clients see them."""

from datetime import datetime
from decimal import Decimal

import strawberry

from schema.enums import Phase, ReasonCode, State


@strawberry.type(description="One sort of question about a value.")
class Check:
    """See resolvers.catalogue.CheckView."""

    name: str = strawberry.field(description="Its name, as in `Reason.check` and `Outcome.check`.")
    description: str = strawberry.field(description="What it asks.")
    local: bool = strawberry.field(description="Whether it is made without asking anybody.")
    in_policy: bool = strawberry.field(description="Whether `status` needs it.")
    optional: bool = strawberry.field(
        description="Whether `status` does without it while nobody is configured to answer it."
    )
    providers: list[str] = strawberry.field(description="Who is asked, the first one first.")


@strawberry.type(description="A value that makes the sandbox answer in a certain way.")
class SandboxInput:
    """See resolvers.context.SandboxInput."""

    service: str = strawberry.field(description="The service whose stand-in knows it.")
    value: str = strawberry.field(description="The value to send.")
    meaning: str = strawberry.field(description="What the stand-in then does.")


@strawberry.type(description="A sort of value that Assay validates.")
class Kind:
    """See resolvers.catalogue.KindView."""

    name: str = strawberry.field(description="Its name: the field of `RecordInput`.")
    description: str = strawberry.field(description="What it is.")
    meaning: str = strawberry.field(description="What VALID promises.")
    checks: list[Check] = strawberry.field(description="Its checks, in the order of its policy.")
    sandbox_inputs: list[SandboxInput] = strawberry.field(
        description="Values to try in the sandbox; empty when no sandbox runs."
    )


@strawberry.type(description="One window of an account's limits.")
class LimitWindow:
    """See resolvers.catalogue.WindowView."""

    rate: str = strawberry.field(description="The limit as configured, such as `600/5m`.")
    limit: int = strawberry.field(description="Calls in the window at most.")
    used: int = strawberry.field(description="Calls used in it, over all processes and machines.")
    left: int = strawberry.field(description="Calls left in it.")
    more_at: datetime | None = strawberry.field(
        description="When more of it comes back; null when all of it is there."
    )
    bulk: bool = strawberry.field(
        description="Whether it counts bulk calls alone, which the service limits apart."
    )


@strawberry.type(description="How often calls of an account failed today (UTC) for one reason.")
class FailureCount:
    """See resolvers.catalogue.FailureView."""

    code: ReasonCode = strawberry.field(description="The reason.")
    count: int = strawberry.field(description="Failures today, over all processes and machines.")
    share: float | None = strawberry.field(
        description="For each call made today, from 0 to 1; null before the first call."
    )


@strawberry.type(description="A breaker that lets nobody pass, or one call to find out.")
class OpenBreaker:
    """See resolvers.catalogue.BreakerView."""

    bulk: bool = strawberry.field(description="Whether it is that of the bulk calls.")
    partition: str | None = strawberry.field(
        description="The part of the values that it is for, a member state say; null for all."
    )
    state: Phase = strawberry.field(description="OPEN, or HALF_OPEN while one call finds out.")
    reason: ReasonCode = strawberry.field(description="What opened it.")
    since: datetime = strawberry.field(description="When it opened.")
    until: datetime = strawberry.field(description="From when on one call may find out.")


@strawberry.type(
    description=(
        "Our configured way to a service. What is of today (UTC) is counted over all processes and"
        " machines, up to a second ago; other counts, and latency, are of the process that answers,"
        " since it started."
    )
)
class Provider:
    """See resolvers.catalogue.ProviderView."""

    name: str = strawberry.field(description="Its name in the configuration.")
    service: str = strawberry.field(description="The service that it speaks.")
    kind: str = strawberry.field(description="The kind that it answers for.")
    check: str = strawberry.field(description="The check that it answers.")
    state: State = strawberry.field(description="Whether it can be asked.")
    concurrency: int = strawberry.field(
        description="Calls in flight at most, over all processes and machines."
    )
    slots_in_use: int | None = strawberry.field(
        description="Of those, how many are taken now; null when that is not known."
    )
    in_flight: int = strawberry.field(
        description="Calls in flight now, of the process that answers."
    )
    in_flight_limit: int = strawberry.field(
        description="Calls in flight at most just now: fewer where the service is busy or slow."
    )
    breaker: Phase = strawberry.field(
        description="CLOSED when every call passes, else the worst of `openBreakers`."
    )
    open_breakers: list[OpenBreaker] = strawberry.field(
        description="Its breakers that are not closed."
    )
    values_per_call: int = strawberry.field(description="Values in one call at most.")
    price: Decimal = strawberry.field(
        description="What one answered value costs, in `CallUsage.currency`."
    )
    paused_for_ms: int | None = strawberry.field(
        description="Milliseconds for which the account is paused; null when that is not known."
    )
    paused_because: ReasonCode | None = strawberry.field(
        description="Why it is paused; null when it is not, or when that is not known."
    )
    rate_share: float | None = strawberry.field(
        description=(
            "The share of its rate that the account uses, from 0 to 1: less than 1 after the"
            " service said that it is asked too much. Null when that is not known."
        )
    )
    windows: list[LimitWindow] | None = strawberry.field(
        description="Its limits and what is left of them; null when the shared store is away."
    )
    calls: int = strawberry.field(description="Calls made by the process that answers.")
    values: int = strawberry.field(description="Values answered to it.")
    cost: Decimal = strawberry.field(description="Cost of those values.")
    calls_today: int = strawberry.field(
        description=(
            "Calls made today (UTC), over all processes and machines. While the shared store is"
            " away: as it said last, and what the process that answers has counted since."
        )
    )
    cost_today: Decimal = strawberry.field(
        description="Cost of what was answered today, counted as `callsToday`."
    )
    failures: list[FailureCount] = strawberry.field(
        description="Failures of today, the commonest first, counted as `callsToday`."
    )
    error_rate: float | None = strawberry.field(
        description=(
            "Calls of today that failed, for each call made, from 0 to 1; null before the first."
        )
    )
    latency_p50_ms: float | None = strawberry.field(
        description="Median milliseconds of its newest calls; null before the first."
    )
    latency_p95_ms: float | None = strawberry.field(
        description="95th percentile of the same, in milliseconds."
    )
