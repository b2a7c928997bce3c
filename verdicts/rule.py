"""How outcomes become a status: pure, total, ordered. INVALID has one source."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.verdict import Status

RANK: dict[Conclusion, Status] = {
    Conclusion.REFUTED: Status.INVALID,  # only a check that looked can say so
    Conclusion.UNDECIDED: Status.UNKNOWN,  # about us, not about the value
    Conclusion.DOUBTFUL: Status.RISKY,
    Conclusion.CONFIRMED: Status.VALID,
}
assert set(RANK) == set(Conclusion), "every conclusion has its rank"

_STRONGEST_FIRST = tuple(RANK)
_WORST_FIRST = tuple(RANK.values())
_WEAKEST_RANK = len(_STRONGEST_FIRST) - 1
_WEAKEST = _STRONGEST_FIRST[_WEAKEST_RANK]


def decide(outcomes: Iterable[Outcome], waived: AbstractSet[str] = frozenset()) -> Status:
    """Return the status that the strongest conclusion gives; no outcome at all is UNKNOWN.

    An outcome of a check in `waived` does not count when nobody is configured to answer it.
    """
    strongest: int | None = None
    for outcome in outcomes:
        # by identity, and the usual one first: this runs for every value, and enums hash slowly
        if outcome.conclusion is _WEAKEST:
            rank = _WEAKEST_RANK
        elif outcome.check in waived and _unasked(outcome):
            continue
        else:
            rank = _STRONGEST_FIRST.index(outcome.conclusion)
        if strongest is None or rank < strongest:
            strongest = rank
    return Status.UNKNOWN if strongest is None else _WORST_FIRST[strongest]


def _unasked(outcome: Outcome) -> bool:
    return outcome.conclusion is Conclusion.UNDECIDED and any(
        reason.code is ReasonCode.NOT_CONFIGURED for reason in outcome.reasons
    )


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status of a record from those of its fields, in the same order of strength."""
    return min(statuses, key=_WORST_FIRST.index, default=Status.UNKNOWN)
