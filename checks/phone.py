"""Phone numbers of all countries: form, length and range; the sort of line is asked of others.

Numbering plans: the `phonenumbers` library, Google's collection of every country's plan (ITU-T
E.164 and its national annexes). The canonical number is E.164: `+`, country code, national number,
without an extension, for an extension is dialled after the number has answered.

>>> from typing import NamedTuple
>>> class Value(NamedTuple):
...     number: str
...     region: str | None = None
>>> examine(Value("020 7946 0958", "GB")).canonical
'+442079460958'
>>> examine(Value("020 7946 0958")).outcomes[0].conclusion.value  # of which country?
'UNDECIDED'
"""

import phonenumbers
from msgspec import Struct
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from checks.compose import evidence_of, head_of, refuting, undecided
from checks.text import TextRule, tidy
from verdicts.evidence import PhoneLine
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.record import PhoneValue
from verdicts.verdict import PhoneVerdict

KIND = Kind(
    name="phone",
    field="phone",
    description="A phone number, such as `+442079460958`; a national one needs its `region`.",
    meaning="The number fits its country's numbering plan, and the network knows the line.",
    checks=(
        Check(
            "syntax", "Country code, length and number range, by the numbering plan.", local=True
        ),
        Check("line", "What sort of line is it (mobile, landline, …), and whose?"),
    ),
    needs={"line_type": "line"},
)

# The re module's own cache can't hold all countries' patterns: 1 ms a number instead of 50 µs.
phonenumbers.enable_pattern_cache()

RULE = TextRule(length_max=100)  # E.164 has 15 digits; the rest is punctuation and an extension

_PLUS = ("+", "\uff0b")
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)
_UNREADABLE = {
    NumberParseException.INVALID_COUNTRY_CODE: ReasonCode.UNKNOWN_COUNTRY,
    NumberParseException.NOT_A_NUMBER: ReasonCode.MALFORMED,
    NumberParseException.TOO_SHORT_AFTER_IDD: ReasonCode.WRONG_LENGTH,
    NumberParseException.TOO_SHORT_NSN: ReasonCode.WRONG_LENGTH,
    NumberParseException.TOO_LONG: ReasonCode.WRONG_LENGTH,
}


class PhoneFacts(Struct, frozen=True, gc=False):
    """What a number tells by itself; `region` is None for numbers that belong to no country."""

    e164: str
    region: str | None
    national_format: str


def examine(value: PhoneValue) -> Examined[PhoneFacts]:
    """Return the canonical number in E.164, or why there is none.

    A national number without a region is undecided: in some country it may well be right.
    """
    text = tidy(value.number, RULE)
    if isinstance(text, ReasonCode):
        return Examined(value.number, None, refuting(text))
    region = value.region.strip().upper() if value.region else None
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        code = _UNREADABLE.get(error.error_type, ReasonCode.MALFORMED)
        if code is ReasonCode.UNKNOWN_COUNTRY and not region and not text.startswith(_PLUS):
            return Examined(value.number, None, undecided(code, ("region",)))
        return Examined(value.number, None, refuting(code))
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == ValidationResult.INVALID_COUNTRY_CODE:
        return Examined(value.number, None, refuting(ReasonCode.UNKNOWN_COUNTRY))
    if possible != ValidationResult.IS_POSSIBLE:
        return Examined(value.number, None, refuting(ReasonCode.WRONG_LENGTH))
    owner = phonenumbers.region_code_for_number(number)
    if owner is None or not phonenumbers.is_valid_number_for_region(number, owner):
        return Examined(value.number, None, refuting(ReasonCode.UNASSIGNED_NUMBER))
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    facts = PhoneFacts(
        e164,
        owner if owner.isalpha() else None,  # UN M.49 area 001, the world, has no letters
        phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
    )
    return Examined(value.number, e164, _WELL_FORMED, facts)


def verdict(examined: Examined[PhoneFacts], decided: Decided) -> PhoneVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    facts = examined.facts
    if facts is None:
        return PhoneVerdict(*head_of(KIND.name, examined, decided))
    return PhoneVerdict(
        *head_of(KIND.name, examined, decided),
        facts.e164,
        facts.region,
        facts.national_format,
        evidence_of(PhoneLine, decided.outcomes),
    )
