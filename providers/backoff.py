"""How long to wait before the next attempt. Pure: the random source is handed in."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BASE_S = 0.05
CAP_S = 20.0
DOUBLINGS_MAX = 16
"""Beyond the cap already: no number of attempts may overflow."""
RETRY_AFTER_MAX_S = 900.0
DIGITS_MAX = 9
"""Of a `Retry-After` in seconds that is worth reading as a number."""


def full_jitter(attempt: int, random: Callable[[], float]) -> float:
    """Return seconds to wait after `attempt` (1, 2, …): anything up to a doubling bound.

    Full jitter as in the AWS architecture blog's "Exponential Backoff And Jitter".
    """
    return random() * min(CAP_S, BASE_S * 2.0 ** min(attempt, DOUBLINGS_MAX))


def retry_after_s(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, None when it says nothing usable.

    Both forms of RFC 9110, section 10.2.3. A date is read against the answer's own `Date`, since
    the service's clock may differ from ours. Bounded to `RETRY_AFTER_MAX_S`.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S) if len(text) <= DIGITS_MAX else RETRY_AFTER_MAX_S
    try:
        due = parsedate_to_datetime(text)
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        seconds = (_aware(due) - _aware(now)).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
