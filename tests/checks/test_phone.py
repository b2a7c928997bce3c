from typing import NamedTuple

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat

from checks import phone
from tests.checks.kinds import parts_of, reason_of


class Phone(NamedTuple):
    number: str
    region: str | None = None


GOOD = [
    ("+442079460958", None, "+442079460958"),
    ("+44 20 7946 0958", None, "+442079460958"),
    ("+44 (0)20 7946 0958", None, "+442079460958"),
    ("020 7946 0958", "GB", "+442079460958"),
    ("020 7946 0958", " gb ", "+442079460958"),
    ("0044 20 7946 0958", "DE", "+442079460958"),
    ("011 44 20 7946 0958", "US", "+442079460958"),
    ("tel:+44-20-7946-0958", None, "+442079460958"),
    ("+442079460958 ext. 12", None, "+442079460958"),
    ("\u202a+44\xa020\xa07946\xa00958\u202c", None, "+442079460958"),
    ("＋４４２０７９４６０９５８", None, "+442079460958"),
    ("٠٢٠ ٧٩٤٦ ٠٩٥٨", "GB", "+442079460958"),
    ("+442079460958", "XX", "+442079460958"),
    ("1-800-FLOWERS", "US", "+18003569377"),
    ("(415) 992-9960", "US", "+14159929960"),
    ("+1 500 555 0006", None, "+15005550006"),
    ("030 1234567", "DE", "+49301234567"),
    ("06 12 34 56 78", "FR", "+33612345678"),
    ("+39 06 698 83145", None, "+390669883145"),
    ("090-1234-5678", "JP", "+819012345678"),
    ("+800 1234 5678", None, "+80012345678"),
]

BAD = [
    ("", None, "EMPTY"),
    (" \u200e ", "GB", "EMPTY"),
    ("+", None, "MALFORMED"),
    ("hello", "GB", "MALFORMED"),
    ("@@@@", "GB", "MALFORMED"),
    ("+1", None, "MALFORMED"),
    ("+44 20", None, "WRONG_LENGTH"),
    ("+44 20 7946 09", None, "WRONG_LENGTH"),
    ("+44 20 7946 0958 0958", None, "WRONG_LENGTH"),
    ("+49 30 122222222222222222222", None, "WRONG_LENGTH"),
    ("112", "DE", "WRONG_LENGTH"),
    ("7946 0958", "GB", "WRONG_LENGTH"),
    ("+1 415 99", None, "WRONG_LENGTH"),
    ("+999 123 456", None, "UNKNOWN_COUNTRY"),
    ("+0 20 7946 0958", None, "UNKNOWN_COUNTRY"),
    ("020 7946 0958", "XX", "UNKNOWN_COUNTRY"),
    ("020 7946 0958", "Britain", "UNKNOWN_COUNTRY"),
    ("020 7946 0958", "\x00", "UNKNOWN_COUNTRY"),
    ("+1 555 555 5555", None, "UNASSIGNED_NUMBER"),
    ("+44 7700 900123", None, "UNASSIGNED_NUMBER"),
    ("+1 200 123 0101", None, "UNASSIGNED_NUMBER"),
    ("+44 20\n7946 0958", None, "FORBIDDEN_CHARACTER"),
    ("+44\x0020", None, "FORBIDDEN_CHARACTER"),
    ("\udcff+44", None, "FORBIDDEN_CHARACTER"),
    ("1" * 2_000_000, "GB", "TOO_LONG"),
]


@pytest.mark.parametrize("number, region, canonical", GOOD)
def test_a_good_number_becomes_e164(number: str, region: str | None, canonical: str) -> None:
    examined = phone.examine(Phone(number, region))
    assert examined.canonical == canonical
    assert reason_of(examined, "syntax") == ("CONFIRMED", None)


@pytest.mark.parametrize("number, region, code", BAD, ids=lambda part: ascii(part)[:30])
def test_a_bad_number_is_refuted_with_its_reason(number: str, region: str, code: str) -> None:
    examined = phone.examine(Phone(number, region))
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("REFUTED", code)


@pytest.mark.parametrize("region", [None, "", "  "])
def test_a_national_number_without_region_is_undecided(region: str | None) -> None:
    """It may be right in some country, so nobody found it wrong."""
    examined = phone.examine(Phone("020 7946 0958", region))
    assert examined.canonical is None
    assert reason_of(examined, "syntax") == ("UNDECIDED", "UNKNOWN_COUNTRY")
    assert parts_of(examined, "syntax") == ("region",)


def test_every_countrys_example_meets_in_one_canonical_number() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number(region)
        assert number is not None
        national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
        examined = phone.examine(Phone(national, region))
        assert examined.canonical is not None, region
        assert examined.canonical == phone.examine(Phone(international)).canonical
        assert examined.facts is not None
        # Some territories share a country code, and then the first of them is named.
        assert examined.facts.region is not None
        code = phonenumbers.country_code_for_region(examined.facts.region)
        assert code == phonenumbers.country_code_for_region(region)
