"""What an answer says of what the account has left, and for how long there is nothing."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

from providers.declared.answer_settings import QuotaTable, SourceTable
from providers.declared.expression import document_of
from providers.errors import ProtocolBroken
from providers.exchange import Answer

_SECOND = {"seconds": 1.0, "milliseconds": 0.001}


def exhausted_for_s(table: QuotaTable, answer: Answer) -> float | None:
    """Return for how many seconds nothing is left of the quota; None when some is, or unknown.

    A moment since 1970 is read against the answer's own `Date`: our clock may be another.
    """
    remaining = number_of(table.remaining, answer)
    if remaining is None or remaining > 0:
        return None
    reset = number_of(table.reset, answer)
    if reset is None:
        return None
    if table.reset_as != "epoch":
        return max(0.0, reset * _SECOND[table.reset_as])
    try:
        now = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return None
    return max(0.0, timedelta(seconds=reset - now.timestamp()).total_seconds())


def number_of(source: SourceTable, answer: Answer) -> float | None:
    """Return the number that stands at `source`, None when there is none."""
    try:
        if source.header is not None:
            return float(answer.headers[source.header.lower()].split(",")[0].split(";")[0])
        assert source.read is not None, "a source is a header or an expression"
        found = source.read.read(document_of(answer))
    except (KeyError, ValueError, ProtocolBroken):
        return None
    return float(found) if isinstance(found, int | float) and abs(found) < 1e12 else None  # noqa: PLR2004 - as seconds, ages away
