"""VAT numbers of the European Union, Northern Ireland and the United Kingdom, and of others.

Form and check digits: python-stdnum, which cites each country's own rule. The country prefix is
part of the number (Council Directive 2006/112/EC, article 215); Greece writes EL, Northern Ireland
XI (Directive 2020/1756).

>>> examine("de 136 695 976").canonical
'DE136695976'
>>> examine("GR 094259216").canonical  # Greece's prefix is EL
'EL094259216'
>>> examine("DE136695977").outcomes[0].reasons[0].code.value
'WRONG_CHECK_DIGIT'
"""

import re
from functools import cache
from typing import Protocol, cast

from msgspec import Struct
from stdnum.exceptions import InvalidChecksum, InvalidLength
from stdnum.util import get_cc_module

from checks.compose import evidence_of, head_of, refuting
from checks.text import TextRule, identifier
from verdicts.evidence import VatRegistration
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
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

RULE = TextRule(length_max=40)
_STDNUM_COUNTRY = {"EL": "gr", "XI": "gb"}
_COUNTRY = re.compile(r"[A-Z]{2}")
_PREFIX = {"GR": "EL"}
# The word for the tax, which Swiss numbers carry behind them in one of four languages.
_SWISS_TAX = re.compile(r"(?:MWST|TVA|IVA|TPV)$")
# Monaco's numbers are French and say so; the one-stop shops' (EU, IM) are in no country's register.
_NO_COUNTRY = frozenset({"MC", "EU", "IM"})
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)


class VatFacts(Struct, frozen=True, gc=False):
    """What a VAT number tells by itself."""

    country: str


class _NumberModule(Protocol):
    def validate(self, number: str) -> str: ...


@cache
def _number_module(country: str) -> _NumberModule | None:
    """Return stdnum's module for VAT numbers of `country` (a prefix), None when there is none."""
    if country in _NO_COUNTRY:
        return None
    return cast(
        "_NumberModule | None", get_cc_module(_STDNUM_COUNTRY.get(country, country.lower()), "vat")
    )


def examine(value: str) -> Examined[VatFacts]:
    """Return the canonical number, prefix first (`DE136695976`), or why there is none."""
    compact = identifier(value, RULE, signs="+*")  # which older Irish numbers hold
    if isinstance(compact, ReasonCode):
        return Examined(value, None, refuting(compact))
    prefix = _PREFIX.get(compact[:2], compact[:2])
    module = _number_module(prefix) if _COUNTRY.fullmatch(prefix) else None
    if module is None:
        return Examined(value, None, refuting(ReasonCode.UNKNOWN_COUNTRY))
    # Swiss numbers begin with CHE, of which stdnum wants all.
    own = f"{_SWISS_TAX.sub('', compact)}MWST" if prefix == "CH" else compact[2:]
    try:
        number = module.validate(own)
    except InvalidChecksum:
        return Examined(value, None, refuting(ReasonCode.WRONG_CHECK_DIGIT))
    except InvalidLength:
        return Examined(value, None, refuting(ReasonCode.WRONG_LENGTH))
    except ValueError:  # stdnum's ValidationError is one
        return Examined(value, None, refuting(ReasonCode.MALFORMED))
    return Examined(value, prefix + number.removeprefix(prefix), _WELL_FORMED, VatFacts(prefix))


def verdict(examined: Examined[VatFacts], decided: Decided) -> VatNumberVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    return VatNumberVerdict(
        *head_of(KIND.name, examined, decided),
        examined.facts.country if examined.facts else None,
        evidence_of(VatRegistration, decided.outcomes),
    )
