"""Companies by their number in the register of a jurisdiction.

Form: Companies House's numbers have eight characters, digits or a prefix such as SC, NI or OC for
the sort of company and the country it lies in; leading zeros are often left out and are put back.
Registers elsewhere have their own forms, and only the register judges them.

The canonical company is `GB/00012345`: jurisdiction, then number. All of the United Kingdom is one
register (GB); elsewhere a subdivision (ISO 3166-2, such as US-DE) keeps its own numbers and stays.

>>> from typing import NamedTuple
>>> class Value(NamedTuple):
...     number: str | None
...     jurisdiction: str | None = None
...     name: str | None = None
>>> examine(Value("sc 12345", "GB-SCT")).canonical
'GB/SC012345'
>>> examine(Value(None, "GB", "Acme Ltd")).outcomes[0].reasons[0].code.value
'MISSING_PART'
"""

import re

from msgspec import Struct

from checks.compose import evidence_of, head_of, refuting, undecided
from checks.countries import country_form
from checks.text import TextRule, identifier, tidy
from verdicts.evidence import CompanyRegistration
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.record import CompanyValue
from verdicts.verdict import CompanyVerdict

KIND = Kind(
    name="company",
    field="company",
    description="A company by its register number and jurisdiction, such as `00012345` in `GB`.",
    meaning="The number has the register's form, and the register lists the company as active.",
    checks=(
        Check("syntax", "The jurisdiction is known and the number has its form.", local=True),
        Check("registry", "Does the register list the company, and in which state?"),
    ),
    needs={"registry": "registry"},
)

RULE = TextRule(length_max=64)
NAME_RULE = TextRule(length_max=400)
_UNITED_KINGDOM = "GB"
_COMPANIES_HOUSE_LENGTH = 8
_PREFIX_AND_DIGITS = re.compile(r"([A-Z]{0,2})([0-9]{1,8})(R?)")
_COMPANIES_HOUSE = re.compile(r"[0-9]{8}|[A-Z]{2}[0-9]{6}|[A-Z]{2}[0-9]{5}R|R[0-9]{7}")
_SUBDIVISION = re.compile(r"[A-Z0-9]{1,3}")
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)


class CompanyFacts(Struct, frozen=True, gc=False):
    """What a company tells by itself: jurisdiction and number in canonical form, and its name."""

    jurisdiction: str | None
    number: str | None
    name: str | None = None


def examine(value: CompanyValue) -> Examined[CompanyFacts]:
    """Return the canonical company (`GB/00012345`), or why there is none.

    A company that is only named, or whose jurisdiction is not, is undecided: a register may well
    have it, but nobody can be asked.
    """
    shown = " ".join(filter(None, (value.jurisdiction, value.number, value.name)))
    name = tidy(value.name or "", NAME_RULE)
    number = tidy(value.number or "", RULE)
    where = tidy(value.jurisdiction or "", RULE)
    for part in (name, number, where):
        if isinstance(part, ReasonCode) and part is not ReasonCode.EMPTY:
            return Examined(shown, None, refuting(part))
    named = None if isinstance(name, ReasonCode) else name
    alone = CompanyFacts(None, None, named)
    if isinstance(number, ReasonCode):
        if named is None:
            return Examined(shown, None, refuting(ReasonCode.EMPTY))
        missing = ("number", "jurisdiction") if isinstance(where, ReasonCode) else ("number",)
        return Examined(shown, None, undecided(ReasonCode.MISSING_PART, missing), alone)
    if isinstance(where, ReasonCode):
        return Examined(shown, None, undecided(ReasonCode.MISSING_PART, ("jurisdiction",)), alone)
    jurisdiction = _jurisdiction(where)
    if jurisdiction is None:
        return Examined(shown, None, refuting(ReasonCode.UNKNOWN_COUNTRY), alone)
    if jurisdiction == _UNITED_KINGDOM:
        registered = _companies_house(number)
        if isinstance(registered, ReasonCode):
            return Examined(shown, None, refuting(registered), alone)
    else:
        registered = " ".join(number.upper().split())
    facts = CompanyFacts(jurisdiction, registered, named)
    return Examined(shown, f"{jurisdiction}/{registered}", _WELL_FORMED, facts)


def _jurisdiction(text: str) -> str | None:
    """Return the register's jurisdiction, None when its country is not known."""
    country, _, subdivision = text.upper().replace("_", "-").partition("-")
    form = country_form(country)
    if form is None or (subdivision and not _SUBDIVISION.fullmatch(subdivision)):
        return None
    if form.code == _UNITED_KINGDOM or not subdivision:
        return form.code
    return f"{form.code}-{subdivision}"


def _companies_house(number: str) -> str | ReasonCode:
    """Return `number` in the eight characters of Companies House, or what is wrong with it."""
    compact = identifier(number, RULE)
    if isinstance(compact, ReasonCode):
        return compact
    if len(compact) > _COMPANIES_HOUSE_LENGTH:
        return ReasonCode.WRONG_LENGTH
    parts = _PREFIX_AND_DIGITS.fullmatch(compact)
    if parts is None:
        return ReasonCode.MALFORMED
    prefix, digits, suffix = parts.groups()
    width = _COMPANIES_HOUSE_LENGTH - len(prefix) - len(suffix)
    whole = f"{prefix}{digits.zfill(width)}{suffix}"
    return whole if _COMPANIES_HOUSE.fullmatch(whole) else ReasonCode.MALFORMED


def verdict(examined: Examined[CompanyFacts], decided: Decided) -> CompanyVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    facts = examined.facts
    return CompanyVerdict(
        *head_of(KIND.name, examined, decided),
        facts.jurisdiction if facts else None,
        facts.number if facts else None,
        evidence_of(CompanyRegistration, decided.outcomes),
        facts.name if facts else None,
    )
