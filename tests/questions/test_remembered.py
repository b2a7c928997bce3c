"""Verdicts remembered by text: only what is true for as long as it is."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from questions.remembered import Verdicts
from questions.usage import Usage
from verdicts.outcome import Conclusion, Outcome
from verdicts.verdict import LeiVerdict, Source, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOCAL = Outcome("syntax", Conclusion.CONFIRMED)
ASKED = Outcome("registry", Conclusion.CONFIRMED, NOW, NOW + MINUTE)
LATE = Outcome("registry", Conclusion.UNDECIDED)
VERDICT = LeiVerdict(
    kind="lei",
    input="x",
    normalized="X",
    status=Status.VALID,
    reasons=(),
    outcomes=(LOCAL, ASKED),
    decided_at=NOW,
    expires_at=NOW + MINUTE,
    source=Source.PROVIDER,
)


def recalled(
    kept: Verdicts, now: datetime = NOW, not_before: datetime | None = None
) -> tuple[object, Usage]:
    usage = Usage()
    (verdict,), missing = kept.recall(["x"], now, not_before, usage)
    assert missing == ([0] if verdict is None else [])
    return verdict, usage


def test_what_comes_again_is_from_the_cache_and_counted_as_saved() -> None:
    kept = Verdicts()
    kept.remember({"x": VERDICT}, 1)
    for _ in range(2):
        verdict, usage = recalled(kept)
        assert verdict == replace(VERDICT, source=Source.CACHE)
        assert (usage.saved_by_cache, usage.saved_by_local_checks) == (1, 0)


def test_it_ends_with_the_first_of_its_facts() -> None:
    kept = Verdicts()
    kept.remember({"x": VERDICT}, 1)
    assert recalled(kept, NOW + MINUTE - timedelta(microseconds=1))[0] is not None
    assert recalled(kept, NOW + MINUTE) == (None, Usage())


def test_what_is_too_old_for_an_asker_is_not_shown_to_it() -> None:
    kept = Verdicts()
    kept.remember({"x": VERDICT}, 1)
    assert recalled(kept, not_before=NOW + timedelta(seconds=1))[0] is None
    assert recalled(kept, not_before=NOW)[0] is not None


def test_what_a_local_check_decided_holds_for_ever() -> None:
    kept = Verdicts()
    refuted = replace(
        VERDICT,
        normalized=None,
        status=Status.INVALID,
        outcomes=(Outcome("syntax", Conclusion.REFUTED),),
        expires_at=None,
        source=Source.LOCAL,
    )
    kept.remember({"x": refuted}, 2)
    verdict, usage = recalled(kept, NOW + timedelta(days=900), NOW + timedelta(days=900))
    assert verdict == refuted
    assert (usage.saved_by_cache, usage.saved_by_local_checks) == (0, 2)


def test_what_was_not_found_in_time_or_is_not_to_be_kept_is_not_remembered() -> None:
    """Else a deadline that passed once would be the answer ever after."""
    unkept = replace(ASKED, expires_at=None)
    for outcomes in ((LOCAL, LATE), (LOCAL, unkept), (LOCAL, ASKED, LATE), (LATE,)):
        kept = Verdicts()
        kept.remember({"x": replace(VERDICT, outcomes=outcomes)}, 1)
        assert recalled(kept)[0] is None


def test_memory_is_bounded_and_the_newest_stay() -> None:
    kept = Verdicts(kept_max=10)
    for at in range(100):
        kept.remember({str(at): VERDICT}, 1)
    texts = [str(at) for at in range(100)]
    verdicts, missing = kept.recall(texts, NOW, None, Usage())
    assert verdicts[-1] is not None
    assert len(missing) >= 90
