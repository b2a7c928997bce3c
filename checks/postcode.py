"""Postcodes of all countries, by each country's form; registers say which ones are in use.

Form: see checks/countries.py. The canonical postcode names its country, for the same signs are
postcodes of several: `GB/SW1A 2AA`, in upper case, with the separators that the country writes.

>>> from typing import NamedTuple
>>> class Value(NamedTuple):
...     code: str
...     country: str | None = None
>>> examine(Value("sw1a2aa", "GB")).canonical
'GB/SW1A 2AA'
>>> examine(Value("10115", "GB")).outcomes[0].reasons[0].code.value
'MALFORMED'
"""

from msgspec import Struct

from checks.compose import evidence_of, head_of, refuting, undecided
from checks.countries import POSTCODE_LENGTH_MAX, country_form
from checks.text import TextRule, tidy
from verdicts.evidence import PostcodeArea
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.record import PostcodeValue
from verdicts.verdict import PostcodeVerdict

KIND = Kind(
    name="postcode",
    field="postcode",
    description="A postcode and its country, such as `SW1A 2AA` in `GB`.",
    meaning="The postcode has its country's form, and the country's register knows it as in use.",
    checks=(
        Check("syntax", "The country is known and the postcode has its form.", local=True),
        Check("registry", "Is the postcode in use, and where does it lie?"),
    ),
    needs={"registry": "registry"},
)

RULE = TextRule(length_max=POSTCODE_LENGTH_MAX, allowed=r"[0-9A-Za-z\s.\-]+")
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)


class PostcodeFacts(Struct, frozen=True, gc=False):
    """What a postcode tells by itself: its country (ISO 3166-1)."""

    country: str


def examine(value: PostcodeValue) -> Examined[PostcodeFacts]:
    """Return the canonical postcode (`GB/SW1A 2AA`), or why there is none.

    Without a country nothing can be said about it, which is no fault of the postcode.
    """
    text = tidy(value.code, RULE)
    if isinstance(text, ReasonCode):
        return Examined(value.code, None, refuting(text))
    if not value.country or value.country.isspace():
        return Examined(value.code, None, undecided(ReasonCode.MISSING_PART, ("country",)))
    form = country_form(value.country)
    if form is None:
        return Examined(value.code, None, refuting(ReasonCode.UNKNOWN_COUNTRY))
    code = form.postcode_of(text)
    if code is None:
        return Examined(value.code, None, refuting(ReasonCode.MALFORMED))
    return Examined(value.code, f"{form.code}/{code}", _WELL_FORMED, PostcodeFacts(form.code))


def verdict(examined: Examined[PostcodeFacts], decided: Decided) -> PostcodeVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    return PostcodeVerdict(
        *head_of(KIND.name, examined, decided),
        examined.facts.country if examined.facts else None,
        evidence_of(PostcodeArea, decided.outcomes),
    )
