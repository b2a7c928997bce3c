"""How far ahead an account's calls are reserved, how late they may go, how often that is told."""

from msgspec import Struct

from providers.permit import Bounds
from providers.rates import arrival_s, shortest_s, spread_s, usual_interval_s

URGENT_HORIZON_S = 0.06
"""How far ahead is reserved for interactive calls."""
OF_HORIZON = 0.7
"""What is reserved of a horizon; the rest is for the way there and for timers."""
LATE_SHARE = 0.25
"""Of the time in which a call arrives: how late it may be let go; the rest is for its way."""
REPORT_MIN_S, REPORT_MAX_S, REPORT_SHARE = 0.02, 0.08, 0.1
"""After which the end of a call, or a slot that nobody uses, is told; its share of a window."""


class Timing(Struct, frozen=True):
    """The times of one account, in seconds.

    `longest_s` is its longest window of single calls, `arrival_s` within which a call has reached
    the service, `late_s` how late one may still be let go. `horizon_s` and `urgent_horizon_s` are
    how far ahead is reserved for batches, and for others; `interval_s` and `spread_s` the usual
    distance of two calls, and the one of those that have to wait; `report_s` lies between tellings.
    """

    longest_s: float
    arrival_s: float
    late_s: float
    horizon_s: float
    urgent_horizon_s: float
    interval_s: float
    spread_s: float
    report_s: float


def timing_of(bounds: Bounds) -> Timing:
    """Return the times of an account with these `bounds`."""
    rates = bounds.rates
    arrives_s = arrival_s(rates)
    ahead_max_s = min((rate.ahead_s for rate in rates), default=URGENT_HORIZON_S)
    return Timing(
        longest_s=max((rate.guarded_s for rate in rates if rate.counting == "log"), default=0.0),
        arrival_s=arrives_s,
        late_s=min((LATE_SHARE * arrives_s, *(rate.late_s for rate in rates if rate.is_paced))),
        horizon_s=min(bounds.horizon_s, ahead_max_s) * OF_HORIZON,
        urgent_horizon_s=min(URGENT_HORIZON_S, ahead_max_s),
        interval_s=usual_interval_s(rates),
        spread_s=spread_s(rates),
        report_s=min(REPORT_MAX_S, max(REPORT_MIN_S, REPORT_SHARE * shortest_s(rates))),
    )
