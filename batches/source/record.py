"""One record as a client writes it: the fields of `RecordInput`, named as there in JSON."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

import msgspec
from msgspec import Struct

from verdicts.facts import attribute_of

_CLASSES_KEPT_MAX = 64


class _Part(Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """What all objects here have in common."""


class Phone(_Part):
    """See verdicts.record.PhoneValue."""

    number: str
    region: str | None = None


class Company(_Part):
    """See verdicts.record.CompanyValue."""

    name: str | None = None
    number: str | None = None
    jurisdiction: str | None = None


class Address(_Part):
    """See verdicts.record.AddressValue."""

    lines: list[str] | None = None
    locality: str | None = None
    administrative_area: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Postcode(_Part):
    """See verdicts.record.PostcodeValue."""

    code: str
    country: str | None = None


class GivenRecord(_Part):
    """See verdicts.record.Record."""

    ref: str | None = None
    email: str | None = None
    phone: Phone | None = None
    vat_number: str | None = None
    iban: str | None = None
    lei: str | None = None
    company: Company | None = None
    address: Address | None = None
    postcode: Postcode | None = None


PARTS: dict[str, type[Phone | Company | Address | Postcode]] = {
    "phone": Phone,
    "company": Company,
    "address": Address,
    "postcode": Postcode,
}
"""The fields that have parts, and what holds them."""
FIELDS = tuple(name for name in GivenRecord.__struct_encode_fields__ if name != "ref")
"""The names of the fields that every record can have."""


def record_class(names: Iterable[str], *, strict: bool) -> type[GivenRecord]:
    """Return the class of records that may have fields of these names beside the built-in ones.

    `strict` ones are not made from an object that has another field.
    """
    return _made(tuple(name for name in names if name not in FIELDS), strict)


@lru_cache(maxsize=_CLASSES_KEPT_MAX)
def _made(names: tuple[str, ...], strict: bool) -> type[GivenRecord]:  # noqa: FBT001
    if not names and strict:
        return GivenRecord
    fields: list[tuple[str, Any, Any]] = [(attribute_of(name), str | None, None) for name in names]
    built_in = zip(GivenRecord.__struct_fields__, GivenRecord.__struct_encode_fields__, strict=True)
    made = msgspec.defstruct(
        "GivenRecord",
        fields,
        bases=(GivenRecord,),
        rename={**dict(built_in), **{attribute_of(name): name for name in names}},
        forbid_unknown_fields=strict,
        omit_defaults=True,
    )
    return cast("type[GivenRecord]", made)
