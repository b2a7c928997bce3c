"""What clients get: results, verdicts, the evidence behind them. Declares, decides nothing."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import strawberry

from schema.consistency import CONSISTENCY, Finding
from schema.enums import Conclusion, ReasonCode, Source, Status
from verdicts import verdict


@strawberry.type(description="One reason of one check.")
class Reason:
    """See verdicts.reason.Reason."""

    code: ReasonCode = strawberry.field(description="For programs.")
    message: str = strawberry.field(description="For people: the documented meaning of the code.")
    check: str = strawberry.field(description="The check that gives this reason.")
    retryable: bool = strawberry.field(
        description="Whether asking again later may give another answer."
    )
    retry_at: datetime | None = strawberry.field(
        description=(
            "From when on it may, where that is known: when a quota or a pause ends, or a breaker"
            " has rested. Null when it is not known, or asking again does not help."
        )
    )
    parts: list[str] = strawberry.field(
        description="The parts of the value that it is about, as the input spells them; else none."
    )


@strawberry.type(description="What one of several providers said of a value.")
class Voice:
    """See verdicts.outcome.Voice."""

    provider: str = strawberry.field(description="Who said it.")
    conclusion: Conclusion = strawberry.field(description="What it concluded.")
    reasons: list[Reason] = strawberry.field(description="Why.")


@strawberry.type(description="What one check found.")
class Outcome:
    """See verdicts.outcome.Outcome."""

    check: str = strawberry.field(description="The check; `Kind.checks` describes it.")
    conclusion: Conclusion = strawberry.field(description="What it concluded.")
    reasons: list[Reason] = strawberry.field(description="Why.")
    provider: str | None = strawberry.field(description="Who answered; null for a local check.")
    found_at: datetime | None = strawberry.field(
        description="When it was found; null for a local check, which is made for each answer."
    )
    expires_at: datetime | None = strawberry.field(
        description="Until when it is kept; null when it is not."
    )
    cost: Decimal = strawberry.field(description="What it cost when it was asked.")
    voices: list[Voice] = strawberry.field(
        description="What each provider said, where several were to agree; empty otherwise."
    )


@strawberry.interface(description="The answer for one value, whatever its kind.")
class Verdict:
    """See verdicts.verdict.Head."""

    kind: str = strawberry.field(description="The kind of the value.")
    input: str = strawberry.field(description="The value as it was sent, as one text.")
    normalized: str | None = strawberry.field(
        description="The canonical form, in which equal values are equal; null when malformed."
    )
    status: Status = strawberry.field(
        description="The verdict in one word. Selecting it runs the whole policy of the kind."
    )
    reasons: list[Reason] = strawberry.field(
        description="Why it is not plainly VALID. Selecting it runs the whole policy."
    )
    outcomes: list[Outcome] = strawberry.field(
        description="What each check found. Selecting it runs the whole policy."
    )
    decided_at: datetime = strawberry.field(
        description="When the oldest fact behind the verdict was found."
    )
    expires_at: datetime | None = strawberry.field(
        description="Until when the facts are held for fresh; null when nobody was asked."
    )
    source: Source = strawberry.field(description="Where the newest fact comes from.")


@strawberry.type(description="The domain of an e-mail address.")
class EmailDomain:
    """See verdicts.verdict.EmailDomain."""

    name: str = strawberry.field(description="The domain, in ASCII (IDNA).")
    disposable: bool = strawberry.field(
        description="Whether it serves throw-away addresses, by a maintained list."
    )
    mx: list[str] | None = strawberry.field(
        description="Hosts that take its mail, the preferred first. Asks the DNS."
    )
    accepts_mail: bool | None = strawberry.field(
        description="Whether the DNS says that it takes mail; null if unknown. Asks the DNS."
    )


@strawberry.type(description="The mailbox of an e-mail address.")
class EmailMailbox:
    """See verdicts.verdict.EmailMailbox."""

    role: bool = strawberry.field(
        description="Whether the name is that of a function (info, sales), by a maintained list."
    )
    deliverable: bool | None = strawberry.field(
        description="Whether the mailbox takes mail; null if unknown. Asks a mailbox service."
    )
    catch_all: bool | None = strawberry.field(
        description="Whether its host takes every address. Asks a mailbox service."
    )
    free_provider: bool | None = strawberry.field(
        description="Whether it is a free mail provider's. Asks a mailbox service."
    )
    suggestion: str | None = strawberry.field(
        description="What was probably meant. Asks a mailbox service."
    )


class Shown:
    """A verdict type that shows the domain's class `represents`."""

    represents: ClassVar[type]

    @classmethod
    def is_type_of(cls, obj: Any, _info: Any) -> bool:  # noqa: ANN401 - graphql-core's signature
        """Return whether `obj` is what this type shows."""
        return isinstance(obj, cls.represents)


@strawberry.type(description="Verdict on an e-mail address.")
class EmailVerdict(Shown, Verdict):
    """See verdicts.verdict.EmailVerdict."""

    represents: ClassVar[type] = verdict.EmailVerdict
    domain: EmailDomain | None = strawberry.field(description="Its domain; null when malformed.")
    mailbox: EmailMailbox | None = strawberry.field(description="Its mailbox; null when malformed.")


@strawberry.type(description="What a phone number is connected to.")
class PhoneLine:
    """See verdicts.evidence.PhoneLine."""

    type: str | None = strawberry.field(description="Sort of line: mobile, landline, fixedVoip, …")
    carrier: str | None = strawberry.field(description="The carrier's name.")
    mobile_country_code: str | None = strawberry.field(description="MCC of a mobile number.")
    mobile_network_code: str | None = strawberry.field(description="MNC of a mobile number.")


@strawberry.type(description="Verdict on a phone number.")
class PhoneVerdict(Shown, Verdict):
    """See verdicts.verdict.PhoneVerdict."""

    represents: ClassVar[type] = verdict.PhoneVerdict
    e164: str | None = strawberry.field(description="The number in E.164.")
    region: str | None = strawberry.field(description="Its country (ISO 3166-1 alpha-2).")
    national_format: str | None = strawberry.field(description="As it is written in its country.")
    line_type: PhoneLine | None = strawberry.field(
        description="What it is connected to. Asks a line service."
    )


@strawberry.type(description="An entry of a VAT register.")
class VatRegistration:
    """See verdicts.evidence.VatRegistration."""

    registered_name: str | None = strawberry.field(
        description="The trader's name, where the member state discloses it."
    )
    registered_address: str | None = strawberry.field(
        description="The trader's address, where the member state discloses it."
    )
    consultation_number: str | None = strawberry.field(
        description="The register's proof that it was asked, when we ask in our own name."
    )
    confirmed_at: datetime | None = strawberry.field(description="When the register said so.")


@strawberry.type(description="Verdict on a VAT number.")
class VatNumberVerdict(Shown, Verdict):
    """See verdicts.verdict.VatNumberVerdict."""

    represents: ClassVar[type] = verdict.VatNumberVerdict
    country: str | None = strawberry.field(description="Its country prefix.")
    registry: VatRegistration | None = strawberry.field(
        description="The register's entry. Asks the register."
    )


@strawberry.type(description="Verdict on an IBAN. Local checks alone.")
class IbanVerdict(Shown, Verdict):
    """See verdicts.verdict.IbanVerdict."""

    represents: ClassVar[type] = verdict.IbanVerdict
    country: str | None = strawberry.field(description="Its country (ISO 3166-1 alpha-2).")
    bank_code: str | None = strawberry.field(description="The bank's national code.")
    bban: str | None = strawberry.field(description="The national account number in it.")


@strawberry.type(description="The record of a legal entity identifier.")
class LeiRegistration:
    """See verdicts.evidence.LeiRegistration."""

    legal_name: str | None = strawberry.field(description="The entity's legal name.")
    status: str | None = strawberry.field(description="The entity's own status: ACTIVE, INACTIVE.")
    registration_status: str | None = strawberry.field(
        description="The registration's status: ISSUED, LAPSED, RETIRED, …"
    )
    next_renewal: datetime | None = strawberry.field(description="When it has to be renewed.")
    jurisdiction: str | None = strawberry.field(description="The law that it lives under.")
    country: str | None = strawberry.field(description="Country of its legal address.")
    registered_as: str | None = strawberry.field(description="Its number in the local register.")


@strawberry.type(description="Verdict on a legal entity identifier.")
class LeiVerdict(Shown, Verdict):
    """See verdicts.verdict.LeiVerdict."""

    represents: ClassVar[type] = verdict.LeiVerdict
    registry: LeiRegistration | None = strawberry.field(
        description="The LEI's record. Asks the register."
    )


@strawberry.type(description="An entry of a company register.")
class CompanyRegistration:
    """See verdicts.evidence.CompanyRegistration."""

    registered_name: str | None = strawberry.field(description="The company's name.")
    status: str | None = strawberry.field(description="The register's own word for its state.")
    type: str | None = strawberry.field(description="Its legal form, in the register's words.")
    incorporated_on: date | None = strawberry.field(description="When it was founded.")
    dissolved_on: date | None = strawberry.field(description="When it ended.")
    registered_address: str | None = strawberry.field(description="Its registered office.")
    jurisdiction: str | None = strawberry.field(
        description="The part of the country it belongs to."
    )


@strawberry.type(description="Verdict on a company.")
class CompanyVerdict(Shown, Verdict):
    """See verdicts.verdict.CompanyVerdict."""

    represents: ClassVar[type] = verdict.CompanyVerdict
    jurisdiction: str | None = strawberry.field(description="Country of its register.")
    number: str | None = strawberry.field(description="Its number in canonical form.")
    registry: CompanyRegistration | None = strawberry.field(
        description="The register's entry. Asks the register."
    )
    name: str | None = strawberry.field(description="Its name as it was sent, not the register's.")


@strawberry.type(description="What an address service found of an address.")
class AddressDeliverability:
    """See verdicts.evidence.AddressDeliverability."""

    formatted: str | None = strawberry.field(description="The address as the service writes it.")
    granularity: str | None = strawberry.field(
        description="How closely it was found: SUB_PREMISE, PREMISE, PREMISE_PROXIMITY, BLOCK, …"
    )
    complete: bool | None = strawberry.field(
        description="Whether no part is missing, none unresolved and none unexpected."
    )
    corrected: bool | None = strawberry.field(
        description="Whether a part that decides where mail goes was put in or replaced."
    )
    missing: list[str] = strawberry.field(
        description="Parts that it lacks, in the service's words: `street_number`, `subpremise`, …"
    )
    unconfirmed: list[str] = strawberry.field(
        description="Parts that could not be confirmed, in the service's words."
    )
    business: bool | None = strawberry.field(description="Whether a business is there, if known.")
    residential: bool | None = strawberry.field(description="Whether people live there, if known.")


@strawberry.type(description="Verdict on a postal address.")
class AddressVerdict(Shown, Verdict):
    """See verdicts.verdict.AddressVerdict."""

    represents: ClassVar[type] = verdict.AddressVerdict
    country: str | None = strawberry.field(description="Its country (ISO 3166-1 alpha-2).")
    postal_code: str | None = strawberry.field(description="Its postcode in canonical form.")
    missing: list[str] = strawberry.field(
        description="Parts that addresses of its country have, and this one lacks."
    )
    deliverability: AddressDeliverability | None = strawberry.field(
        description="Whether the place is found. Asks an address service, where there is one."
    )


@strawberry.type(description="Where a postcode lies.")
class PostcodeArea:
    """See verdicts.evidence.PostcodeArea."""

    country: str | None = strawberry.field(description="Part of the country: England, Wales, …")
    region: str | None = strawberry.field(description="Region.")
    district: str | None = strawberry.field(description="Administrative district.")
    latitude: float | None = strawberry.field(description="Degrees north (WGS 84).")
    longitude: float | None = strawberry.field(description="Degrees east (WGS 84).")
    terminated_year: int | None = strawberry.field(description="Year in which it ended, if so.")
    terminated_month: int | None = strawberry.field(description="Month in which it ended, if so.")


@strawberry.type(description="Verdict on a postcode.")
class PostcodeVerdict(Shown, Verdict):
    """See verdicts.verdict.PostcodeVerdict."""

    represents: ClassVar[type] = verdict.PostcodeVerdict
    country: str | None = strawberry.field(description="Its country (ISO 3166-1 alpha-2).")
    registry: PostcodeArea | None = strawberry.field(
        description="Where it lies. Asks the postcode service."
    )


VERDICT_TYPES: tuple[type, ...] = (
    EmailVerdict,
    PhoneVerdict,
    VatNumberVerdict,
    IbanVerdict,
    LeiVerdict,
    CompanyVerdict,
    AddressVerdict,
    PostcodeVerdict,
)
assert len(VERDICT_TYPES) == len(verdict.Verdict.__args__), "every verdict has its type"


@strawberry.type(description="What Assay says of one record.")
class RecordResult:
    """See verdicts.verdict.RecordResult."""

    ref: str | None = strawberry.field(description="Your own key for the record.")
    index: int = strawberry.field(description="Its place among the records sent, from 0.")
    status: Status = strawberry.field(
        description=(
            "The worst of its verdicts: INVALID before UNKNOWN before RISKY before VALID."
            " Selecting it runs the whole policy of every field sent."
        )
    )
    email: EmailVerdict | None = strawberry.field(description="If an e-mail address was sent.")
    phone: PhoneVerdict | None = strawberry.field(description="If a phone number was sent.")
    vat_number: VatNumberVerdict | None = strawberry.field(description="If a VAT number was sent.")
    iban: IbanVerdict | None = strawberry.field(description="If an IBAN was sent.")
    lei: LeiVerdict | None = strawberry.field(description="If an LEI was sent.")
    company: CompanyVerdict | None = strawberry.field(description="If a company was sent.")
    address: AddressVerdict | None = strawberry.field(description="If an address was sent.")
    postcode: PostcodeVerdict | None = strawberry.field(description="If a postcode was sent.")
    verdicts: list[Verdict] = strawberry.field(description="All of the above that were sent.")
    consistency: list[Finding] = strawberry.field(description=CONSISTENCY)


@strawberry.type(description="What a call of `validate` asked, and what it did not have to pay.")
class CallUsage:
    """See questions.usage.Usage."""

    records: int = strawberry.field(description="Records judged.")
    calls_made: int = strawberry.field(
        description=(
            "Calls to providers that this one opened: each attempt counts, and each DNS query."
        )
    )
    values_asked: int = strawberry.field(description="Values that those calls carried for it.")
    saved_by_local_checks: int = strawberry.field(
        description="Questions not asked because a local check had decided."
    )
    saved_by_dedupe: int = strawberry.field(
        description="Questions not asked because the same one was being asked already."
    )
    saved_by_cache: int = strawberry.field(
        description="Questions not asked because the outcome was known."
    )
    cost: Decimal = strawberry.field(description="Cost of the calls, in `currency`.")
    currency: str = strawberry.field(description="Currency of all prices and costs (ISO 4217).")


@strawberry.type(description="The answer of `validate`.")
class ValidatePayload:
    """See resolvers.validate.Validated."""

    results: list[RecordResult] = strawberry.field(
        description="One result a record, in the order of the records."
    )
    usage: CallUsage = strawberry.field(description="What it took.")
