"""The enums of the schema: those of the domain, each value with its meaning."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

import strawberry

from providers.breaker import Phase
from providers.priority import Priority
from providers.sending import State
from verdicts import consistency
from verdicts.consistency import FindingCode
from verdicts.outcome import Conclusion
from verdicts.reason import MEANING, ReasonCode
from verdicts.verdict import Source, Status


def _describe(enum: type[Enum], meanings: Mapping[Any, str]) -> None:
    """Give each value of a decorated enum its description; every one must have it."""
    definition = cast("Any", enum).__strawberry_definition__
    assert {member.name for member in meanings} == {value.name for value in definition.values}
    for value in definition.values:
        value.description = meanings[enum[value.name]]


strawberry.enum(Status, name="VerdictStatus", description="A verdict in one word.")
_describe(
    Status,
    {
        Status.VALID: "Every check of the policy confirmed the value; see `Kind.meaning`.",
        Status.INVALID: "A check found that the value is not valid. Never given for a failure.",
        Status.RISKY: "Nothing refuted the value, but a check has doubts; see `reasons`.",
        Status.UNKNOWN: "A check could not be made; see `reasons`, and whether asking again helps.",
    },
)
strawberry.enum(Source, name="Source", description="Where the newest part of a verdict is from.")
_describe(
    Source,
    {
        Source.LOCAL: "From the value itself; nobody was asked.",
        Source.CACHE: "From outcomes that were known.",
        Source.PROVIDER: "A provider was asked for this answer.",
    },
)
strawberry.enum(Conclusion, name="Conclusion", description="What a check concluded.")
_describe(
    Conclusion,
    {
        Conclusion.CONFIRMED: "The check found what it looked for.",
        Conclusion.REFUTED: "The check looked, and the value failed.",
        Conclusion.DOUBTFUL: "The check looked, and has doubts.",
        Conclusion.UNDECIDED: "The check could not be made; this says nothing about the value.",
    },
)
strawberry.enum(ReasonCode, name="ReasonCode", description="Why a check concluded what it did.")
_describe(ReasonCode, MEANING)
strawberry.enum(FindingCode, name="FindingCode", description="What of a record was compared.")
_describe(FindingCode, consistency.MEANING)
strawberry.enum(State, name="ProviderState", description="Whether a provider can be asked.")
_describe(
    State,
    {
        State.READY: "It is configured and is asked.",
        State.SANDBOX: "It has no credentials; the sandbox's stand-in answers in its place.",
        State.NOT_CONFIGURED: "It has no credentials; its check is UNDECIDED with NOT_CONFIGURED.",
    },
)
strawberry.enum(Phase, name="BreakerState", description="Whether calls pass a breaker.")
_describe(
    Phase,
    {
        Phase.CLOSED: "Every call passes.",
        Phase.OPEN: "None passes: it failed so often that it is left alone for a while.",
        Phase.HALF_OPEN: "One call is under way to find out whether it works again.",
    },
)

strawberry.enum(Priority, name="Priority", description="How urgent something is.")
_describe(
    Priority,
    {
        Priority.INTERACTIVE: "Somebody waits for it: it goes before whatever is not.",
        Priority.BATCH: "It takes what is left, reserving a provider's limit shortly ahead only.",
    },
)

__all__ = [
    "Conclusion",
    "FindingCode",
    "Phase",
    "Priority",
    "ReasonCode",
    "Source",
    "State",
    "Status",
]
