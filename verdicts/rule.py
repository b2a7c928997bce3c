"""How outcomes become a status: pure, total, ordered. INVALID has one source."""

from collections.abc import Iterable

from verdicts.outcome import Conclusion, Outcome
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


def decide(outcomes: Iterable[Outcome]) -> Status:
    """Return the status that the strongest conclusion gives; no outcome at all is UNKNOWN."""
    found = {outcome.conclusion for outcome in outcomes}
    for conclusion in _STRONGEST_FIRST:
        if conclusion in found:
            return RANK[conclusion]
    return Status.UNKNOWN


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status of a record from those of its fields, in the same order of strength."""
    return min(statuses, key=_WORST_FIRST.index, default=Status.UNKNOWN)
