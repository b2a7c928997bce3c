"""Invented evidence: names, addresses and dates as a pure function of the value."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_WORDS = ("Nordwind", "Bluebell", "Alder", "Kestrel", "Lumen", "Marisol", "Oakline", "Tern",
               "Vespera", "Quarry", "Saffron", "Halden", "Juniper", "Copper", "Ember")  # fmt: skip
SECOND_WORDS = ("Trading", "Logistics", "Foods", "Software", "Optics", "Textiles", "Energy",
                "Printing", "Instruments", "Holdings", "Marine", "Ceramics", "Tools")  # fmt: skip
STREETS = ("High Street", "Mill Lane", "Station Road", "Harbour Way", "Church Street", "Park Row",
           "Orchard Close", "Foundry Lane", "Bridge Street", "Meadow View")  # fmt: skip
GIVEN_NAMES = ("Ada", "Bela", "Chiara", "Dov", "Edda", "Farid", "Greta", "Hugo", "Ines", "Jonas")
FAMILY_NAMES = ("Ashby", "Brandt", "Costa", "Dvorak", "Eriksen", "Faure", "Gallo", "Haas")

T = TypeVar("T")
Share = Literal["confirmed", "refuted", "doubtful", "undecided"]
DIGESTS_KEPT_MAX = 1024
CONFIRMED_PER_MILLE = 850
REFUTED_PER_MILLE = 930
DOUBTFUL_PER_MILLE = 980


@lru_cache(DIGESTS_KEPT_MAX)
def digest(value: str) -> int:
    """Return 64 well-mixed bits of the value, the same on every machine and run."""
    return int.from_bytes(blake2b(value.encode("utf-8", "replace"), digest_size=8).digest())


def share(bits: int) -> Share:
    """Return which part of the usual mix a value belongs to: 85, 8, 5 and 2 in a hundred."""
    part = bits % 1000
    if part < CONFIRMED_PER_MILLE:
        return "confirmed"
    if part < REFUTED_PER_MILLE:
        return "refuted"
    return "doubtful" if part < DOUBTFUL_PER_MILLE else "undecided"


def pick(choices: Sequence[T], bits: int, salt: int = 0) -> T:
    """Return one of the choices; another `salt` picks independently."""
    return choices[(bits >> (5 * salt)) % len(choices)]


def company_name(bits: int, suffix: str) -> str:
    """Return a company's name such as `Kestrel Optics 417 Ltd`."""
    first, second = pick(FIRST_WORDS, bits, 2), pick(SECOND_WORDS, bits, 3)
    return f"{first} {second} {bits % 997} {suffix}"


def street(bits: int) -> str:
    """Return a house number and a street."""
    return f"{bits % 199 + 1} {pick(STREETS, bits, 4)}"


def day(bits: int, first_year: int, years: int) -> str:
    """Return a date (ISO 8601) within `years` years from `first_year`."""
    return f"{first_year + bits % years:04}-{bits // 7 % 12 + 1:02}-{bits // 91 % 28 + 1:02}"


def clock(bits: int) -> str:
    """Return a time of day (ISO 8601) in seconds."""
    return f"{bits % 24:02}:{bits // 24 % 60:02}:{bits // 1440 % 60:02}"
