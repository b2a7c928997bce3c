"""International bank account numbers: length, form and check digits. Nobody is asked.

ISO 13616: country, two check digits (ISO 7064 MOD 97-10), and the country's own number, the BBAN.
Forms: SWIFT's IBAN Registry, and the check digits that some countries add, as `python-stdnum`
carries them.

>>> examine("IBAN DE89 3704 0044 0532 0130 00").canonical
'DE89370400440532013000'
>>> examine("DE89370400440532013000").facts
IbanFacts(country='DE', bank_code='37040044', bban='370400440532013000')
>>> examine("DE88370400440532013000").outcomes[0].reasons[0].code.value
'WRONG_CHECK_DIGIT'
"""

import re
from functools import cache
from typing import Protocol, cast

from msgspec import Struct
from stdnum import numdb
from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.iso7064 import mod_97_10
from stdnum.util import get_cc_module

from checks.compose import head_of, refuting
from checks.text import TextRule, identifier
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.verdict import IbanVerdict

KIND = Kind(
    name="iban",
    field="iban",
    description="An international bank account number, such as `DE89370400440532013000`.",
    meaning="The number has its country's length, form and check digits. Whether the account "
    "exists, only its bank knows.",
    checks=(Check("syntax", "Country, length, form and check digits.", local=True),),
    needs={},
)

RULE = TextRule(length_max=64)
_COUNTRY_AND_DIGITS = re.compile(r"[A-Z]{2}[0-9]{2}")
_PART = re.compile(r"(\d+)!([nac])")
_ALPHABET = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Z]"}
# Where the bank's part of the BBAN is not its first group, by SWIFT's IBAN Registry.
_BANK_CODE = {
    "AL": slice(0, 3),
    "IS": slice(0, 2),
    "IT": slice(1, 6),
    "MU": slice(0, 6),
    "SC": slice(0, 6),
    "SI": slice(0, 2),
    "SM": slice(1, 6),
    "XK": slice(0, 2),
}
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)


class IbanFacts(Struct, frozen=True, gc=False):
    """What an IBAN tells by itself: country, the bank's number there, and the country's number."""

    country: str
    bank_code: str
    bban: str


class _NumberModule(Protocol):
    def validate(self, number: str) -> str: ...


class _Form(Struct, frozen=True):
    """The form of one country's BBAN, and the module that knows its own check digits."""

    length: int
    pattern: re.Pattern[str]
    bank_code: slice
    own: _NumberModule | None


@cache
def _form(country: str) -> _Form | None:
    """Return the form of `country`'s BBANs, None when SWIFT's registry does not know it."""
    properties = numdb.get("iban").info(country)[0][1]
    parts = [
        (int(length), alphabet) for length, alphabet in _PART.findall(properties.get("bban", ""))
    ]
    if not parts:
        return None
    pattern = "".join(f"{_ALPHABET[alphabet]}{{{length}}}" for length, alphabet in parts)
    return _Form(
        sum(length for length, _ in parts),
        re.compile(pattern),
        _BANK_CODE.get(country, slice(parts[0][0])),
        cast("_NumberModule | None", get_cc_module(country.lower(), "iban")),
    )


def examine(value: str) -> Examined[IbanFacts]:
    """Return the canonical number, upper case without blanks, or why there is none."""
    signs = identifier(value, RULE)
    if isinstance(signs, ReasonCode):
        return Examined(value, None, refuting(signs))
    compact = signs.removeprefix("IBAN")
    country, bban = compact[:2], compact[4:]
    if not _COUNTRY_AND_DIGITS.fullmatch(compact[:4]):
        return Examined(value, None, refuting(ReasonCode.MALFORMED))
    form = _form(country)
    if form is None:
        return Examined(value, None, refuting(ReasonCode.UNKNOWN_COUNTRY))
    if len(bban) != form.length:
        return Examined(value, None, refuting(ReasonCode.WRONG_LENGTH))
    if not form.pattern.fullmatch(bban):
        return Examined(value, None, refuting(ReasonCode.MALFORMED))
    if not mod_97_10.is_valid(bban + compact[:4]) or _breaks_own_digits(form, compact):
        return Examined(value, None, refuting(ReasonCode.WRONG_CHECK_DIGIT))
    return Examined(value, compact, _WELL_FORMED, IbanFacts(country, bban[form.bank_code], bban))


def _breaks_own_digits(form: _Form, iban: str) -> bool:
    """Return whether the country's own check digits are wrong.

    A bank that stdnum's list does not name is no fault of the number: the list may be older.
    """
    if form.own is None:
        return False
    try:
        form.own.validate(iban)
    except InvalidChecksum:
        return True
    except ValidationError:
        return False
    return False


def verdict(examined: Examined[IbanFacts], decided: Decided) -> IbanVerdict:
    """Return the verdict that `decided` makes."""
    facts = examined.facts
    if facts is None:
        return IbanVerdict(*head_of(KIND.name, examined, decided))
    return IbanVerdict(
        *head_of(KIND.name, examined, decided), facts.country, facts.bank_code, facts.bban
    )
