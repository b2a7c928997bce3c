from typing import NamedTuple

import pytest

from checks import postcode
from checks.countries import country_form
from tests.checks.kinds import parts_of, reason_of


class Postcode(NamedTuple):
    code: str
    country: str | None = None


GOOD = [
    ("SW1A 2AA", "GB", "GB/SW1A 2AA"),
    ("sw1a2aa", "GB", "GB/SW1A 2AA"),
    (" SW1A\xa02AA ", "GB", "GB/SW1A 2AA"),
    ("SW1A  2AA", "gb", "GB/SW1A 2AA"),
    ("SW1A 2AA", "UK", "GB/SW1A 2AA"),
    ("m25bq", "GB", "GB/M2 5BQ"),
    ("EC1Y8SY", "GB", "GB/EC1Y 8SY"),
    ("gir0aa", "GB", "GB/GIR 0AA"),
    ("bfpo61", "GB", "GB/BFPO 61"),
    ("10115", "DE", "DE/10115"),
    ("D-10115", "DE", "DE/10115"),
    ("1234ab", "NL", "NL/1234 AB"),
    ("h3z2y7", "CA", "CA/H3Z 2Y7"),
    ("95014", "US", "US/95014"),
    ("221621010", "US", "US/22162-1010"),
    ("22162 1010", "US", "US/22162-1010"),
    ("SE-114 55", "SE", "SE/11455"),
    ("CH-8000", "CH", "CH/8000"),
    ("L-1234", "LU", "LU/1234"),
    ("00950", "PL", "PL/00-950"),
    ("1540023", "JP", "JP/154-0023"),
    ("LV1073", "LV", "LV/LV-1073"),
    ("a65f4e2", "IE", "IE/A65 F4E2"),
    ("101 88", "EL", "GR/101 88"),
    ("999077", "HK", "HK/999077"),
]

BAD = [
    ("", "GB", "EMPTY"),
    (" ", None, "EMPTY"),
    ("SW1A 2A", "GB", "MALFORMED"),
    ("SW1A", "GB", "MALFORMED"),
    ("ZZ1A 2AA", "GB", "MALFORMED"),
    ("SW1A 2CC", "GB", "MALFORMED"),
    ("10115", "GB", "MALFORMED"),
    ("1011", "DE", "MALFORMED"),
    ("101155", "DE", "MALFORMED"),
    ("O1234", "DE", "MALFORMED"),
    ("SW1A 2AA", "DE", "MALFORMED"),
    ("0123 AB", "NL", "MALFORMED"),
    ("D3Z 2Y7", "CA", "MALFORMED"),
    ("2216210", "US", "MALFORMED"),
    ("-", "US", "MALFORMED"),
    ("SW1A 2AA", "XX", "UNKNOWN_COUNTRY"),
    ("SW1A 2AA", "ZZ", "UNKNOWN_COUNTRY"),
    ("SW1A 2AA", "Britain", "UNKNOWN_COUNTRY"),
    ("SW1A 2AA", "../gb", "UNKNOWN_COUNTRY"),
    ("SW1A 2AA", "\x00", "UNKNOWN_COUNTRY"),
    ("SW1A 2AA", "G" * 2_000_000, "UNKNOWN_COUNTRY"),
    ("SW1A_2AA", "GB", "FORBIDDEN_CHARACTER"),
    ("SW1A\x002AA", "GB", "FORBIDDEN_CHARACTER"),
    ("\ud812", "GB", "FORBIDDEN_CHARACTER"),
    ("1" * 2_000_000, "GB", "TOO_LONG"),
]


@pytest.mark.parametrize("code, country, canonical", GOOD)
def test_a_good_postcode_has_one_canonical_form(code: str, country: str, canonical: str) -> None:
    examined = postcode.examine(Postcode(code, country))
    assert examined.canonical == canonical
    assert examined.facts == postcode.PostcodeFacts(canonical[:2])


@pytest.mark.parametrize("code, country, reason", BAD, ids=lambda part: ascii(part)[:30])
def test_a_bad_postcode_is_refuted_with_its_reason(code: str, country: str, reason: str) -> None:
    examined = postcode.examine(Postcode(code, country))
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("REFUTED", reason)


@pytest.mark.parametrize("country", [None, "", "  "])
def test_a_postcode_without_country_is_undecided(country: str | None) -> None:
    examined = postcode.examine(Postcode("SW1A 2AA", country))
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("UNDECIDED", "MISSING_PART")
    assert parts_of(examined, "syntax") == ("country",)


@pytest.mark.parametrize(
    "country", ["GB", "NL", "CA", "US", "BR", "PL", "JP", "SE", "LV", "AI", "BM"]
)
def test_every_writing_of_an_example_meets_in_one_canonical_postcode(country: str) -> None:
    form = country_form(country)
    assert form is not None
    for example in form.examples:
        bare = example.replace(" ", "").replace("-", "")
        for written in (example, bare, example.lower(), f"{country}-{example}", f" {example}\t"):
            examined = postcode.examine(Postcode(written, country))
            assert examined.canonical == f"{country}/{example}", written
