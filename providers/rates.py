"""Rates as configuration writes them: `10/s`, `600/5m`, `100000/d`. Pure."""

import re

from msgspec import Struct

_FORM = re.compile(r"(?P<limit>[1-9]\d{0,8})/(?P<count>[1-9]\d{0,3})?(?P<unit>ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
EXACT_LIMIT_MAX = 2000
"""The largest limit whose calls are listed one by one in the shared store."""
GUARD_MIN_S = 0.05
GUARD_SHARE = 0.005
"""Of the period, added to it: two calls may come closer on their way to the service."""
BURST_SHARE = 0.02
"""Of a limit that is kept as one instant: how many calls may go at once."""
_US = 1e6


class Rate(Struct, frozen=True):
    """At most `limit` calls in any `period_s` seconds; `text` is how it was written."""

    limit: int
    period_s: float
    text: str

    @property
    def exact(self) -> bool:
        """Whether the window is kept as an exact log rather than as one theoretical instant."""
        return self.limit <= EXACT_LIMIT_MAX

    def script_arguments(self) -> tuple[str, int, int, int, int]:
        """Return mode, limit, period, interval (microseconds) and burst as permits.lua takes them.

        The guard absorbs what the way to the service adds or takes from the distance of two
        calls. GCRA at rate L lets L + burst through, so it runs at (L - burst) in the window.
        """
        guarded_s = self.period_s + max(GUARD_MIN_S, GUARD_SHARE * self.period_s)
        burst = 0 if self.exact else int(self.limit * BURST_SHARE)
        interval = guarded_s / (self.limit - burst)
        return (
            "log" if self.exact else "gcra",
            self.limit,
            round(guarded_s * _US),
            round(interval * _US),
            burst,
        )


def rate_of(text: str) -> Rate:
    """Return the rate that `text` writes.

    Raises:
        ValueError: it is not of the form LIMIT/[COUNT]UNIT with a unit of ms, s, m, h or d.
    """
    match = _FORM.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write for example 10/s, 600/5m or 100000/d")
    period_s = int(match["count"] or 1) * _UNIT_S[match["unit"]]
    return Rate(int(match["limit"]), period_s, text)
