from datetime import UTC, datetime, timedelta

from providers.again import soonest
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHECK = "registry"


def failed(after_s: float | None, *, retryable: bool = True) -> Found:
    retry_at = None if after_s is None else NOW + timedelta(seconds=after_s)
    reason = because(ReasonCode.PROVIDER_UNAVAILABLE, CHECK, retryable=retryable, retry_at=retry_at)
    return Found(Conclusion.UNDECIDED, (reason,))


def test_the_first_time_of_all_is_told() -> None:
    assert soonest(failed(50), [failed(5), failed(500)]) == failed(5)
    assert soonest(failed(5), [failed(50)]) == failed(5)


def test_who_may_be_back_any_time_leaves_none() -> None:
    assert soonest(failed(50), [failed(None)]) == failed(None)
    assert soonest(failed(None), [failed(50)]) == failed(None)


def test_who_will_never_know_more_is_not_waited_for() -> None:
    assert soonest(failed(50), [failed(None, retryable=False)]) == failed(50)
    last = failed(None, retryable=False)
    assert soonest(last, [failed(50)]) is last


def test_what_stays_as_it_is_stays_the_same_object() -> None:
    """Values of which the same was found share one outcome by it."""
    last = failed(50)
    assert soonest(last, []) is last
    assert soonest(last, [failed(60)]) is last
    decided = Found(Conclusion.CONFIRMED)
    assert soonest(decided, [failed(60)]) is decided
