"""What becomes of a result that is not decided: asked again at once, later, or not. Pure."""

from collections.abc import Sequence
from enum import Enum

from msgspec import Struct

from batches.batch import PauseReason
from verdicts.outcome import UNDECIDED
from verdicts.reason import ReasonCode
from verdicts.verdict import INVALID, UNKNOWN, RecordResult

AGAIN_MAX = 8
"""Times that a failure is asked about; then the record stays UNKNOWN."""
AGAIN_FIRST_S = 6.0
"""Until it is asked about again, at first: longer than an UNDECIDED outcome is kept."""
AGAIN_LAST_S = 120.0
"""What that doubles to."""

SOON = frozenset(
    {
        ReasonCode.DEADLINE,
        ReasonCode.RATE_LIMITED,
        ReasonCode.LIMITS_UNAVAILABLE,
        ReasonCode.STOPPING,
    }
)
"""Nothing has failed: it only takes longer than one round."""
_LATE = frozenset({ReasonCode.DEADLINE})
LATER = frozenset(
    {
        ReasonCode.PROVIDER_UNAVAILABLE,
        ReasonCode.SOURCE_UNAVAILABLE,
        ReasonCode.PROVIDER_PROTOCOL,
    }
)
"""Nobody has answered. What a service answered is final here, even where it may change: it is paid
for, and whoever wants to know retries the batch."""
PAUSING = {
    ReasonCode.QUOTA_EXHAUSTED: PauseReason.QUOTA_EXHAUSTED,
    ReasonCode.OUT_OF_CREDIT: PauseReason.OUT_OF_CREDIT,
    ReasonCode.PROVIDER_REFUSED: PauseReason.PROVIDER_REFUSED,
}
"""What would go on for every record that is asked about."""


class Again(Enum):
    """How urgently a record is to be asked about again."""

    SOON = "SOON"
    LATER = "LATER"


class Blocked(Struct, frozen=True):
    """Why a batch can't go on now: the check that says so, and of which kind."""

    reason: PauseReason
    kind: str
    check: str


Next = Again | Blocked | None


def next_of(result: RecordResult) -> Next:
    """Return what is to become of `result`; None when it is final."""
    status = result.status
    # by identity, and the usual ones first: this runs for every record
    if status is not UNKNOWN and (status is not INVALID or len(result.verdicts) == 1):
        return None
    found: Next = None
    for verdict in result.verdicts:
        if verdict.status is not UNKNOWN:
            continue
        for outcome in verdict.outcomes:
            if outcome.conclusion is not UNDECIDED:
                continue
            for reason in outcome.reasons:
                pause = PAUSING.get(reason.code)
                if pause is not None:
                    return Blocked(pause, verdict.kind, outcome.check)
                if reason.code in SOON:
                    found = found or Again.SOON
                elif reason.retryable and reason.code in LATER:
                    found = Again.LATER
    return found


def is_under_way(result: RecordResult) -> bool:
    """Tell whether `result` is open only because its deadline came before an answer.

    What was asked goes on, so the same question waits for that answer and is not sent again.
    """
    codes = {
        reason.code
        for verdict in result.verdicts
        if verdict.status is UNKNOWN
        for outcome in verdict.outcomes
        if outcome.conclusion is UNDECIDED
        for reason in outcome.reasons
    }
    return bool(codes) and codes <= _LATE


class Sorted(Struct):
    """The results of one round by what becomes of them; places are those of the round.

    `failed` are the results of those that are asked again `later`.
    """

    decided: list[RecordResult]
    places: list[int]
    soon: list[int]
    later: list[int]
    failed: list[RecordResult]
    blocked: Blocked | None = None


def sorted_out(results: Sequence[RecordResult]) -> Sorted:
    """Return `results` by what becomes of them."""
    sorted_ = Sorted([], [], [], [], [])
    for place, result in enumerate(results):
        following = next_of(result)
        if following is None:
            sorted_.decided.append(result)
            sorted_.places.append(place)
        elif following is Again.SOON:
            sorted_.soon.append(place)
        elif following is Again.LATER:
            sorted_.later.append(place)
            sorted_.failed.append(result)
        else:
            sorted_.soon.append(place)
            sorted_.blocked = sorted_.blocked or following
    return sorted_


def again_in_s(times: int) -> float:
    """Return in how many seconds a record is asked about again that failed so many `times`."""
    return min(AGAIN_FIRST_S * 2.0 ** (times - 1), AGAIN_LAST_S)
