"""The answer for one value, and for one record. Field names are those of the GraphQL schema."""

from datetime import datetime
from enum import Enum

from msgspec import Struct

from verdicts.consistency import Finding, findings_of
from verdicts.evidence import (
    AddressDeliverability,
    CompanyRegistration,
    LeiRegistration,
    PhoneLine,
    PostcodeArea,
    VatRegistration,
)
from verdicts.outcome import Outcome
from verdicts.reason import Reason


class Status(Enum):
    """The verdict in one word. Only a check that looked can make it INVALID."""

    VALID = "VALID"
    INVALID = "INVALID"
    RISKY = "RISKY"
    UNKNOWN = "UNKNOWN"


class Source(Enum):
    """Where the newest part of a verdict came from."""

    LOCAL = "LOCAL"
    CACHE = "CACHE"
    PROVIDER = "PROVIDER"


VALID, INVALID, RISKY, UNKNOWN = Status
LOCAL, CACHE, PROVIDER = Source
"""By themselves, as in verdicts.outcome."""


class Head(Struct, frozen=True, gc=False):
    """What every verdict says, whatever its kind."""

    kind: str
    input: str
    normalized: str | None
    status: Status
    reasons: tuple[Reason, ...]
    outcomes: tuple[Outcome, ...]
    decided_at: datetime
    expires_at: datetime | None
    source: Source


class EmailDomain(Struct, frozen=True, gc=False, array_like=True):
    """The domain of an e-mail address. `mx` and `accepts_mail` come from the DNS."""

    name: str
    disposable: bool
    mx: tuple[str, ...] | None = None
    accepts_mail: bool | None = None


class EmailMailbox(Struct, frozen=True, gc=False, array_like=True):
    """The mailbox of an e-mail address. `role` is local; the rest is a mailbox service's."""

    role: bool
    deliverable: bool | None = None
    catch_all: bool | None = None
    free_provider: bool | None = None
    suggestion: str | None = None


class EmailVerdict(Head, frozen=True, gc=False):
    """Verdict on an e-mail address."""

    domain: EmailDomain | None = None
    mailbox: EmailMailbox | None = None


class PhoneVerdict(Head, frozen=True, gc=False):
    """Verdict on a phone number."""

    e164: str | None = None
    region: str | None = None
    national_format: str | None = None
    line_type: PhoneLine | None = None


class VatNumberVerdict(Head, frozen=True, gc=False):
    """Verdict on a VAT number."""

    country: str | None = None
    registry: VatRegistration | None = None


class IbanVerdict(Head, frozen=True, gc=False):
    """Verdict on an IBAN."""

    country: str | None = None
    bank_code: str | None = None
    bban: str | None = None


class LeiVerdict(Head, frozen=True, gc=False):
    """Verdict on a legal entity identifier."""

    registry: LeiRegistration | None = None


class CompanyVerdict(Head, frozen=True, gc=False):
    """Verdict on a company. `name` is the one that was sent, not the register's."""

    jurisdiction: str | None = None
    number: str | None = None
    registry: CompanyRegistration | None = None
    name: str | None = None


class AddressVerdict(Head, frozen=True, gc=False):
    """Verdict on a postal address."""

    country: str | None = None
    postal_code: str | None = None
    missing: tuple[str, ...] = ()
    deliverability: AddressDeliverability | None = None


class PostcodeVerdict(Head, frozen=True, gc=False):
    """Verdict on a postcode."""

    country: str | None = None
    registry: PostcodeArea | None = None


Verdict = (
    EmailVerdict
    | PhoneVerdict
    | VatNumberVerdict
    | IbanVerdict
    | LeiVerdict
    | CompanyVerdict
    | AddressVerdict
    | PostcodeVerdict
)


class RecordResult(Struct, frozen=True, gc=False):
    """What Assay says of one record: one verdict a field that was sent."""

    ref: str | None
    index: int
    status: Status
    email: EmailVerdict | None = None
    phone: PhoneVerdict | None = None
    vat_number: VatNumberVerdict | None = None
    iban: IbanVerdict | None = None
    lei: LeiVerdict | None = None
    company: CompanyVerdict | None = None
    address: AddressVerdict | None = None
    postcode: PostcodeVerdict | None = None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def consistency(self) -> tuple[Finding, ...]:
        """Whether its fields fit together; found anew whenever it is read."""
        return findings_of(self)
