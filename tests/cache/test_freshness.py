from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cache.freshness import Freshness, FreshnessSettings
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = FreshnessSettings(confirmed=400, refuted=300, doubtful=200, undecided=5)
LATER = because(ReasonCode.PROVIDER_UNAVAILABLE, "registry", retryable=True)
NEVER = because(ReasonCode.NOT_CONFIGURED, "registry")


def seconds(found: Found, settings: FreshnessSettings = SETTINGS) -> float | None:
    expires_at = Freshness(settings).expiry(found, NOW)
    return None if expires_at is None else (expires_at - NOW).total_seconds()


def test_each_conclusion_has_its_time() -> None:
    assert seconds(Found(Conclusion.CONFIRMED)) == 400
    assert seconds(Found(Conclusion.REFUTED)) == 300
    assert seconds(Found(Conclusion.DOUBTFUL)) == 200
    assert seconds(Found(Conclusion.UNDECIDED, (LATER,))) == 5


def test_what_asking_again_would_not_change_is_not_kept() -> None:
    """A change of configuration shows at once."""
    assert seconds(Found(Conclusion.UNDECIDED, (NEVER,))) is None
    assert seconds(Found(Conclusion.UNDECIDED)) is None
    assert seconds(Found(Conclusion.UNDECIDED, (NEVER, LATER))) == 5


def test_a_source_may_shorten_the_time_and_never_lengthen_it() -> None:
    assert seconds(Found(Conclusion.CONFIRMED, fresh_for_s=30)) == 30
    assert seconds(Found(Conclusion.CONFIRMED, fresh_for_s=4000)) == 400
    assert seconds(Found(Conclusion.CONFIRMED, fresh_for_s=0)) is None


@pytest.mark.parametrize("after_s, kept_s", [(2, 2), (5, 5), (3600, 5), (0, None), (-3, None)])
def test_what_says_when_to_ask_again_is_kept_no_longer(after_s: float, kept_s: float) -> None:
    """Whoever comes at that time is not told of it again."""
    at = NOW + timedelta(seconds=after_s)
    told = because(ReasonCode.QUOTA_EXHAUSTED, "registry", retryable=True, retry_at=at)
    assert seconds(Found(Conclusion.UNDECIDED, (LATER, told))) == kept_s


def test_no_time_is_not_kept() -> None:
    nothing = FreshnessSettings(confirmed=0, refuted=0, doubtful=0, undecided=0)
    for conclusion in Conclusion:
        assert seconds(Found(conclusion, (LATER,)), nothing) is None


@given(
    st.sampled_from(Conclusion),
    st.none() | st.floats(0, 1e6),
    st.lists(st.booleans(), max_size=3),
)
def test_nothing_undecided_is_kept_for_longer_than_seconds(
    conclusion: Conclusion, fresh_for_s: float | None, retryable: list[bool]
) -> None:
    reasons = tuple(
        because(ReasonCode.PROVIDER_PROTOCOL, "registry", retryable=one) for one in retryable
    )
    expires_at = Freshness(FreshnessSettings()).expiry(
        Found(conclusion, reasons, None, fresh_for_s), NOW
    )
    if conclusion is Conclusion.UNDECIDED:
        assert expires_at is None or expires_at <= NOW + timedelta(seconds=5)


@pytest.mark.parametrize("wrong", [{"confirmed": -1}, {"undecided": 301}, {"confirmd": 1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FreshnessSettings(**wrong)
