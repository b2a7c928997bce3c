"""Findings over the verdicts of one record; the verdicts themselves stay as they are."""

import doctest
from datetime import UTC, datetime
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from verdicts import consistency
from verdicts.consistency import (
    AGREES_FROM,
    DIFFERENT_BELOW,
    MEANING,
    Finding,
    FindingCode,
    Side,
    findings_of,
)
from verdicts.evidence import CompanyRegistration, LeiRegistration, VatRegistration
from verdicts.verdict import (
    AddressVerdict,
    CompanyVerdict,
    EmailDomain,
    EmailMailbox,
    EmailVerdict,
    IbanVerdict,
    LeiVerdict,
    PhoneVerdict,
    RecordResult,
    Source,
    Status,
    VatNumberVerdict,
)

PAGE = (Path(__file__).parents[2] / "docs" / "consistency.md").read_text("utf-8")
HEAD: Any = (
    "",
    "",
    None,
    Status.VALID,
    (),
    (),
    datetime(2026, 1, 1, tzinfo=UTC),
    None,
    Source.LOCAL,
)


def vat(name: str | None) -> VatNumberVerdict:
    return VatNumberVerdict(*HEAD, registry=VatRegistration(registered_name=name))


def lei(name: str | None) -> LeiVerdict:
    return LeiVerdict(*HEAD, registry=LeiRegistration(legal_name=name))


def company(name: str | None = None, registered: str | None = None) -> CompanyVerdict:
    return CompanyVerdict(
        *HEAD, registry=CompanyRegistration(registered_name=registered), name=name
    )


def email(domain: str, *, disposable: bool = False, free: bool | None = None) -> EmailVerdict:
    mailbox = EmailMailbox(role=False, free_provider=free)
    return EmailVerdict(*HEAD, domain=EmailDomain(domain, disposable), mailbox=mailbox)


def phone(region: str | None) -> PhoneVerdict:
    return PhoneVerdict(*HEAD, region=region)


def iban(country: str | None) -> IbanVerdict:
    return IbanVerdict(*HEAD, country=country)


def address(country: str | None) -> AddressVerdict:
    return AddressVerdict(*HEAD, country=country)


def found(**verdicts: Any) -> tuple[Finding, ...]:  # noqa: ANN401 - each kind has its own
    return RecordResult(None, 0, Status.VALID, **verdicts).consistency


def scores(**verdicts: Any) -> list[tuple[FindingCode, float]]:  # noqa: ANN401 - as above
    return [(finding.code, finding.score) for finding in found(**verdicts)]


def test_the_example_in_the_file_holds() -> None:
    assert doctest.testmod(consistency).failed == 0


def test_a_finding_names_both_sides_and_what_they_say() -> None:
    assert found(vat_number=vat("KESTREL OPTICS SA"), company=company("Bluebell Foods Ltd")) == (
        Finding(
            FindingCode.VAT_NAME,
            score := scores(vat_number=vat("KESTREL OPTICS"), company=company("Bluebell Foods"))[0][
                1
            ],
            f"{MEANING[FindingCode.VAT_NAME]} They differ.",
            (
                Side("vatNumber.registry.registeredName", "KESTREL OPTICS SA"),
                Side("company.name", "Bluebell Foods Ltd"),
            ),
        ),
    )
    assert score < DIFFERENT_BELOW


def test_each_name_is_compared_with_each_other_one() -> None:
    codes = [
        (finding.code, finding.sides[0].field, finding.sides[1].field)
        for finding in found(
            vat_number=vat("Acme Ltd"), lei=lei("Acme"), company=company("ACME", "Acme Limited")
        )
    ]
    assert codes == [
        (FindingCode.VAT_NAME, "vatNumber.registry.registeredName", "lei.registry.legalName"),
        (
            FindingCode.VAT_NAME,
            "vatNumber.registry.registeredName",
            "company.registry.registeredName",
        ),
        (FindingCode.VAT_NAME, "vatNumber.registry.registeredName", "company.name"),
        (FindingCode.LEI_NAME, "lei.registry.legalName", "company.registry.registeredName"),
        (FindingCode.LEI_NAME, "lei.registry.legalName", "company.name"),
        (FindingCode.COMPANY_NAME, "company.registry.registeredName", "company.name"),
    ]


@pytest.mark.parametrize(
    "mine, theirs, score",
    [("GB", "GB", 1), ("JE", "GB", 0.9), ("JE", "IM", 0.9), ("RE", "FR", 0.9), ("DE", "FR", 0)],
)
def test_the_country_of_the_phone_and_of_the_iban(mine: str, theirs: str, score: float) -> None:
    assert scores(phone=phone(mine), iban=iban(mine), address=address(theirs)) == [
        (FindingCode.PHONE_COUNTRY, score),
        (FindingCode.IBAN_COUNTRY, score),
    ]


@pytest.mark.parametrize(
    "domain, score",
    [("acme-group.co.uk", 1), ("mail.acme.example", 0.85), ("acmegroup.xn--p1ai", 1)],
)
def test_the_domain_of_the_address(domain: str, score: float) -> None:
    assert scores(email=email(domain), company=company("Acme Group Ltd")) == [
        (FindingCode.EMAIL_DOMAIN, score)
    ]


def test_the_domain_is_compared_with_the_name_that_is_most_like_it() -> None:
    *_, finding = found(
        email=email("xn--bcher-kva.example"), vat_number=vat("Zenith"), lei=lei("Bücher AG")
    )
    assert (finding.code, finding.score) == (FindingCode.EMAIL_DOMAIN, 1)
    assert finding.sides == (
        Side("email.domain.name", "xn--bcher-kva.example"),
        Side("lei.registry.legalName", "Bücher AG"),
    )


@pytest.mark.parametrize(
    "given",
    [
        email("gmail.com"),
        email("mail.gmx.net"),
        email("mailinator.com", disposable=True),
        email("acme.example", free=True),
        EmailVerdict(*HEAD),
        None,
    ],
)
def test_a_domain_where_everybody_has_an_address_says_nothing(given: EmailVerdict | None) -> None:
    assert found(email=given, company=company("Acme")) == ()


EVERYTHING: dict[str, Any] = {
    "email": email("acme.example"),
    "phone": phone("GB"),
    "vat_number": vat("Acme"),
    "iban": iban("GB"),
    "lei": lei("Acme"),
    "company": company("Acme", "Acme"),
    "address": address("GB"),
}
EMPTY: dict[str, Any] = {
    "email": EmailVerdict(*HEAD),
    "phone": phone(None),
    "vat_number": vat(None),
    "iban": iban(None),
    "lei": LeiVerdict(*HEAD),
    "company": CompanyVerdict(*HEAD),
    "address": address(None),
}


@pytest.mark.parametrize("given", [EVERYTHING, EMPTY], ids=["everything", "empty"])
def test_any_part_of_a_record_can_be_missing(given: dict[str, Any]) -> None:
    fields = list(given)
    for chosen in chain.from_iterable(combinations(fields, size) for size in range(len(fields))):
        findings = found(**{field: given[field] for field in chosen})
        assert all(finding.score == 1 for finding in findings)
        said = {side.field.partition(".")[0] for finding in findings for side in finding.sides}
        assert said <= {"vatNumber" if field == "vat_number" else field for field in chosen}
        assert findings == () or given is EVERYTHING


def test_everything_that_fits_agrees() -> None:
    findings = found(**EVERYTHING)
    assert {finding.code for finding in findings} == set(FindingCode)
    assert {finding.message.rpartition(". ")[2] for finding in findings} == {"They agree."}


def test_findings_leave_the_verdicts_alone() -> None:
    result = RecordResult(None, 0, Status.VALID, **EVERYTHING)
    before = result.status, result.vat_number
    assert findings_of(result)
    assert (result.status, result.vat_number) == before


def test_the_page_says_what_each_finding_means() -> None:
    """The bounds and every meaning stand there as the code has them."""
    for code, meaning in MEANING.items():
        assert f"| `{code.value}` | {meaning} |" in PAGE
    assert f"{AGREES_FROM}" in PAGE
    assert f"{DIFFERENT_BELOW}" in PAGE
