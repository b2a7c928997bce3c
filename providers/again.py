"""When asking again may help, after several providers have failed about a value. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from verdicts.outcome import UNDECIDED, Found


def soonest(last: Found, others: Iterable[Found]) -> Found:
    """Return `last`, with the first time at which any of the providers may know more.

    `others` are what those before it found, UNDECIDED. The time is known only where each of them
    that may know more later says when.
    """
    if last.conclusion is not UNDECIDED:
        return last
    mendable = [one.retry_at for found in (last, *others) for one in found.reasons if one.retryable]
    times = [at for at in mendable if at is not None]
    first = min(times) if times and len(times) == len(mendable) else None
    if all(one.retry_at == first for one in last.reasons if one.retryable):
        return last
    reasons = (replace(one, retry_at=first) if one.retryable else one for one in last.reasons)
    return replace(last, reasons=tuple(reasons))
