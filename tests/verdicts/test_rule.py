from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import MEANING, ReasonCode, because
from verdicts.rule import decide, worst
from verdicts.verdict import Status

OUTCOMES = st.lists(
    st.builds(
        Outcome,
        check=st.sampled_from(["syntax", "domain", "mailbox", "registry"]),
        conclusion=st.sampled_from(Conclusion),
        found_at=st.none() | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
        reasons=st.lists(
            st.builds(
                because,
                st.sampled_from(ReasonCode),
                st.just("registry"),
                retryable=st.booleans(),
            ),
            max_size=2,
        ).map(tuple),
    ),
    max_size=8,
)
NOT_FOUND_WRONG = OUTCOMES.map(
    lambda outcomes: [one for one in outcomes if one.conclusion is not Conclusion.REFUTED]
)


@given(OUTCOMES)
def test_invalid_has_one_source(outcomes: list[Outcome]) -> None:
    refuted = any(outcome.conclusion is Conclusion.REFUTED for outcome in outcomes)
    assert (decide(outcomes) is Status.INVALID) == refuted


@given(NOT_FOUND_WRONG, st.sampled_from(ReasonCode))
def test_a_failure_never_makes_a_value_invalid(outcomes: list[Outcome], code: ReasonCode) -> None:
    """Whatever went wrong on the way, for whatever reason: it tells nothing about the value."""
    failure = Outcome("registry", Conclusion.UNDECIDED, reasons=(because(code, "registry"),))
    assert decide([*outcomes, failure]) is Status.UNKNOWN


@given(OUTCOMES, st.randoms(use_true_random=False))
def test_the_order_of_outcomes_does_not_matter(outcomes: list[Outcome], random: Random) -> None:
    shuffled = list(outcomes)
    random.shuffle(shuffled)
    assert decide(shuffled) is decide(outcomes) is decide(outcomes * 2)


@given(OUTCOMES)
def test_every_set_of_outcomes_has_a_status_and_none_is_unknown(outcomes: list[Outcome]) -> None:
    assert decide(iter(outcomes)) in Status
    assert decide([]) is Status.UNKNOWN


@given(OUTCOMES, OUTCOMES)
def test_another_outcome_never_makes_the_status_better(
    some: list[Outcome], more: list[Outcome]
) -> None:
    order = [Status.INVALID, Status.UNKNOWN, Status.RISKY, Status.VALID]
    if some:
        assert order.index(decide(some + more)) <= order.index(decide(some))


@given(NOT_FOUND_WRONG)
def test_valid_needs_every_check_to_confirm(outcomes: list[Outcome]) -> None:
    confirmed = bool(outcomes) and all(
        outcome.conclusion is Conclusion.CONFIRMED for outcome in outcomes
    )
    assert (decide(outcomes) is Status.VALID) == confirmed


@given(st.lists(st.sampled_from(Status), max_size=8), st.randoms(use_true_random=False))
def test_a_record_is_as_good_as_its_worst_field(statuses: list[Status], random: Random) -> None:
    order = [Status.INVALID, Status.UNKNOWN, Status.RISKY, Status.VALID]
    expected = min(statuses, key=order.index) if statuses else Status.UNKNOWN
    assert worst(statuses) is expected
    shuffled = list(statuses)
    random.shuffle(shuffled)
    assert worst(shuffled) is expected


@given(OUTCOMES, OUTCOMES)
def test_a_records_status_is_that_of_all_its_outcomes(
    some: list[Outcome], more: list[Outcome]
) -> None:
    if some and more:
        assert worst([decide(some), decide(more)]) is decide(some + more)


def test_every_reason_has_a_meaning_of_its_own() -> None:
    assert len(set(MEANING.values())) == len(ReasonCode)
    for code, meaning in MEANING.items():
        assert code.value == code.name
        assert meaning.endswith((".", "soon."))
        assert because(code, "syntax").message == meaning


@given(OUTCOMES, st.sampled_from(Conclusion), st.sampled_from(ReasonCode))
def test_only_what_nobody_is_configured_to_answer_can_be_waived(
    others: list[Outcome], conclusion: Conclusion, code: ReasonCode
) -> None:
    """Whatever else a waived check says, a failure of its service too, counts as always."""
    outcome = Outcome("optional", conclusion, reasons=(because(code, "optional"),))
    unasked = (conclusion, code) == (Conclusion.UNDECIDED, ReasonCode.NOT_CONFIGURED)
    expected = decide(others) if unasked else decide([*others, outcome])
    assert decide([outcome, *others], {"optional"}) is expected
    assert decide([outcome, *others], {"another"}) is decide([*others, outcome])
