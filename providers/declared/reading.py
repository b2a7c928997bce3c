"""From an item of an answer to what was found. Only a mapped word decides; all else is UNDECIDED.

Pure: the rules of `[providers.NAME.answer]` and `[providers.NAME.evidence]` over plain objects.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any, cast, get_args, get_type_hints

import msgspec
from msgspec import Struct

from providers.declared.answer_settings import AbsentTable, AnswerTable, StatusTable
from providers.declared.expression import Expression
from providers.declared.faults import FAULTS
from providers.declared.vocabulary import Word
from providers.errors import ProtocolBroken
from verdicts.evidence import DeclaredFacts, Evidence
from verdicts.facts import Fact, Sort
from verdicts.outcome import Conclusion, Found
from verdicts.reason import Reason, ReasonCode, because

CONCLUSIONS: Mapping[Word, Conclusion] = {
    "VALID": Conclusion.CONFIRMED,
    "INVALID": Conclusion.REFUTED,
    "RISKY": Conclusion.DOUBTFUL,
    "UNKNOWN": Conclusion.UNDECIDED,
}
INT_MAX = 2**31 - 1
"""Of GraphQL's Int; a whole number beyond it is another sort of value."""
ITEMS_MAX = 200
"""In a list of the evidence, or of reasons."""
TEXT_MAX = 10_000
"""Characters of one text of the evidence."""
LATER = frozenset(
    {ReasonCode.MAILBOX_UNREACHABLE} | {code for code, fault in FAULTS.items() if fault.retryable}
)
"""Reasons of an UNKNOWN that asking again later may mend."""

_WORD_SORTS: Mapping[str, type] = {"String": str, "Boolean": bool, "Int": int}


class ReadFact(Struct, frozen=True):
    """A fact and where in an item it stands."""

    fact: Fact
    read: Expression

    def value(self, item: object) -> Any:  # noqa: ANN401 - of the fact's sort
        """Return its value in `item` as JSON has it, None when it is not there.

        Raises:
            ProtocolBroken: it is of another sort.
        """
        found = self.read.read(item)
        if found is None:
            return None
        if not self.fact.listed:
            return _of_sort(found, self.fact.sort)
        if not isinstance(found, list) or len(cast("list[object]", found)) > ITEMS_MAX:
            raise ProtocolBroken(f"{self.fact.shown} is not a list, or a very long one")
        return [_of_sort(one, self.fact.sort) for one in cast("list[object]", found)]


class Sheet(Struct, frozen=True):
    """All facts of a check. `holder` is the built-in class that they fill, None for declared."""

    facts: Sequence[ReadFact]
    holder: type[Struct] | None = None

    def evidence(self, item: object) -> Evidence | None:
        """Return the evidence in `item`, None when no fact is declared.

        Raises:
            ProtocolBroken: a fact is of another sort than declared.
        """
        if not self.facts:
            return None
        found = {one.fact.name: one.value(item) for one in self.facts}
        if self.holder is None:
            return DeclaredFacts(found)
        for name, annotation in _converted(self.holder).items():
            if found.get(name) is not None:
                found[name] = _built_in(found[name], annotation)
        return cast("Evidence", self.holder(**found))


class Reading(Struct, frozen=True):
    """The rules for one item."""

    answer: AnswerTable
    sheet: Sheet
    check: str

    def found(self, item: object, whole: object) -> Found:
        """Return what `item` says; `whole` is the answer that it stands in.

        Raises:
            ProtocolBroken: a fact has another sort than declared, or an expression does not fit.
        """
        absent = self.answer.absent
        if absent is not None and self.is_absent(item, whole):
            return self.absence(absent, whole if item is None else item)
        conclusion, fallback = self.conclusion(item)
        if conclusion is Conclusion.UNDECIDED:
            return Found(conclusion, self._reasons(item, conclusion) or self._because(fallback))
        return Found(conclusion, self._reasons(item, conclusion), self.sheet.evidence(item))

    def is_absent(self, item: object, whole: object) -> bool:
        """Return whether `item`, or `whole` where there is none, says that there is no such."""
        absent = self.answer.absent
        if absent is None or absent.when is None:
            return False
        return absent.when.holds(whole if item is None else item)

    def absence(self, absent: AbsentTable, said: object = None) -> Found:
        """Return what it means that the service knows nothing of a value; it `said` so, if at all.

        Raises:
            ProtocolBroken: it says a fact of another sort than declared.
        """
        evidence = None
        if absent.evidence and said is not None:
            evidence = self.sheet.evidence(said)
        return Found(CONCLUSIONS[absent.status], self._because(absent.reason), evidence)

    def conclusion(self, item: object) -> tuple[Conclusion, ReasonCode]:
        """Return what the status rule makes of `item`, and the reason when none is mapped."""
        status = self.answer.status
        word = word_of(status, item)
        if word is None or word not in status.map:
            return Conclusion.UNDECIDED, status.default_reason
        return CONCLUSIONS[status.map[word]], ReasonCode.SOURCE_UNAVAILABLE

    def reason_words(self, item: object) -> list[str]:
        """Return the words that the reasons rule finds in `item`."""
        reasons = self.answer.reasons
        found = reasons.read.read(item) if reasons is not None else None
        listed = cast("list[object]", found) if isinstance(found, list) else [found]
        return [text for one in listed[:ITEMS_MAX] if (text := _text(one)) is not None]

    def _reasons(self, item: object, conclusion: Conclusion) -> tuple[Reason, ...]:
        table = self.answer.reasons
        if table is None:
            return ()
        words = self.reason_words(item)
        codes = dict.fromkeys(table.map[word] for word in words if word in table.map)
        later = conclusion is Conclusion.UNDECIDED
        return tuple(because(code, self.check, retryable=later and code in LATER) for code in codes)

    def _because(self, code: ReasonCode) -> tuple[Reason, ...]:
        return (because(code, self.check, retryable=code in LATER),)


def word_of(status: StatusTable, item: object) -> str | None:
    """Return the service's word for the status; None when it is of another sort, or not there."""
    found = status.read.read(item)
    if found.__class__ is not _WORD_SORTS[status.type]:
        return None
    return _text(found)


def _text(found: object) -> str | None:
    if isinstance(found, bool):
        return str(found).lower()
    return str(found) if isinstance(found, str | int) else None


def _of_sort(found: object, sort: Sort) -> object:
    """Return `found` when it is of `sort`, a whole number as a Float too.

    Raises:
        ProtocolBroken: it is of another.
    """
    fits = _FITS[sort](found)
    if not fits:
        raise ProtocolBroken(f"a fact is no {sort.value}")
    if sort is Sort.FLOAT:
        return float(cast("float", found))
    return _day(cast("str", found)) if sort is Sort.DATE else found


def _day(text: str) -> str:
    """Return the day that `text` is, or begins with, in ISO 8601.

    Raises:
        ProtocolBroken: it is no day.
    """
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        pass
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise ProtocolBroken("a fact is no Date") from None


def _is_number(found: object) -> bool:
    return (
        isinstance(found, int | float)
        and not isinstance(found, bool)
        and abs(found) < 2**1000
        and isfinite(found)
    )


_FITS: Mapping[Sort, Callable[[object], bool]] = {
    Sort.STRING: lambda found: isinstance(found, str) and len(found) <= TEXT_MAX,
    Sort.INT: lambda found: found.__class__ is int and abs(cast("int", found)) <= INT_MAX,
    Sort.FLOAT: _is_number,
    Sort.BOOLEAN: lambda found: isinstance(found, bool),
    Sort.DATE: lambda found: isinstance(found, str),
}
assert set(_FITS) == set(Sort), "every sort has its test"


@cache
def _converted(holder: type[Struct]) -> dict[str, Any]:
    """Return the fields of a built-in class that JSON has another sort of value for, by type."""
    plain = {str, int, float, bool, NoneType}
    hints = get_type_hints(holder).items()
    return {name: hint for name, hint in hints if not set(get_args(hint) or (hint,)) <= plain}


def _built_in(found: object, annotation: Any) -> object:  # noqa: ANN401 - a type
    """Return a fact as the built-in class has it; a day where it has a moment is its midnight."""
    if isinstance(found, str) and datetime in get_args(annotation):
        found = f"{found}T00:00:00Z"
    return msgspec.convert(found, annotation)
