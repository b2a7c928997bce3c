r"""Postal addresses: the parts that the country's post needs, and whether the place is found.

Which parts, and the form of postcodes: see checks/countries.py. The canonical address is its parts
with single blanks, a line each: those of `lines`, then always locality, administrative area,
postcode and country, an empty line for one that is not there. So it can be taken apart again.
An address without `lines` has none: it is nowhere that anybody could look for.

>>> from typing import NamedTuple
>>> class Value(NamedTuple):
...     lines: list[str] | None = None
...     locality: str | None = None
...     administrative_area: str | None = None
...     postal_code: str | None = None
...     country: str | None = None
>>> examine(Value(["10 Downing  Street,"], "London", None, "sw1a2aa", "gb")).canonical.split("\n")
['10 Downing Street', 'London', '', 'SW1A 2AA', 'GB']
>>> examine(Value(["10 Downing Street"], None, None, "SW1A 2AA", "GB")).facts.missing
('locality',)
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from checks.compose import doubting, evidence_of, head_of, refuting, undecided
from checks.countries import POSTCODE_LENGTH_MAX, CountryForm, country_form
from checks.text import TextRule, tidy
from verdicts.evidence import AddressDeliverability
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.record import AddressValue
from verdicts.verdict import AddressVerdict


def posted(canonical: str) -> str:
    r"""Return the canonical address in capital letters, as posts read it: what is asked about.

    >>> posted("1 Neue Straße\nUlm\n\n89073\nDE").split("\n")
    ['1 NEUE STRASSE', 'ULM', '', '89073', 'DE']
    """
    return canonical.upper()


KIND = Kind(
    name="address",
    field="address",
    description="A postal address in its parts, with its `country`.",
    meaning="The country is known, the parts that its post needs are given and the postcode has "
    "its form. Where an address service is configured, it also finds the place.",
    checks=(
        Check("syntax", "The country is known and the postcode has its form.", local=True),
        Check("parts", "Are all parts given that the country's post needs?", local=True),
        Check(
            "deliverability",
            "Does an address service find the place, and mail its way there?",
            optional=True,
            subject=posted,
        ),
    ),
    needs={"deliverability": "deliverability"},
)

LINES_MAX = 10
RULE = TextRule(length_max=200)
POSTCODE_RULE = TextRule(length_max=POSTCODE_LENGTH_MAX)
_AROUND = " ,;"  # what is left of a list of parts that were joined
_LINE_END = re.compile(r"\r\n|\r|\n")
_SYNTAX = Outcome("syntax", Conclusion.CONFIRMED)
_COMPLETE = (_SYNTAX, Outcome("parts", Conclusion.CONFIRMED))


class AddressFacts(Struct, frozen=True, gc=False):
    """What an address tells by itself; `missing` names parts as the schema's input spells them."""

    country: str
    postal_code: str | None
    missing: tuple[str, ...]


class _Parts(Struct, frozen=True, gc=False):
    """The parts of an address, tidied; a part that is not there is empty."""

    lines: tuple[str, ...]
    locality: str
    administrative_area: str
    postal_code: str

    def missing(self, form: CountryForm) -> tuple[str, ...]:
        given = {
            "lines": self.lines,
            "locality": self.locality,
            "administrativeArea": self.administrative_area,
            "postalCode": self.postal_code,
        }
        return tuple(name for name in form.required if not given[name])


def examine(value: AddressValue) -> Examined[AddressFacts]:
    """Return the canonical address, or why there is none.

    A missing part makes it doubtful, a missing country undecided: nothing was found wrong.
    """
    shown = "\n".join(filter(None, _written(value)))
    parts = _parts(value)
    if isinstance(parts, ReasonCode):
        return Examined(shown, None, refuting(parts))
    if not shown or shown.isspace():
        return Examined(shown, None, refuting(ReasonCode.EMPTY))
    if not value.country or value.country.isspace():
        return Examined(shown, None, undecided(ReasonCode.MISSING_PART, ("country",)))
    form = country_form(value.country)
    if form is None:
        return Examined(shown, None, refuting(ReasonCode.UNKNOWN_COUNTRY))
    postal_code = form.postcode_of(parts.postal_code) if parts.postal_code else ""
    if postal_code is None:
        return Examined(shown, None, refuting(ReasonCode.MALFORMED))
    missing = parts.missing(form)
    below = (parts.locality, parts.administrative_area, postal_code, form.code)
    return Examined(
        shown,
        "\n".join((*parts.lines, *below)) if parts.lines else None,
        (_SYNTAX, doubting(ReasonCode.MISSING_PART, "parts", missing)) if missing else _COMPLETE,
        AddressFacts(form.code, postal_code or None, missing),
    )


def verdict(examined: Examined[AddressFacts], decided: Decided) -> AddressVerdict:
    """Return the verdict that `decided` makes."""
    facts = examined.facts
    if facts is None:
        return AddressVerdict(*head_of(KIND.name, examined, decided))
    return AddressVerdict(
        *head_of(KIND.name, examined, decided),
        facts.country,
        facts.postal_code,
        facts.missing,
        evidence_of(AddressDeliverability, decided.outcomes),
    )


def _written(value: AddressValue) -> Iterator[str | None]:
    yield from value.lines or ()
    yield value.locality
    yield value.administrative_area
    yield value.postal_code
    yield value.country


def _parts(value: AddressValue) -> _Parts | ReasonCode:
    """Return the parts with single blanks, or what is wrong with the first bad one."""
    lines = _lines(value.lines or ())
    if isinstance(lines, ReasonCode):
        return lines
    locality = _part(value.locality, RULE)
    area = _part(value.administrative_area, RULE)
    postal_code = _part(value.postal_code, POSTCODE_RULE)
    if isinstance(locality, ReasonCode):
        return locality
    if isinstance(area, ReasonCode):
        return area
    if isinstance(postal_code, ReasonCode):
        return postal_code
    return _Parts(lines, locality, area, postal_code)


def _lines(written: Sequence[str]) -> tuple[str, ...] | ReasonCode:
    """Return the lines that hold something; one text may hold several, as spreadsheet cells do."""
    if len(written) > LINES_MAX or sum(map(len, written)) > LINES_MAX * RULE.length_max:
        return ReasonCode.TOO_LONG
    lines: list[str] = []
    for text in written:
        for line in _LINE_END.split(text):
            part = _part(line, RULE)
            if isinstance(part, ReasonCode):
                return part
            if part:
                lines.append(part)
    return tuple(lines) if len(lines) <= LINES_MAX else ReasonCode.TOO_LONG


def _part(text: str | None, rule: TextRule) -> str | ReasonCode:
    """Return `text` with single blanks and no comma at its ends, empty when there is none.

    Or what is wrong with it.
    """
    part = tidy(text, rule) if text else ""
    if part is ReasonCode.EMPTY:
        return ""
    return part if isinstance(part, ReasonCode) else " ".join(part.split()).strip(_AROUND)
