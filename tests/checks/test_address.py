from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import address
from tests.checks.kinds import parts_of, reason_of


class Address(NamedTuple):
    lines: Sequence[str] | None = None
    locality: str | None = None
    administrative_area: str | None = None
    postal_code: str | None = None
    country: str | None = None


STREET = ["10 Downing Street"]
PART = st.text(max_size=12) | st.sampled_from(
    ["GB", "us", "HK", "1 Rd", "a,b;", "\n", "SW1A 2AA", "94043", "CA", "ß", "x\r\ny", ","]
)

GOOD = [
    (Address(STREET, "London", None, "SW1A 2AA", "GB"), "10 Downing Street|London||SW1A 2AA|GB"),
    (
        Address(["10 Downing Street,", " , "], "London,", ";", "SW1A 2AA", "GB"),
        "10 Downing Street|London||SW1A 2AA|GB",
    ),
    (Address(STREET, "London", "", "sw1a2aa", "uk"), "10 Downing Street|London||SW1A 2AA|GB"),
    (
        Address([" 10  Downing\xa0Street ", ""], "London\u200b", None, "SW1A  2AA", " gb "),
        "10 Downing Street|London||SW1A 2AA|GB",
    ),
    (
        Address(["Flat 1\n2 Road"], "Leeds", None, "LS1 1AA", "GB"),
        "Flat 1|2 Road|Leeds||LS1 1AA|GB",
    ),
    (
        Address(["Flat 1", "2 Road"], "Leeds", None, "LS1 1AA", "GB"),
        "Flat 1|2 Road|Leeds||LS1 1AA|GB",
    ),
    (Address(["a\r\nb\rc"], "Leeds", None, "LS1 1AA", "GB"), "a|b|c|Leeds||LS1 1AA|GB"),
    (
        Address(["Unter den Linden 1"], "Berlin", None, "D-10117", "DE"),
        "Unter den Linden 1|Berlin||10117|DE",
    ),
    (
        Address(["Musterstrasse 1"], "Zu\u0308rich", None, "8000", "CH"),
        "Musterstrasse 1|Zürich||8000|CH",
    ),
    (
        Address(["1 Infinite Loop"], "Cupertino", "CA", "95014", "US"),
        "1 Infinite Loop|Cupertino|CA|95014|US",
    ),
    (Address(["1 Main St"], "Toronto", "ON", "h3z2y7", "CA"), "1 Main St|Toronto|ON|H3Z 2Y7|CA"),
    (Address(["Damrak 1"], "Amsterdam", None, "1012lg", "NL"), "Damrak 1|Amsterdam||1012 LG|NL"),
    (Address(["1 Rd"], "Dublin", None, None, "IE"), "1 Rd|Dublin|||IE"),
    (Address(["1 Rd"], None, "Dubai", None, "AE"), "1 Rd||Dubai||AE"),
    (Address(["1 Rd"], "Kowloon", "Kowloon", None, "HK"), "1 Rd|Kowloon|Kowloon||HK"),
    (Address(["1 Rd"], "Pyongyang", None, None, "KP"), "1 Rd|Pyongyang|||KP"),
    (Address(["1-1"], "Chiyoda", "Tokyo", "1000001", "JP"), "1-1|Chiyoda|Tokyo|100-0001|JP"),
    (Address(["Rua A 1"], "Lisboa", None, "1250-096", "PT"), "Rua A 1|Lisboa||1250-096|PT"),
    (Address(["Όδος 1"], "Αθήνα", None, "10188", "EL"), "Όδος 1|Αθήνα||101 88|GR"),
    (Address(["北京路1号"], "北京", "北京", "100096", "CN"), "北京路1号|北京|北京|100096|CN"),
    (Address(("1 Rd",), "Singapore", None, "546080", "SG"), "1 Rd|Singapore||546080|SG"),
]

BAD = [
    (Address(), "EMPTY"),
    (Address([], "", " ", "", ""), "EMPTY"),
    (Address(["", " "]), "EMPTY"),
    (Address(STREET, "London", None, "SW1A 2A", "GB"), "MALFORMED"),
    (Address(STREET, "London", None, "10117", "GB"), "MALFORMED"),
    (Address(STREET, "Berlin", None, "1011", "DE"), "MALFORMED"),
    (Address(STREET, "Berlin", None, "unknown", "DE"), "MALFORMED"),
    (Address(STREET, "Zürich", None, "80000", "CH"), "MALFORMED"),
    (Address(STREET, "Cupertino", "CA", "9501", "US"), "MALFORMED"),
    (Address(STREET, None, None, "SW1A 2A", "GB"), "MALFORMED"),
    (Address(STREET, "London", None, "SW1A 2AA", "XX"), "UNKNOWN_COUNTRY"),
    (Address(STREET, "London", None, "SW1A 2AA", "ZZ"), "UNKNOWN_COUNTRY"),
    (Address(STREET, "London", None, "SW1A 2AA", "United Kingdom"), "UNKNOWN_COUNTRY"),
    (Address(STREET, "London", None, "SW1A 2AA", "GBR"), "UNKNOWN_COUNTRY"),
    (Address(STREET, "London", None, "SW1A 2AA", "\x00"), "UNKNOWN_COUNTRY"),
    (Address(["10\x00"], "London", None, "SW1A 2AA", "GB"), "FORBIDDEN_CHARACTER"),
    (Address(STREET, "Lon\ndon", None, "SW1A 2AA", "GB"), "FORBIDDEN_CHARACTER"),
    (Address(STREET, "London", "\ud800", "SW1A 2AA", "GB"), "FORBIDDEN_CHARACTER"),
    (Address(STREET, "London", None, "SW1A\x1b2AA", "GB"), "FORBIDDEN_CHARACTER"),
    (Address(["x" * 2_000_000], "London", None, "SW1A 2AA", "GB"), "TOO_LONG"),
    (Address(["\n" * 2_000_000], "London", None, "SW1A 2AA", "GB"), "TOO_LONG"),
    (Address(["x"] * 11, "London", None, "SW1A 2AA", "GB"), "TOO_LONG"),
    (Address(["a\n" * 11], "London", None, "SW1A 2AA", "GB"), "TOO_LONG"),
    (Address(STREET, "London" * 100, None, "SW1A 2AA", "GB"), "TOO_LONG"),
    (Address(STREET, "London", None, "S" * 25, "GB"), "TOO_LONG"),
]

INCOMPLETE = [
    (Address(None, "London", None, "SW1A 2AA", "GB"), ("lines",)),
    (Address([" "], "London", None, "SW1A 2AA", "GB"), ("lines",)),
    (Address(STREET, None, None, "SW1A 2AA", "GB"), ("locality",)),
    (Address(STREET, "London", None, None, "GB"), ("postalCode",)),
    (Address(STREET, "Cupertino", None, "95014", "US"), ("administrativeArea",)),
    (Address(country="US"), ("lines", "locality", "administrativeArea", "postalCode")),
]


@pytest.mark.parametrize("value, canonical", GOOD)
def test_a_whole_address_has_one_canonical_form(value: Address, canonical: str) -> None:
    examined = address.examine(value)
    assert examined.canonical == canonical.replace("|", "\n")
    assert reason_of(examined, "parts") == ("CONFIRMED", None)


@pytest.mark.parametrize("value, code", BAD, ids=lambda part: ascii(part)[:40])
def test_a_bad_address_is_refuted_with_its_reason(value: Address, code: str) -> None:
    examined = address.examine(value)
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("REFUTED", code)


@pytest.mark.parametrize("value, missing", INCOMPLETE)
def test_a_missing_part_is_doubtful_and_named(value: Address, missing: tuple[str, ...]) -> None:
    examined = address.examine(value)
    assert reason_of(examined, "parts") == ("DOUBTFUL", "MISSING_PART")
    assert parts_of(examined, "parts") == missing
    assert examined.facts is not None
    assert examined.facts.missing == missing
    assert (examined.canonical is None) is ("lines" in missing)


@pytest.mark.parametrize("country", [None, "", " "])
def test_an_address_without_country_is_undecided(country: str | None) -> None:
    examined = address.examine(Address(STREET, "London", None, "SW1A 2AA", country))
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("UNDECIDED", "MISSING_PART")
    assert parts_of(examined, "syntax") == ("country",)


@given(st.builds(Address, st.lists(PART, max_size=12), PART, PART, PART, PART))
def test_a_canonical_address_can_be_taken_apart_and_is_its_own_canonical_form(
    value: Address,
) -> None:
    examined = address.examine(value)
    if examined.canonical is None or examined.facts is None:
        return
    *lines, locality, area, postal_code, country = examined.canonical.split("\n")
    again = address.examine(Address(lines, locality, area, postal_code, country))
    assert again.canonical == examined.canonical
    assert again.facts == examined.facts
    assert lines
    assert country == examined.facts.country
    assert (postal_code or None) == examined.facts.postal_code


def test_addresses_in_other_letters_and_with_other_commas_are_one_question() -> None:
    spellings = [
        Address(["10 Downing Street"], "London", None, "SW1A 2AA", "GB"),
        Address([" 10  DOWNING STREET, "], "LONDON ", "", "sw1a2aa", "uk"),
        Address(["10 downing street\n"], "london,", None, "SW1A2AA", "Gb"),
    ]
    (check,) = address.KIND.asked
    canonical = [address.examine(one).canonical or "" for one in spellings]
    assert {check.subject(one) for one in canonical} == {
        "10 DOWNING STREET\nLONDON\n\nSW1A 2AA\nGB"
    }


def test_where_a_part_stands_makes_another_address() -> None:
    town = address.examine(Address(["1 Rd"], "Dubai", None, None, "AE")).canonical
    emirate = address.examine(Address(["1 Rd"], None, "Dubai", None, "AE")).canonical
    assert town != emirate
