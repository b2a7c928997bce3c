"""Kinds of one's own: their form, and the parts of values that templates name."""

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import parts
from checks.declared import Form, result_class, stdnum_module, stdnum_names
from checks.kinds import KINDS
from checks.parts import part_names, parts_of
from verdicts.reason import ReasonCode
from verdicts.verdict import RecordResult

ISIN = Form(
    strip=" -",
    case="upper",
    pattern=re.compile("(?P<country>[A-Z]{2})(?P<nsin>[A-Z0-9]{9})[0-9]"),
    number=stdnum_module("isin"),
)


@pytest.mark.parametrize(
    "sent, canonical",
    [
        ("US0378331005", "US0378331005"),
        (" us-0378 331005\u200b", "US0378331005"),
        ("US0378331006", ReasonCode.WRONG_CHECK_DIGIT),
        ("US037833100", ReasonCode.MALFORMED),
        ("ZZ0378331005", ReasonCode.MALFORMED),
        ("", ReasonCode.EMPTY),
        (" - ", ReasonCode.MALFORMED),
        ("US03783\x0031005", ReasonCode.FORBIDDEN_CHARACTER),
        ("U" * 200, ReasonCode.TOO_LONG),
    ],
)
def test_a_value_of_a_declared_kind_has_its_form(sent: str, canonical: str | ReasonCode) -> None:
    assert ISIN.canonical(sent) == canonical


@given(st.text(max_size=30) | st.from_regex("[a-z -]{0,3}US0378331005[ -]?", fullmatch=True))
def test_a_canonical_value_is_its_own(text: str) -> None:
    for form in (ISIN, Form(strip=".", case="lower", pattern=re.compile("[a-z0-9.]+"))):
        canonical = form.canonical(text)
        if isinstance(canonical, str):
            assert form.canonical(canonical) == canonical


def test_the_parts_of_a_declared_kind_are_the_named_groups_of_its_pattern() -> None:
    assert ISIN.part_names == ("value", "country", "nsin")
    assert ISIN.parts("US0378331005") == {
        "value": "US0378331005",
        "country": "US",
        "nsin": "037833100",
    }
    assert Form(number=stdnum_module("isin")).parts("US0378331005") == {"value": "US0378331005"}


@pytest.mark.parametrize(
    "name", ["", "isn", "os", "../isin", "isin.validate", "de", "util", "De.idnr"]
)
def test_only_modules_that_validate_are_number_modules(name: str) -> None:
    with pytest.raises(KeyError):
        stdnum_module(name)


def test_number_modules_are_known_by_name() -> None:
    names = stdnum_names()
    assert {"isin", "de.idnr", "luhn"} <= set(names)
    assert stdnum_module("de.idnr").validate("36574261809") == "36574261809"


@pytest.mark.parametrize(
    "kind, value, named",
    [
        ("email", "a@b@c.example", {"local": "a@b", "domain": "c.example"}),
        ("phone", "+442079460958", {"digits": "442079460958", "country_code": "44"}),
        ("phone", "+442079460958", {"region": "GB", "national": "2079460958"}),
        ("iban", "GB33BUKB20201555555555", {"country": "GB", "check_digits": "33"}),
        ("company", "US-DE/12/34", {"jurisdiction": "US-DE", "country": "US", "number": "12/34"}),
        ("address", "Street 1\nTown\nGB", {"lines": "Street 1, Town", "country": "GB"}),
        ("postcode", "GB/SW1A 2AA", {"country": "GB", "code": "SW1A 2AA"}),
    ],
)
def test_a_canonical_value_has_its_parts(kind: str, value: str, named: dict[str, str]) -> None:
    found = parts_of(kind)(value)
    assert found["value"] == value
    assert named.items() <= found.items()
    assert tuple(found) == part_names(kind)


def test_every_built_in_kind_has_parts() -> None:
    for module in KINDS:
        assert "value" in part_names(module.KIND.name)
    assert doctest.testmod(parts).failed == 0


def test_results_are_the_usual_ones_where_nothing_is_declared() -> None:
    assert result_class(KINDS) is RecordResult
