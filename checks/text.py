"""What every text has to be before a kind looks at it: present, short enough, printable."""

import re
import unicodedata
from functools import cached_property

from msgspec import Struct

from verdicts.reason import ReasonCode

# Control characters, line and paragraph separators, and surrogates: half a character, which no
# UTF-8 can carry to a provider.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# White space, and what word processors, chat programs and phone books put around a copied value:
# zero-width characters and direction marks.
_AROUND = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_AROUND_MAX = 64


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

    Unicode Standard Annex 15 defines NFC; equal texts must meet in one canonical value. A text of
    any length is answered in the time that a short one takes.
    """
    if len(value) > rule.length_max + _AROUND_MAX:
        return ReasonCode.TOO_LONG
    text = value.strip(_AROUND)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text:
        return ReasonCode.EMPTY
    if len(text) > rule.length_max:
        return ReasonCode.TOO_LONG
    if _FORBIDDEN.search(text):
        return ReasonCode.FORBIDDEN_CHARACTER
    pattern = rule.pattern
    if pattern is not None and not pattern.fullmatch(text):
        return ReasonCode.FORBIDDEN_CHARACTER
    return text


# What people put between the groups of an identifier, in any sort of dash (U+2010 to U+2015).
_IDENTIFIER = re.compile("[0-9A-Za-z\\s.,:/_'+*\u2010-\u2015\u2212-]+")


def identifier(value: str, rule: TextRule, signs: str = "") -> str | ReasonCode:
    """Return the letters and digits of `value` in upper case, or the reason why it has none.

    Grouping marks go, but for those in `signs`. Full-width and similar forms become the ASCII
    signs that they stand for (NFKC of Unicode Standard Annex 15).
    """
    text = tidy(value, rule)
    if isinstance(text, ReasonCode):
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    elif text.isalnum():  # as most are
        return text.upper()
    if not _IDENTIFIER.fullmatch(text):
        return ReasonCode.FORBIDDEN_CHARACTER
    found = "".join(sign for sign in text.upper() if sign.isalnum() or sign in signs)
    return found or ReasonCode.MALFORMED
