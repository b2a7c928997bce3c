"""The pieces that every kind's answer is put together from."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

from verdicts.evidence import Evidence
from verdicts.examined import Decided, Examined
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import Reason, ReasonCode, because
from verdicts.verdict import Source, Status

# The fields of verdicts.verdict.Head, in its order.
HeadFields: TypeAlias = tuple[
    str,
    str,
    str | None,
    Status,
    tuple[Reason, ...],
    tuple[Outcome, ...],
    datetime,
    datetime | None,
    Source,
]

E = TypeVar("E", bound=Evidence)


def head_of(kind: str, examined: Examined[Any], decided: Decided) -> HeadFields:
    """Return what every verdict says first, in the order of `verdicts.verdict.Head`."""
    return (
        kind,
        examined.input,
        examined.canonical,
        decided.status,
        decided.reasons,
        decided.outcomes,
        decided.decided_at,
        decided.expires_at,
        decided.source,
    )


def evidence_of(sort: type[E], outcomes: Iterable[Outcome]) -> E | None:
    """Return the last evidence of this `sort` among `outcomes`, None when there is none."""
    found = None
    for outcome in outcomes:
        if outcome.evidence.__class__ is sort:
            found = outcome.evidence
    return cast("E | None", found)


@cache
def refuting(code: ReasonCode, check: str = "syntax") -> tuple[Outcome, ...]:
    """Return the only outcome of a value that `check` refuted because of `code`."""
    return (Outcome(check, Conclusion.REFUTED, reasons=(because(code, check),)),)


@cache
def doubting(code: ReasonCode, check: str, parts: tuple[str, ...] = ()) -> Outcome:
    """Return the outcome of a local check that has a doubt, about `parts`, because of `code`."""
    return Outcome(check, Conclusion.DOUBTFUL, reasons=(because(code, check, parts=parts),))


@cache
def undecided(code: ReasonCode, parts: tuple[str, ...] = ()) -> tuple[Outcome, ...]:
    """Return the only outcome of a value that can't be read because of `code` in `parts`."""
    reasons = (because(code, "syntax", parts=parts),)
    return (Outcome("syntax", Conclusion.UNDECIDED, reasons=reasons),)
