"""What every text has to be before a kind looks at it: present, short enough, printable."""

import re
import unicodedata
from functools import cached_property

from msgspec import Struct

from verdicts.reason import ReasonCode

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TextRule(Struct, frozen=True, dict=True):
    """How long a text of a kind may be, in characters, and which characters it may hold."""

    length_max: int
    allowed: str | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The compiled alphabet, None when every printable character is allowed."""
        return re.compile(self.allowed) if self.allowed else None


def tidy(value: str, rule: TextRule) -> str | ReasonCode:
    """Return `value` in NFC without white space around it, or the reason why it can't be read.

    Unicode Standard Annex 15 defines NFC; equal texts must meet in one canonical value.
    """
    if len(value) > 4 * rule.length_max:
        return ReasonCode.TOO_LONG
    text = value.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).strip("\u200b\u200c\u200d\u2060\ufeff \u00a0")
    if not text:
        return ReasonCode.EMPTY
    if len(text) > rule.length_max:
        return ReasonCode.TOO_LONG
    if _CONTROL.search(text):
        return ReasonCode.FORBIDDEN_CHARACTER
    pattern = rule.pattern
    if pattern is not None and not pattern.fullmatch(text):
        return ReasonCode.FORBIDDEN_CHARACTER
    return text
