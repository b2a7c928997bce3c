"""Bulk answers, matched to what was asked by what they repeat of it, never by their order."""

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import TypeVar

from providers.errors import ProtocolBroken
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because

T = TypeVar("T")


def matched(
    asked: Collection[str], items: Iterable[tuple[str, T]], read: Callable[[T], Found], check: str
) -> dict[str, Found]:
    """Return what `items` (what was asked, as the answer repeats it; the rest) say, by asked value.

    A value whose item can't be read, or whose items contradict each other, is UNDECIDED: the
    others were answered, and perhaps paid for, all the same.

    Raises:
        ProtocolBroken: an item is about something that was not asked.
    """
    found: dict[str, Found] = {}
    for key, item in items:
        if key not in asked:
            raise ProtocolBroken("the answer is about values that were not asked")
        try:
            says = read(item)
        except ProtocolBroken:
            says = _unreadable(check)
        before = found.setdefault(key, says)
        if before is not says and before != says:
            found[key] = _unreadable(check)
    return found


@cache
def _unreadable(check: str) -> Found:
    reasons = (because(ReasonCode.PROVIDER_PROTOCOL, check, retryable=True),)
    return Found(Conclusion.UNDECIDED, reasons)
