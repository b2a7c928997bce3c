from datetime import UTC, datetime, timedelta

from cache.recent import Recent, is_recent
from verdicts.outcome import Conclusion, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def outcome(found_at: datetime | None = NOW, expires_at: datetime | None = NOW + HOUR) -> Outcome:
    return Outcome("registry", Conclusion.CONFIRMED, found_at, expires_at)


def test_what_is_fresh_is_known_and_the_rest_is_missing_in_order() -> None:
    recent = Recent()
    recent.remember({"b": outcome()})
    known, missing = recent.recall(["c", "b", "a"], NOW, None)
    assert known == {"b": outcome()}
    assert missing == ["c", "a"]


def test_what_expires_is_forgotten_at_that_moment() -> None:
    recent = Recent()
    recent.remember({"a": outcome()})
    assert recent.recall(["a"], NOW + HOUR - timedelta(microseconds=1), None)[1] == []
    assert recent.recall(["a"], NOW + HOUR, None)[1] == ["a"]
    assert len(recent) == 0


def test_what_is_too_old_for_one_asker_stays_for_others() -> None:
    recent = Recent()
    recent.remember({"a": outcome()})
    assert recent.recall(["a"], NOW, NOW + timedelta(seconds=1))[1] == ["a"]
    assert recent.recall(["a"], NOW, NOW)[1] == []


def test_what_was_never_to_be_kept_is_missing() -> None:
    recent = Recent()
    recent.remember({"a": outcome(expires_at=None)})
    assert recent.recall(["a"], NOW, None)[1] == ["a"]


def test_it_is_bounded_and_the_newest_stay() -> None:
    recent = Recent(kept_max=100)
    for at in range(1000):
        recent.remember({str(at): outcome()})
    assert len(recent) <= 100
    assert recent.recall(["999"], NOW, None)[1] == []
    assert recent.recall(["0"], NOW, None)[1] == ["0"]


def test_an_outcome_without_a_date_is_never_recent_enough() -> None:
    assert is_recent(outcome(found_at=None), None)
    assert not is_recent(outcome(found_at=None), NOW)
