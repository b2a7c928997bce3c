"""VAT numbers of the European Union, Northern Ireland and the United Kingdom, and of others.

Form and check digits: python-stdnum, which cites each country's own rule. The country prefix is
part of the number (Council Directive 2006/112/EC, article 215); Greece writes EL, Northern Ireland
XI (Directive 2020/1756).
"""

from functools import cache
from typing import Protocol, cast

from msgspec import Struct
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError
from stdnum.util import get_cc_module

from checks.text import TextRule, tidy
from verdicts.evidence import VatRegistration
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode, because
from verdicts.verdict import VatNumberVerdict

KIND = Kind(
    name="vatNumber",
    field="vat_number",
    description="A value added tax number with its country prefix, such as `DE136695976`.",
    meaning="The number has its country's form and check digits, and the register knows it.",
    checks=(
        Check("syntax", "Country prefix, length, alphabet and check digits.", local=True),
        Check("registry", "Is the number registered? VIES for the EU and XI, HMRC for GB."),
    ),
    needs={"registry": "registry"},
)

RULE = TextRule(length_max=20, allowed=r"[0-9A-Za-z+*./\-\s]+")
_STDNUM_COUNTRY = {"EL": "gr", "XI": "gb"}
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)


class VatFacts(Struct, frozen=True, gc=False):
    """What a VAT number tells by itself."""

    country: str


class _NumberModule(Protocol):
    def validate(self, number: str) -> str: ...


@cache
def _number_module(country: str) -> _NumberModule | None:
    """Return stdnum's module for VAT numbers of `country` (a prefix), None when there is none."""
    return cast(
        "_NumberModule | None", get_cc_module(_STDNUM_COUNTRY.get(country, country.lower()), "vat")
    )


def examine(value: str) -> Examined[VatFacts]:
    """Return the canonical number, prefix first (`DE136695976`), or why there is none."""
    text = tidy(value, RULE)
    if isinstance(text, ReasonCode):
        return _refuted(value, text)
    compact = "".join(letter for letter in text.upper() if letter.isalnum())
    country = compact[:2]
    module = _number_module("GR" if country == "GR" else country) if country.isalpha() else None
    if module is None:
        return _refuted(value, ReasonCode.UNKNOWN_COUNTRY)
    prefix = "EL" if country == "GR" else country
    try:
        number = module.validate(compact[2:])
    except InvalidChecksum:
        return _refuted(value, ReasonCode.WRONG_CHECK_DIGIT)
    except InvalidLength:
        return _refuted(value, ReasonCode.WRONG_LENGTH)
    except ValidationError:
        return _refuted(value, ReasonCode.MALFORMED)
    return Examined(value, prefix + number.removeprefix(prefix), _WELL_FORMED, VatFacts(prefix))


def verdict(examined: Examined[VatFacts], decided: Decided) -> VatNumberVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    registry = None
    for outcome in decided.outcomes:
        if isinstance(outcome.evidence, VatRegistration):
            registry = outcome.evidence
    return VatNumberVerdict(
        KIND.name,
        examined.input,
        examined.canonical,
        decided.status,
        decided.reasons,
        decided.outcomes,
        decided.decided_at,
        decided.expires_at,
        decided.source,
        country=examined.facts.country if examined.facts else None,
        registry=registry,
    )


def _refuted(value: str, code: ReasonCode) -> Examined[VatFacts]:
    reasons = (because(code, "syntax"),)
    return Examined(value, None, (Outcome("syntax", Conclusion.REFUTED, reasons=reasons),))
