"""What a client sends: the fields of one record. The schema's inputs satisfy these protocols."""

from collections.abc import Sequence
from typing import Protocol


class PhoneValue(Protocol):
    """A phone number as written, and the region (ISO 3166-1) to read a national number in."""

    @property
    def number(self) -> str: ...
    @property
    def region(self) -> str | None: ...


class CompanyValue(Protocol):
    """A company by its register number and jurisdiction (ISO 3166-1 or 3166-2), and its name."""

    @property
    def name(self) -> str | None: ...
    @property
    def number(self) -> str | None: ...
    @property
    def jurisdiction(self) -> str | None: ...


class AddressValue(Protocol):
    """A postal address in its parts; `country` is ISO 3166-1 alpha-2."""

    @property
    def lines(self) -> Sequence[str] | None: ...
    @property
    def locality(self) -> str | None: ...
    @property
    def administrative_area(self) -> str | None: ...
    @property
    def postal_code(self) -> str | None: ...
    @property
    def country(self) -> str | None: ...


class PostcodeValue(Protocol):
    """A postcode and the country (ISO 3166-1 alpha-2) that it belongs to."""

    @property
    def code(self) -> str: ...
    @property
    def country(self) -> str | None: ...


class Record(Protocol):
    """One record: at least one field is given; `ref` is the client's own key for it."""

    @property
    def ref(self) -> str | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def phone(self) -> PhoneValue | None: ...
    @property
    def vat_number(self) -> str | None: ...
    @property
    def iban(self) -> str | None: ...
    @property
    def lei(self) -> str | None: ...
    @property
    def company(self) -> CompanyValue | None: ...
    @property
    def address(self) -> AddressValue | None: ...
    @property
    def postcode(self) -> PostcodeValue | None: ...
