"""The typed facts behind an outcome, one class a check that has any."""

from datetime import date, datetime

from msgspec import Struct


class MailHosts(Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="mail_hosts"):
    """What the DNS says of an e-mail domain: its MX hosts in order of preference.

    `implicit` is true when there is no MX and the domain's own address takes the mail
    (RFC 5321, section 5.1).
    """

    mx: tuple[str, ...] = ()
    implicit: bool = False


class MailboxState(Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="mailbox"):
    """What a mailbox service says of an address."""

    deliverable: bool | None = None
    catch_all: bool | None = None
    role: bool | None = None
    disposable: bool | None = None
    free_provider: bool | None = None
    suggestion: str | None = None


class PhoneLine(Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="phone_line"):
    """What a number is connected to: sort of line, carrier, mobile network codes."""

    type: str | None = None
    carrier: str | None = None
    mobile_country_code: str | None = None
    mobile_network_code: str | None = None


class VatRegistration(
    Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="vat_registration"
):
    """A VAT register's entry. What a member state does not disclose is None."""

    registered_name: str | None = None
    registered_address: str | None = None
    consultation_number: str | None = None
    confirmed_at: datetime | None = None


class LeiRegistration(
    Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="lei_registration"
):
    """The LEI record: who it stands for, and whether the entity and the registration live."""

    legal_name: str | None = None
    status: str | None = None
    registration_status: str | None = None
    next_renewal: datetime | None = None
    jurisdiction: str | None = None
    country: str | None = None
    registered_as: str | None = None


class CompanyRegistration(
    Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="company"
):
    """A company register's entry."""

    registered_name: str | None = None
    status: str | None = None
    type: str | None = None
    incorporated_on: date | None = None
    dissolved_on: date | None = None
    registered_address: str | None = None
    jurisdiction: str | None = None


class PostcodeArea(
    Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="postcode_area"
):
    """Where a postcode lies; for one that has ended, when it did."""

    country: str | None = None
    region: str | None = None
    district: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    terminated_year: int | None = None
    terminated_month: int | None = None


class AddressDeliverability(
    Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="deliverability"
):
    """What an address service found: how closely, and what it made of it.

    `missing` and `unconfirmed` are sorts of parts in the service's words (`street_number`).
    `corrected` says that it put in or replaced a part that decides where mail goes.
    """

    formatted: str | None = None
    granularity: str | None = None
    complete: bool | None = None
    corrected: bool | None = None
    missing: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    business: bool | None = None
    residential: bool | None = None


class DeclaredFacts(Struct, frozen=True, gc=False, array_like=True, tag_field="is", tag="declared"):
    """What a declared service says, by the names that configuration gives it; see verdicts.facts.

    A date stands as it does in JSON, as text.
    """

    facts: dict[str, str | int | float | bool | list[str | int | float | bool] | None]


Evidence = (
    MailHosts
    | MailboxState
    | PhoneLine
    | VatRegistration
    | LeiRegistration
    | CompanyRegistration
    | PostcodeArea
    | AddressDeliverability
    | DeclaredFacts
)
