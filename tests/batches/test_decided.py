"""Which results a reader wants: what counts say is never less than what is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.counts import counted
from batches.decided import Wanted
from tests.batches.ended import AT
from verdicts.reason import ReasonCode, because
from verdicts.rule import worst
from verdicts.verdict import EmailVerdict, IbanVerdict, RecordResult, Source, Status, Verdict

CODES = [ReasonCode.MALFORMED, ReasonCode.CATCH_ALL, ReasonCode.DEADLINE]
KINDS = ["email", "iban"]


def verdict(kind: str, status: Status, codes: list[ReasonCode]) -> Verdict:
    made = EmailVerdict if kind == "email" else IbanVerdict
    reasons = tuple(because(code, "syntax") for code in codes)
    return made(kind, "x", "x", status, reasons, (), AT, None, Source.LOCAL)


def result(verdicts: dict[str, Verdict]) -> RecordResult:
    found = tuple(verdicts.values())
    return RecordResult(None, 0, worst([one.status for one in found]), verdicts=found, **verdicts)  # pyright: ignore[reportArgumentType] - each field's own kind


VERDICTS = st.tuples(st.sampled_from(Status), st.lists(st.sampled_from(CODES), max_size=2))
RESULTS = st.dictionaries(st.sampled_from(KINDS), VERDICTS, min_size=1).map(
    lambda fields: result({kind: verdict(kind, *said) for kind, said in fields.items()})
)
WANTED = st.builds(
    Wanted,
    st.frozensets(st.sampled_from(Status)),
    st.frozensets(st.sampled_from(CODES)),
    st.frozensets(st.sampled_from([*KINDS, "lei"])),
)


@given(WANTED, st.lists(RESULTS, max_size=5))
def test_counts_that_say_no_are_right(wanted: Wanted, results: list[RecordResult]) -> None:
    if any(map(wanted.has, results)):
        assert wanted.may_be_in(counted(results))


@given(RESULTS)
def test_who_asks_for_nothing_gets_all(found: RecordResult) -> None:
    assert Wanted().everything
    assert Wanted().has(found)


V, I, R, _ = Status  # noqa: E741 - as in the table below
MIXED = result(
    {
        "email": verdict("email", R, [ReasonCode.CATCH_ALL]),
        "iban": verdict("iban", I, [ReasonCode.MALFORMED]),
    }
)


@pytest.mark.parametrize(
    "wanted, has",
    [
        (Wanted(frozenset({I})), True),
        (Wanted(frozenset({R})), False),
        (Wanted(frozenset({R}), kinds=frozenset({"email"})), True),
        (Wanted(frozenset({R}), kinds=frozenset({"iban"})), False),
        (Wanted(reasons=frozenset({ReasonCode.CATCH_ALL}), kinds=frozenset({"iban"})), False),
        (Wanted(frozenset({I}), frozenset({ReasonCode.CATCH_ALL})), True),
        (Wanted(kinds=frozenset({"lei"})), False),
    ],
)
def test_with_a_kind_it_is_about_that_verdict(wanted: Wanted, *, has: bool) -> None:
    assert wanted.has(MIXED) is has
    assert wanted.may_be_in(counted([MIXED])) or not has


def test_counts_say_no_where_they_can() -> None:
    counts = counted([MIXED])
    for wanted in (
        Wanted(frozenset({V})),
        Wanted(reasons=frozenset({ReasonCode.DEADLINE})),
        Wanted(kinds=frozenset({"lei"})),
        Wanted(frozenset({V}), kinds=frozenset({"email"})),
    ):
        assert not wanted.may_be_in(counts)
