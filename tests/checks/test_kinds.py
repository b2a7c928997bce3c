"""Promises that all kinds keep."""

import doctest
import importlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks import address, email, iban, kinds, lei, vat
from checks.kinds import KINDS, KindModule
from verdicts.evidence import (
    AddressDeliverability,
    CompanyRegistration,
    Evidence,
    LeiRegistration,
    MailboxState,
    MailHosts,
    PhoneLine,
    PostcodeArea,
    VatRegistration,
)
from verdicts.examined import Decided, Examined
from verdicts.outcome import Conclusion, Outcome
from verdicts.record import Record
from verdicts.rule import decide
from verdicts.verdict import RecordResult, Source, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "email": "ada@example.com",
    "phone": SimpleNamespace(number="+442079460958", region=None),
    "vatNumber": "DE136695976",
    "iban": "DE89370400440532013000",
    "lei": "529900T8BM49AURSDO55",
    "company": SimpleNamespace(number="00012345", jurisdiction="GB", name=None),
    "address": SimpleNamespace(
        lines=["10 Downing Street"],
        locality="London",
        administrative_area=None,
        postal_code="SW1A 2AA",
        country="GB",
    ),
    "postcode": SimpleNamespace(code="SW1A 2AA", country="GB"),
}
EVIDENCE: dict[str, dict[str, Evidence]] = {
    "email": {
        "domain": MailHosts(("mx.example.com",)),
        "mailbox": MailboxState(
            deliverable=True, catch_all=False, free_provider=False, suggestion="ada@example.org"
        ),
    },
    "phone": {"line": PhoneLine("mobile")},
    "vatNumber": {"registry": VatRegistration("ACME")},
    "lei": {"registry": LeiRegistration("ACME SE")},
    "company": {"registry": CompanyRegistration("ACME LTD")},
    "address": {"deliverability": AddressDeliverability("10 Downing Street", "PREMISE")},
    "postcode": {"registry": PostcodeArea("England")},
}
BY_NAME = pytest.mark.parametrize("module", KINDS, ids=lambda module: module.KIND.name)
STRINGS = pytest.mark.parametrize("module", [email, vat, iban, lei], ids=lambda m: m.KIND.name)

# Every code point, surrogates and NUL among them, and texts that look like values.
TEXT = (
    st.text(st.characters(codec=None), max_size=80)
    | st.text("abcdeDEGBXI0123456789 .-+@/*'\"\u200b\x00Üüß①", max_size=40)
    | st.from_regex(r"[A-Z]{2}[0-9A-Z+* .]{0,24}", fullmatch=True)
    | st.from_regex(r"\S{1,20}@\S{1,20}\.\w{1,6}", fullmatch=True)
)
MAYBE = st.none() | TEXT | st.sampled_from(["GB", "us", "DE", "GB-SCT", "NL", "XX", "UK"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "phone": st.builds(SimpleNamespace, number=TEXT, region=MAYBE),
    "company": st.builds(SimpleNamespace, number=MAYBE, jurisdiction=MAYBE, name=MAYBE),
    "address": st.builds(
        SimpleNamespace,
        lines=st.none() | st.lists(TEXT, max_size=12),
        locality=MAYBE,
        administrative_area=MAYBE,
        postal_code=MAYBE,
        country=MAYBE,
    ),
    "postcode": st.builds(SimpleNamespace, code=TEXT, country=MAYBE),
}


def decided(outcomes: tuple[Outcome, ...]) -> Decided:
    """Return a decision over `outcomes` alone."""
    return Decided(decide(outcomes), (), outcomes, NOW, None, Source.LOCAL)


def holds(module: KindModule, examined: Examined[Any]) -> None:
    """Assert what is true of every examined value of a kind."""
    names = [outcome.check for outcome in examined.outcomes]
    local = [check.name for check in module.KIND.checks if check.local]
    assert names == local[: len(names)], "local outcomes come in the order of the policy"
    assert names, "something was looked at"
    for outcome in examined.outcomes:
        assert bool(outcome.reasons) == (outcome.conclusion is not Conclusion.CONFIRMED)
    conclusions = {outcome.conclusion for outcome in examined.outcomes}
    stopped = conclusions & {Conclusion.REFUTED, Conclusion.UNDECIDED}
    nowhere = module is address and examined.facts and "lines" in examined.facts.missing
    assert (examined.canonical is None) == bool(stopped or nowhere)
    assert (examined.canonical is None) or len(names) == len(local)
    if examined.canonical is not None:
        examined.canonical.encode()  # a provider can be asked: no half characters
        assert examined.canonical
        assert "\x00" not in examined.canonical
        for check in module.KIND.asked:
            assert check.subject(examined.canonical)
    verdict = module.verdict(examined, decided(examined.outcomes))
    assert verdict.kind == module.KIND.name
    assert verdict.normalized == examined.canonical


@STRINGS
@given(value=TEXT)
@example("")
@example("\ud800@example.com")
@example("İ@İ.com")
def test_a_text_of_any_sort_is_examined_and_its_canonical_form_is_stable(
    module: KindModule, value: str
) -> None:
    examined = module.examine(value)
    assert examined.input == value
    holds(module, examined)
    if examined.canonical is not None:
        again = module.examine(examined.canonical)
        assert again.canonical == examined.canonical
        assert again.facts == examined.facts
        assert module.examine(f" \t{value}\u200b").canonical == examined.canonical


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_a_value_of_any_sort_is_examined(name: str, data: st.DataObject) -> None:
    module = kinds.kind_of(name)
    holds(module, module.examine(data.draw(VALUES[name])))


@given(data=st.data())
def test_canonical_phones_companies_and_postcodes_are_stable(data: st.DataObject) -> None:
    phone, company, postcode = (kinds.kind_of(name) for name in ("phone", "company", "postcode"))
    e164 = phone.examine(data.draw(VALUES["phone"])).canonical
    if e164 is not None:
        assert phone.examine(SimpleNamespace(number=e164, region=None)).canonical == e164
    for module, part in ((company, "number"), (postcode, "code")):
        canonical = module.examine(data.draw(VALUES[module.KIND.name])).canonical
        if canonical is not None:
            where, _, rest = canonical.partition("/")
            place = "jurisdiction" if part == "number" else "country"
            value = SimpleNamespace(**{part: rest, place: where, "name": None}, region=None)
            assert module.examine(value).canonical == canonical


DIGITS = st.text("0123456789", min_size=6, max_size=12)


@given(
    prefix=st.sampled_from(["DE", "GB", "FR", "NL", "IE", "CHE", "IN", "IS", "BR", "RU", "AZ"]),
    rest=st.text("0123456789ABCXYZ+*", max_size=16),
)
def test_no_countrys_vat_module_breaks_on_odd_signs(prefix: str, rest: str) -> None:
    holds(vat, vat.examine(prefix + rest))


HUGE: list[Callable[[], str]] = [
    lambda: "a" * 2_000_000,
    lambda: " " * 2_000_000,
    lambda: "a@" * 1_000_000,
    lambda: "é" * 2_000_000,
    lambda: "\x00" * 2_000_000,
    lambda: "a@" + "a-" * 1_000_000 + ".com",
    lambda: "1" * 240,
    lambda: "a." * 32,
    lambda: "a-" * 31,
    lambda: "+1(" * 33,
    lambda: '"' + "\\" * 250,
]


@BY_NAME
def test_a_huge_or_wicked_value_is_refused_at_once(module: KindModule) -> None:
    """The bound is generous, and a thousand times what each takes: it catches wild growth only."""
    started = time.process_time()
    for make in HUGE:
        text = make()
        value: Any = text
        if module.KIND.name in VALUES:
            value = SimpleNamespace(
                number=text, region=text, jurisdiction=text, name=text, code=text, country="GB",
                lines=[text] * 20, locality=text, administrative_area=text, postal_code=text,
            )  # fmt: skip
        assert module.examine(value).canonical is None
    assert time.process_time() - started < 5


@BY_NAME
def test_every_field_that_needs_a_provider_is_filled_by_its_check(module: KindModule) -> None:
    kind = module.KIND
    examined = module.examine(GOOD[kind.name])
    found = tuple(
        Outcome(check.name, Conclusion.CONFIRMED, evidence=EVIDENCE[kind.name][check.name])
        for check in kind.asked
    )
    local = module.verdict(examined, decided(examined.outcomes))
    full = module.verdict(examined, decided(examined.outcomes + found))
    assert full.status is Status.VALID
    assert set(kind.needs.values()) == {check.name for check in kind.asked}
    for path in kind.needs:
        value_without: Any = local
        value_with: Any = full
        for name in path.split("."):
            value_without, value_with = getattr(value_without, name), getattr(value_with, name)
        assert value_without is None
        assert value_with is not None


@BY_NAME
@pytest.mark.parametrize("conclusion", [Conclusion.UNDECIDED, Conclusion.DOUBTFUL])
def test_a_check_that_found_nothing_never_makes_a_good_value_invalid(
    module: KindModule, conclusion: Conclusion
) -> None:
    examined = module.examine(GOOD[module.KIND.name])
    found = tuple(Outcome(check.name, conclusion) for check in module.KIND.asked)
    verdict = module.verdict(examined, decided(examined.outcomes + found))
    assert verdict.status is not Status.INVALID


@pytest.mark.parametrize(
    "conclusion, expected",
    [
        (Conclusion.CONFIRMED, True),
        (Conclusion.REFUTED, False),
        (Conclusion.UNDECIDED, None),
        (Conclusion.DOUBTFUL, None),
    ],
)
def test_only_a_dns_that_answered_says_whether_a_domain_takes_mail(
    conclusion: Conclusion, expected: object
) -> None:
    examined = email.examine("ada@example.com")
    verdict = email.verdict(examined, decided((*examined.outcomes, Outcome("domain", conclusion))))
    assert verdict.domain is not None
    assert verdict.domain.accepts_mail is expected


def test_there_is_a_kind_for_every_field_of_a_record() -> None:
    fields = {name for name in vars(Record) if not name.startswith("_")} - {"ref"}
    assert [module.KIND.field for module in KINDS] == [
        name for name in RecordResult.__struct_fields__ if name in fields
    ]
    for module in KINDS:
        assert kinds.kind_of(module.KIND.name) is module
        assert kinds.kind_of_field(module.KIND.field) is module
        annotation = get_type_hints(RecordResult)[module.KIND.field]
        assert kinds.verdict_class(module) in annotation.__args__


def test_an_unknown_kind_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        kinds.kind_of("colour")


def test_a_missing_list_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(email, "ROLES_FILE", tmp_path / "role_accounts.json")
    email.role_accounts.cache_clear()
    with pytest.raises(FileNotFoundError, match="make setup"):
        kinds.load()


@pytest.mark.parametrize(
    "name",
    ["address", "company", "countries", "email", "iban", "lei", "phone", "postcode", "vat"],
)
def test_the_examples_in_the_kinds_are_true(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(f"checks.{name}"))
    assert tried.attempted > 0
    assert tried.failed == 0
