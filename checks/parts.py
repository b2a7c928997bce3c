"""A canonical value in its parts, by the names that templates of declared services use.

>>> parts_of("vatNumber")("DE136695976")["number"]
'136695976'
>>> parts_of("company")("US-DE/1234")["country"]
'US'
"""

from collections.abc import Callable, Mapping

import phonenumbers

Parts = Mapping[str, str]
PartsOf = Callable[[str], Parts]
WHOLE = "value"
"""In every kind: the canonical value itself."""


def _email(value: str) -> Parts:
    local, _, domain = value.rpartition("@")
    return {WHOLE: value, "local": local, "domain": domain}


def _phone(value: str) -> Parts:
    number = phonenumbers.parse(value)
    return {
        WHOLE: value,
        "digits": value.removeprefix("+"),
        "country_code": str(number.country_code),
        "national": phonenumbers.national_significant_number(number),
        "region": phonenumbers.region_code_for_number(number) or "",
    }


def _vat(value: str) -> Parts:
    return {WHOLE: value, "country": value[:2], "number": value[2:]}


def _iban(value: str) -> Parts:
    return {WHOLE: value, "country": value[:2], "check_digits": value[2:4], "bban": value[4:]}


def _lei(value: str) -> Parts:
    return {WHOLE: value}


def _company(value: str) -> Parts:
    jurisdiction, _, number = value.partition("/")
    country = jurisdiction.partition("-")[0]
    return {WHOLE: value, "jurisdiction": jurisdiction, "country": country, "number": number}


def _address(value: str) -> Parts:
    *lines, country = value.split("\n")
    return {WHOLE: value, "lines": ", ".join(lines), "country": country}


def _postcode(value: str) -> Parts:
    country, _, code = value.partition("/")
    return {WHOLE: value, "country": country, "code": code}


# For each kind a canonical value of it, whose parts say which names there are.
_KINDS: Mapping[str, tuple[PartsOf, str]] = {
    "email": (_email, "a@b.example"),
    "phone": (_phone, "+442079460958"),
    "vatNumber": (_vat, "DE136695976"),
    "iban": (_iban, "GB33BUKB20201555555555"),
    "lei": (_lei, "529900T8BM49AURSDO55"),
    "company": (_company, "GB/00012345"),
    "address": (_address, "10 Downing Street\nLondon\nGB"),
    "postcode": (_postcode, "GB/SW1A 2AA"),
}


def parts_of(kind: str) -> PartsOf:
    """Return what takes canonical values of a built-in kind apart; KeyError for another kind."""
    return _KINDS[kind][0]


def part_names(kind: str) -> tuple[str, ...]:
    """Return the names of the parts of a built-in kind; KeyError for another kind."""
    takes_apart, sample = _KINDS[kind]
    return tuple(takes_apart(sample))
