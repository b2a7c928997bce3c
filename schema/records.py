"""What clients send."""

import strawberry

from schema.enums import Priority
from schema.scalars import Duration


@strawberry.input(description="A phone number as it is written.")
class PhoneInput:
    """See verdicts.record.PhoneValue."""

    number: str = strawberry.field(description="The number, such as `+44 20 7183 8750`.")
    region: str | None = strawberry.field(
        default=None,
        description="Country (ISO 3166-1 alpha-2) of a number that has no country prefix.",
    )


@strawberry.input(description="A company by its number in a register.")
class CompanyInput:
    """See verdicts.record.CompanyValue."""

    name: str | None = strawberry.field(
        default=None,
        description="Its name, as you know it; alone it can't be checked, and gives UNKNOWN.",
    )
    number: str | None = strawberry.field(default=None, description="Its number in the register.")
    jurisdiction: str | None = strawberry.field(
        default=None, description="Country of the register (ISO 3166-1 alpha-2), such as `GB`."
    )


@strawberry.input(description="A postal address in its parts.")
class AddressInput:
    """See verdicts.record.AddressValue."""

    lines: list[str] | None = strawberry.field(
        default=None, description="Street, house, building, floor: as on the envelope."
    )
    locality: str | None = strawberry.field(default=None, description="Town or city.")
    administrative_area: str | None = strawberry.field(
        default=None, description="State, province or county, where addresses there have it."
    )
    postal_code: str | None = strawberry.field(default=None, description="Postcode or ZIP code.")
    country: str | None = strawberry.field(default=None, description="ISO 3166-1 alpha-2.")


@strawberry.input(description="A postcode and its country.")
class PostcodeInput:
    """See verdicts.record.PostcodeValue."""

    code: str = strawberry.field(description="The postcode, such as `SW1A 2AA`.")
    country: str | None = strawberry.field(
        default=None, description="ISO 3166-1 alpha-2; needed to know what form it must have."
    )


@strawberry.input(description="One record: at least one field of it.")
class RecordInput:
    """See verdicts.record.Record."""

    ref: str | None = strawberry.field(
        default=None, description="Your own key for the record; comes back with its result."
    )
    email: str | None = strawberry.field(default=None, description="An e-mail address.")
    phone: PhoneInput | None = strawberry.field(default=None, description="A phone number.")
    vat_number: str | None = strawberry.field(
        default=None, description="A VAT number with its country prefix."
    )
    iban: str | None = strawberry.field(
        default=None, description="An international bank account number."
    )
    lei: str | None = strawberry.field(default=None, description="A legal entity identifier.")
    company: CompanyInput | None = strawberry.field(default=None, description="A company.")
    address: AddressInput | None = strawberry.field(default=None, description="A postal address.")
    postcode: PostcodeInput | None = strawberry.field(default=None, description="A postcode.")


@strawberry.input(description="How `validate` is to go about it.")
class ValidateOptions:
    """See resolvers.validate.Options."""

    deadline_ms: int | None = strawberry.field(
        default=None,
        description=(
            "Milliseconds in which the answer comes, decided or not. What is late is"
            " UNKNOWN/DEADLINE, is worked on all the same, and is known when you ask again."
        ),
    )
    max_age: Duration | None = strawberry.field(
        default=None,
        description="Outcomes older than this are asked anew; `PT0S` asks everything anew.",
    )
    priority: Priority | None = strawberry.field(
        default=None,
        description="How urgent it is where a provider's limit is shared; INTERACTIVE if left out.",
    )
    sandbox: bool | None = strawberry.field(
        default=None,
        description="Ask the sandbox's stand-ins alone: free, and with made-up answers.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description=(
            "1 to 200 printable ASCII characters without spaces, of your choice: the same call sent"
            " again with it, within a day, asks nothing anew that the first one has found, whatever"
            " its `maxAge`."
        ),
    )
