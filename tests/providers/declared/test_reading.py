"""Nothing but a mapped answer makes VALID, INVALID or RISKY, whatever an answer holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import Faulted, ProtocolBroken
from providers.exchange import Answer
from tests.providers.conversation import answer, converse
from tests.providers.declared.declaring import LOOK_UP, service
from verdicts.evidence import DeclaredFacts, MailboxState, VatRegistration
from verdicts.facts import Fact, Sort, sheet_of
from verdicts.outcome import Conclusion, Found, Outcome
from verdicts.reason import ReasonCode

VALUE = "a@one.example"
RULES = """
answer.errors = [{ when = "error", reason = "PROVIDER_REFUSED" }]
answer.absent = { http = [404], when = "code == 'none'", status = "INVALID" }
answer.reasons = { read = "why", map = { typo = "POSSIBLE_TYPO", full = "MAILBOX_FULL" } }
evidence.score = { type = "Int", read = "score" }
evidence.since = { type = "Date", read = "since" }
"""
READER = service(LOOK_UP + RULES)
WORDS = {
    "good": Conclusion.CONFIRMED,
    "bad": Conclusion.REFUTED,
    "odd": Conclusion.DOUBTFUL,
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["good", "bad", "odd", "GOOD", "good ", "none", "true", "1"]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(["status", "code", "why", "score", "since", "error", "data", "other"])
documents = st.one_of(trees, st.dictionaries(names, trees, max_size=6))
statuses = st.sampled_from([200, 200, 200, 404, 500, 204, 301])
answers = st.tuples(documents, statuses).map(lambda pair: answer(*pair))


def read(one: Answer) -> Found | None:
    """Return what is found; None when the answer, and with it the value, is undecided."""
    try:
        _, found = converse(READER, [VALUE], one)
    except (ProtocolBroken, Faulted):
        return None
    return found[VALUE]


@given(answers)
def test_only_a_mapped_word_decides(one: Answer) -> None:
    found = read(one)
    if found is None or found.conclusion is Conclusion.UNDECIDED:
        return
    document: dict[str, Any] = json.loads(one.body)
    if document.get("code") == "none":
        assert one.status in {200, 404}
        assert found.conclusion is Conclusion.REFUTED
        return
    assert one.status == 200
    assert found.conclusion is WORDS[document["status"]]
    assert not document.get("error")


@given(documents)
def test_an_unknown_word_is_the_services_fault_and_may_be_asked_again(document: object) -> None:
    found = read(answer(document))
    if found is not None and found.conclusion is Conclusion.UNDECIDED:
        assert [reason.code for reason in found.reasons] in (
            [ReasonCode.PROVIDER_PROTOCOL],
            [ReasonCode.POSSIBLE_TYPO],
            [ReasonCode.MAILBOX_FULL],
            [ReasonCode.POSSIBLE_TYPO, ReasonCode.MAILBOX_FULL],
            [ReasonCode.MAILBOX_FULL, ReasonCode.POSSIBLE_TYPO],
        )
        assert found.evidence is None


@given(st.binary(max_size=60))
def test_bytes_that_are_no_answer_decide_nothing(body: bytes) -> None:
    found = read(Answer(200, {"content-type": "application/json"}, body))
    assert found is None or found.conclusion is Conclusion.UNDECIDED


@pytest.mark.parametrize(
    "body",
    [
        b'{"status": "bad", "status": "good"}',
        b'{"status": "good"',
        b'{"status": "good"} {"status": "bad"}',
        b'{"status": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"",
    ],
)
def test_what_says_a_thing_twice_or_not_to_the_end_decides_nothing(body: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        converse(READER, [VALUE], answer(body))


def test_a_media_type_that_is_not_json_decides_nothing() -> None:
    with pytest.raises(ProtocolBroken, match="text/html, not JSON"):
        converse(READER, [VALUE], answer({"status": "good"}, content_type="text/html"))


@pytest.mark.parametrize(
    "said, why, reasons",
    [
        ("good", "typo", ["POSSIBLE_TYPO"]),
        ("bad", ["full", "typo", "full", "never heard"], ["MAILBOX_FULL", "POSSIBLE_TYPO"]),
        ("bad", None, []),
        ("bad", {"a": 1}, []),
        ("bad", [["typo"], 3, True], []),
    ],
)
def test_reasons_are_those_that_are_mapped(said: str, why: object, reasons: list[str]) -> None:
    found = read(answer({"status": said, "why": why}))
    assert found is not None
    assert [reason.code.value for reason in found.reasons] == reasons
    assert not any(reason.retryable for reason in found.reasons)


def sort_of(type_: str, said: object) -> object:
    """Return the evidence that is read of `said` as a fact of this type."""
    one = service(f'{LOOK_UP}evidence.it = {{ type = "{type_}", read = "it" }}\n')
    _, found = converse(one, [VALUE], answer({"status": "good", "it": said}))
    evidence = found[VALUE].evidence
    assert isinstance(evidence, DeclaredFacts)
    return evidence.facts["it"]


@pytest.mark.parametrize(
    "type_, said, read_as",
    [
        ("String", "x", "x"),
        ("Int", 3, 3),
        ("Float", 3, 3.0),
        ("Float", 0.5, 0.5),
        ("Boolean", False, False),
        ("Date", "2026-01-31", "2026-01-31"),
        ("Date", "2026-01-31T23:59:59.123Z", "2026-01-31"),
        ("Date", "2026-01-31 23:59:59 UTC", "2026-01-31"),
        ("[String]", ["x", "y"], ["x", "y"]),
        ("[Date]", ["2026-01-31"], ["2026-01-31"]),
        ("[Float]", [], []),
        *[(type_, None, None) for type_ in ("String", "Int", "Float", "Boolean", "Date", "[Int]")],
    ],
)
def test_a_fact_is_of_its_type(type_: str, said: object, read_as: object) -> None:
    got = sort_of(type_, said)
    assert got == read_as
    assert type(got) is type(read_as)


@pytest.mark.parametrize(
    "type_, said",
    [
        ("String", 3),
        ("String", "x" * 20_000),
        ("Int", "3"),
        ("Int", True),
        ("Int", 3.0),
        ("Int", 2**31),
        ("Float", "0.5"),
        ("Float", True),
        ("Float", 10**400),
        ("Boolean", "false"),
        ("Boolean", 0),
        ("Date", "31.01.2026"),
        ("Date", "soon"),
        ("Date", 20260131),
        ("[String]", "x"),
        ("[String]", ["x", 3]),
        ("[String]", ["x"] * 500),
    ],
)
def test_a_fact_that_changed_its_type_decides_nothing(type_: str, said: object) -> None:
    with pytest.raises(ProtocolBroken):
        sort_of(type_, said)


def test_a_word_may_be_a_boolean_or_a_number_but_not_a_text_that_looks_like_one() -> None:
    head = LOOK_UP.partition("answer.status")[0]
    yes = service(
        f'{head}answer.status = {{ read = "ok", type = "Boolean",'
        ' map = { true = "VALID", false = "INVALID" } }\n'
    )
    number = service(
        f'{head}answer.status = {{ read = "ok", type = "Int", map = {{ "1" = "VALID" }} }}\n'
    )

    def concluded(one: object, said: object) -> str:
        _, found = converse(yes if one is yes else number, [VALUE], answer({"ok": said}))
        return found[VALUE].conclusion.value

    assert [concluded(yes, said) for said in (True, False)] == ["CONFIRMED", "REFUTED"]
    assert concluded(number, 1) == "CONFIRMED"
    strangers: list[object] = ["true", "false", 1, 0, None, [], "False"]
    for strange in strangers:
        assert concluded(yes, strange) == "UNDECIDED"
    for strange in ("1", True, 1.0, 2, None):
        assert concluded(number, strange) == "UNDECIDED"


def test_an_expression_that_does_not_fit_an_answer_decides_nothing() -> None:
    head = LOOK_UP.partition("answer.status")[0]
    one = service(
        f"{head}answer.status = {{ read = \"length(it) > `2` && 'long' || 'short'\","
        ' map = { long = "VALID" } }\n'
    )
    with pytest.raises(ProtocolBroken):
        converse(one, [VALUE], answer({"it": 3}))


def test_a_declared_provider_of_a_built_in_check_fills_its_evidence() -> None:
    mailbox = service(
        LOOK_UP.replace('kind = "email"', 'kind = "email"\ncheck = "mailbox"')
        + 'evidence.catchAll = { read = "all" }\nevidence.suggestion = { read = "hint" }\n'
    )
    _, found = converse(mailbox, [VALUE], answer({"status": "good", "all": True, "hint": "b"}))
    assert found[VALUE].evidence == MailboxState(catch_all=True, suggestion="b")
    register = service(
        'service = "http"\nkind = "vatNumber"\ncheck = "registry"\n'
        'base_url = "https://service.example"\ncall = { path = "/{value}" }\n'
        'answer.status = { read = "s", map = { good = "VALID" } }\n'
        'evidence.confirmed_at = { read = "at" }\n'
    )
    body = {"s": "good", "at": "2026-01-31T10:00:00Z"}
    _, by_register = converse(register, ["DE136695976"], answer(body))
    evidence = by_register["DE136695976"].evidence
    assert isinstance(evidence, VatRegistration)
    assert str(evidence.confirmed_at) == "2026-01-31 00:00:00+00:00"


def test_facts_that_were_kept_under_another_declaration_are_left_out() -> None:
    fact = Fact("score", "score", Sort.INT, listed=False, description="")
    sheet = sheet_of("email", "hunter", "", (fact,))

    def held(**facts: str | int) -> object:
        kept = Outcome("hunter", Conclusion.CONFIRMED, evidence=DeclaredFacts(dict(facts)))
        return sheet.held([kept])

    assert held(score="high") is None
    assert held(other=1) == sheet.holder()
    assert held(score=3) == sheet.holder(score=3)  # pyright: ignore[reportCallIssue] - made at run time


def test_an_answer_about_absence_has_facts_where_it_is_said_so() -> None:
    gone = answer({"code": "none", "score": 3, "since": "2015-02-01"}, 404)
    told = RULES.replace('status = "INVALID" }', 'status = "INVALID", evidence = true }')
    _, found = converse(service(LOOK_UP + told), [VALUE], gone)
    assert found[VALUE].conclusion is Conclusion.REFUTED
    assert found[VALUE].evidence == DeclaredFacts({"score": 3, "since": "2015-02-01"})
    _, found = converse(READER, [VALUE], gone)
    assert found[VALUE].evidence is None
    drifted = answer({"code": "none", "score": "3"}, 404)
    with pytest.raises(ProtocolBroken):
        converse(service(LOOK_UP + told), [VALUE], drifted)
