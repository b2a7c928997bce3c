from typing import NamedTuple

import pytest

from checks import company
from tests.checks.kinds import parts_of, reason_of


class Company(NamedTuple):
    number: str | None = None
    jurisdiction: str | None = None
    name: str | None = None


GOOD = [
    ("00012345", "GB", "GB/00012345"),
    ("12345", "GB", "GB/00012345"),
    (" 0001 2345 ", "gb", "GB/00012345"),
    ("00012345", "UK", "GB/00012345"),
    ("00012345", "GB-ENG", "GB/00012345"),
    ("00012345", "GB-WLS", "GB/00012345"),
    ("00012345", "gb_eaw", "GB/00012345"),
    ("SC123456", "GB-SCT", "GB/SC123456"),
    ("sc 1234", "GB", "GB/SC001234"),
    ("NI012345", "GB-NIR", "GB/NI012345"),
    ("OC300001", "GB", "GB/OC300001"),
    ("OE000123", "GB", "GB/OE000123"),
    ("FC-012345", "GB", "GB/FC012345"),
    ("IP12345R", "GB", "GB/IP12345R"),
    ("R0000123", "GB", "GB/R0000123"),
    ("R123", "GB", "GB/R0000123"),
    ("１２３４５", "GB", "GB/00012345"),
    ("HRB  123456 b", "DE", "DE/HRB 123456 B"),
    ("552 032 534", "FR", "FR/552 032 534"),
    ("0806592", "US-CA", "US-CA/0806592"),
    ("1234567", "us-de", "US-DE/1234567"),
    ("556012-5790", "SE", "SE/556012-5790"),
    ("5790", "EL", "GR/5790"),
]

BAD = [
    (None, None, None, "EMPTY"),
    ("", "", " ", "EMPTY"),
    (" \u200b", "GB", None, "EMPTY"),
    ("123456789", "GB", None, "WRONG_LENGTH"),
    ("SC1234567", "GB", None, "WRONG_LENGTH"),
    ("HRB123456", "GB", None, "WRONG_LENGTH"),
    ("ABC12345", "GB", None, "MALFORMED"),
    ("S1234567", "GB", None, "MALFORMED"),
    ("12345678"[:7] + "X", "GB", None, "MALFORMED"),
    ("SC", "GB", None, "MALFORMED"),
    ("ACME", "GB", None, "MALFORMED"),
    ("12R", "GB", None, "MALFORMED"),
    ("--", "GB", None, "MALFORMED"),
    ("00012345", "XX", "Acme", "UNKNOWN_COUNTRY"),
    ("00012345", "England", None, "UNKNOWN_COUNTRY"),
    ("00012345", "US-CALIFORNIA", None, "UNKNOWN_COUNTRY"),
    ("00012345", "-ENG", None, "UNKNOWN_COUNTRY"),
    ("00012345;", "GB", None, "FORBIDDEN_CHARACTER"),
    ("0001\x002345", "GB", None, "FORBIDDEN_CHARACTER"),
    ("00012345", "GB", "Ac\x00me", "FORBIDDEN_CHARACTER"),
    ("00012345", "\ud800", None, "FORBIDDEN_CHARACTER"),
    ("1" * 2_000_000, "GB", None, "TOO_LONG"),
    ("00012345", "GB", "x" * 2_000_000, "TOO_LONG"),
]


@pytest.mark.parametrize("number, jurisdiction, canonical", GOOD)
def test_a_good_number_has_one_canonical_form(
    number: str, jurisdiction: str, canonical: str
) -> None:
    examined = company.examine(Company(number, jurisdiction, "Acme Ltd"))
    assert examined.canonical == canonical
    where, _, registered = canonical.partition("/")
    assert examined.facts == company.CompanyFacts(where, registered, "Acme Ltd")


@pytest.mark.parametrize("number, jurisdiction, name, code", BAD, ids=lambda part: ascii(part)[:30])
def test_a_bad_company_is_refuted_with_its_reason(
    number: str | None, jurisdiction: str | None, name: str | None, code: str
) -> None:
    examined = company.examine(Company(number, jurisdiction, name))
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("REFUTED", code)


@pytest.mark.parametrize(
    "value, missing",
    [
        (Company(name="Acme Ltd"), ("number", "jurisdiction")),
        (Company("", "GB", "Acme Ltd"), ("number",)),
        (Company(None, "GB", "Acme Ltd"), ("number",)),
        (Company("00012345"), ("jurisdiction",)),
        (Company("00012345", " ", "Acme Ltd"), ("jurisdiction",)),
    ],
)
def test_a_company_without_number_or_jurisdiction_is_undecided(
    value: Company, missing: tuple[str, ...]
) -> None:
    """A register may have it; that nobody can be asked is no fault of the company."""
    examined = company.examine(value)
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("UNDECIDED", "MISSING_PART")
    assert parts_of(examined, "syntax") == missing
