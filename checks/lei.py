"""Legal entity identifiers: form and check digits; the GLEIF's register knows whose they are.

ISO 17442: 20 letters and digits, the last two of them check digits by ISO 7064 MOD 97-10.

>>> examine("5299 00T8BM49AURSDO55").canonical
'529900T8BM49AURSDO55'
>>> examine("529900T8BM49AURSDO54").outcomes[0].reasons[0].code.value
'WRONG_CHECK_DIGIT'
"""

import re

from stdnum.iso7064 import mod_97_10

from checks.compose import evidence_of, head_of, refuting
from checks.text import TextRule, identifier
from verdicts.evidence import LeiRegistration
from verdicts.examined import Decided, Examined
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode
from verdicts.verdict import LeiVerdict

KIND = Kind(
    name="lei",
    field="lei",
    description="A legal entity identifier (ISO 17442), such as `529900T8BM49AURSDO55`.",
    meaning="The identifier is well formed, registered, and its registration and entity live.",
    checks=(
        Check("syntax", "Length, alphabet and check digits.", local=True),
        Check("registry", "Is it registered with the GLEIF, and does the entity live?"),
    ),
    needs={"registry": "registry"},
)

RULE = TextRule(length_max=40)
LENGTH = 20
_FORM = re.compile(r"[0-9A-Z]{18}[0-9]{2}")
_WELL_FORMED = (Outcome("syntax", Conclusion.CONFIRMED),)


def examine(value: str) -> Examined[None]:
    """Return the canonical identifier, 20 characters in upper case, or why there is none."""
    compact = identifier(value, RULE)
    if isinstance(compact, ReasonCode):
        return Examined(value, None, refuting(compact))
    if len(compact) != LENGTH:
        return Examined(value, None, refuting(ReasonCode.WRONG_LENGTH))
    if not _FORM.fullmatch(compact):
        return Examined(value, None, refuting(ReasonCode.MALFORMED))
    if not mod_97_10.is_valid(compact):
        return Examined(value, None, refuting(ReasonCode.WRONG_CHECK_DIGIT))
    return Examined(value, compact, _WELL_FORMED)


def verdict(examined: Examined[None], decided: Decided) -> LeiVerdict:
    """Return the verdict that `decided` and the evidence in its outcomes make."""
    return LeiVerdict(
        *head_of(KIND.name, examined, decided), evidence_of(LeiRegistration, decided.outcomes)
    )
