"""Rates as configuration writes them: `10/s`, `600/5m`, `100000/d`, `5000/day`. Pure.

A rate is a window: at most so many calls in any such period, however the service counts them. Two
words say more. `200/s burst 5` is a bucket: the service lets 5 calls through at once and then one
each 5 ms. `day` and `month` begin at midnight UTC, where `d` and `30d` are any such period.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

_FORM = re.compile(
    r"(?P<limit>[1-9]\d{0,8})/(?:(?P<calendar>day|month)|(?P<count>[1-9]\d{0,3})?(?P<unit>ms|s|m|h|d))"
    r"(?:burst(?P<burst>[1-9]\d{0,5}))?"
)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
EXACT_LIMIT_MAX = 2000
"""The largest limit whose calls are listed one by one in the shared store."""
QUOTA_FROM_S = 3600.0
"""From this period on a window is a quota: used up, it is not waited for."""
LONG_FROM_S = 10.0
"""From this period on what was left is remembered, for when the shared store is lost."""
GUARD_MIN_S = 0.002
GUARD_SHARE = 0.001
"""Of the period, added to it: timers and clocks have a grain."""
PACED_GUARD_MIN_S = 0.05
PACED_GUARD_SHARE = 0.005
"""As above, where calls are paced: two may come closer on their way to the service."""
BURST_SHARE = 0.02
"""Of a limit that is paced: how many calls may go at once."""
OF_SERVICES_BURST = 0.6
OF_SERVICES_RATE = 0.997
"""What of a bucket is used, so that jitter does not empty it."""
OF_PERIOD = 0.25
"""How far ahead is reserved of a window at most: the calls before have ended and been told then."""
BUCKET_AHEAD_CALLS = 20
BUCKET_AHEAD_MIN_S = 0.05
"""How far ahead is reserved of a bucket: what a stalled process reserved is nobody's meanwhile."""
SPREAD_SHARE, SPREAD_MAX_S = 0.7, 1.0
"""Of a period, of a second at most: over so long are those calls spread that have to wait."""
SLICES = 96
"""Of a quota window: it is counted as if it began with a slice."""
CALENDAR_GUARD_S = 2.0
"""After midnight, before a new day's calls are sent: the service has a clock of its own."""
ARRIVAL_MIN_S, ARRIVAL_MAX_S, ARRIVAL_SHARE = 0.05, 1.0, 1.0
"""Bounds of the time in which a call has reached the service, and its share of the period."""
_US = 1e6

Calendar = Literal["day", "month"]
Counting = Literal["log", "bucket", "paced", "slices", "calendar"]


class Rate(Struct, frozen=True):
    """At most `limit` calls in any `period_s` seconds; `text` is how it was written.

    `burst` is what a bucket holds, `calendar` says that the period is one of the calendar's.
    """

    limit: int
    period_s: float
    text: str
    burst: int | None = None
    calendar: Calendar | None = None

    @property
    def counting(self) -> Counting:
        """How it is counted in the shared store."""
        if self.calendar is not None:
            return "calendar"
        if self.burst is not None:
            return "bucket"
        if self.limit <= EXACT_LIMIT_MAX:
            return "log"
        return "slices" if self.quota else "paced"

    @property
    def is_paced(self) -> bool:
        """Whether its calls are spaced, rather than counted."""
        return self.counting in {"bucket", "paced"}

    @property
    def quota(self) -> bool:
        """Whether it is so long that nobody waits for it to come back."""
        return self.period_s >= QUOTA_FROM_S

    @property
    def long(self) -> bool:
        """Whether it may be used up at once, and can't be waited out when the store is lost."""
        return self.period_s >= LONG_FROM_S and not self.is_paced

    @property
    def guarded_s(self) -> float:
        """The period with its guard."""
        if self.counting == "log":
            return self.period_s + max(GUARD_MIN_S, GUARD_SHARE * self.period_s)
        return self.period_s + max(PACED_GUARD_MIN_S, PACED_GUARD_SHARE * self.period_s)

    @property
    def pace(self) -> tuple[float, int]:
        """Seconds between two calls where they are paced, and how many may go at once.

        At rate L with a burst of B as many as L + B pass in a window, so that a window is paced at
        L - B. A bucket is exact about its rate, and what it holds must never be used up.
        """
        if self.burst is not None:
            return (
                self.period_s / self.limit / OF_SERVICES_RATE,
                max(1, int(self.burst * OF_SERVICES_BURST)),
            )
        burst = max(1, int(self.limit * BURST_SHARE))
        return self.guarded_s / max(1, self.limit - burst), burst

    @property
    def ahead_s(self) -> float:
        """How far ahead calls may be reserved, in seconds."""
        if self.burst is not None:
            return max(BUCKET_AHEAD_MIN_S, BUCKET_AHEAD_CALLS * self.pace[0])
        return OF_PERIOD * self.period_s

    @property
    def late_s(self) -> float:
        """How late after its instant a paced call may still be sent, and not be one too many.

        Of a window that is half of its guard; the rest is for its way, and for clocks.
        """
        if self.burst is None:
            return PACED_GUARD_MIN_S / 2
        interval_s, ours = self.pace
        return max(0.001, (self.burst - ours - 1) * interval_s)


class Window(Struct, frozen=True, omit_defaults=True):
    """A rate as permits.lua takes it; all times in microseconds.

    `kind` is a `Counting`; `interval` and `burst` are of buckets and paced ones, `slice` (and how
    many of them) of slices; `begins`, `ends` and `later` are the beginnings of this period of the
    calendar, of the next and of the one after it, `guard` what is waited after a beginning. Of a
    `long` one the script says what is left.
    """

    kind: Counting
    limit: int
    period: int
    long: bool = False
    interval: float = 0.0
    burst: int = 0
    slice: int = 0
    slices: int = 0
    begins: int = 0
    ends: int = 0
    later: int = 0
    guard: int = 0


def window_of(rate: Rate, today: datetime) -> Window:
    """Return `rate` for permits.lua; `today` is an instant of the calendar's present period."""
    period = round(rate.guarded_s * _US)
    match rate.counting:
        case "log":
            return Window("log", rate.limit, period, rate.long)
        case "bucket" | "paced":
            interval_s, burst = rate.pace
            return Window(rate.counting, rate.limit, period, interval=interval_s * _US, burst=burst)
        case "slices":
            part = round(rate.period_s * _US / SLICES)
            return Window("slices", rate.limit, period, long=True, slice=part, slices=SLICES)
        case "calendar":
            begins = beginning(rate.calendar or "day", today)
            ends = following(rate.calendar or "day", begins)
            later = following(rate.calendar or "day", ends)
            edges = [round(edge.timestamp() * _US) for edge in (begins, ends, later)]
            guard = round(CALENDAR_GUARD_S * _US)
            return Window(
                "calendar",
                rate.limit,
                period,
                long=True,
                begins=edges[0],
                ends=edges[1],
                later=edges[2],
                guard=guard,
            )


def beginning(calendar: Calendar, moment: datetime) -> datetime:
    """Return when the day or month (UTC) began that `moment` is in."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if calendar == "day" else day.replace(day=1)


def following(calendar: Calendar, begins: datetime) -> datetime:
    """Return when the day or month after that of `begins` begins."""
    if calendar == "day":
        return begins + timedelta(days=1)
    return (begins.replace(day=1) + timedelta(days=32)).replace(day=1)


def arrival_s(rates: "tuple[Rate, ...]") -> float:
    """Return the seconds within which a call that was sent has reached the service, or never does.

    The bound only counts for a call whose end nobody tells: else the end is what counts.
    """
    return min(ARRIVAL_MAX_S, max(ARRIVAL_MIN_S, ARRIVAL_SHARE * shortest_s(rates)))


def shortest_s(rates: "tuple[Rate, ...]") -> float:
    """Return the shortest period of `rates`, in seconds; infinite without any."""
    return min((rate.period_s for rate in rates), default=math.inf)


def usual_interval_s(rates: "tuple[Rate, ...]") -> float:
    """Return the seconds between two calls that go on for ever; nought without any rate.

    Quotas have no say: they are there to be used up whenever one likes.
    """
    paces = [
        rate.pace[0] if rate.is_paced else rate.period_s / rate.limit
        for rate in rates
        if not rate.quota
    ]
    return max(paces, default=0.0)


def spread_s(rates: "tuple[Rate, ...]") -> float:
    """Return the seconds between two interactive calls that have to wait; nought for at once.

    A whole window that goes in one instant would be lost with whoever is killed in that instant.
    What is paced is spread anyway.
    """
    if any(rate.is_paced for rate in rates):
        return 0.0
    logs = [rate for rate in rates if rate.counting == "log"]
    return max(
        (SPREAD_SHARE * min(rate.period_s, SPREAD_MAX_S) / rate.limit for rate in logs), default=0.0
    )


def rate_of(text: str) -> Rate:
    """Return the rate that `text` writes.

    Raises:
        ValueError: it is not LIMIT/[COUNT]UNIT with a unit of ms, s, m, h or d, LIMIT/day or
            LIMIT/month, each with or without ` burst COUNT`.
    """
    match = _FORM.fullmatch(text.replace(" ", ""))
    if match is None or (match["calendar"] and match["burst"]):
        raise ValueError(
            f"{text!r} is not a rate; write for example 10/s, 600/5m, 100000/d, 5000/day or"
            " 200/s burst 5"
        )
    limit, burst = int(match["limit"]), int(match["burst"]) if match["burst"] else None
    if match["calendar"]:
        days = 1 if match["calendar"] == "day" else 31
        calendar: Calendar = "day" if match["calendar"] == "day" else "month"
        return Rate(limit, days * _UNIT_S["d"], text, calendar=calendar)
    period_s = int(match["count"] or 1) * _UNIT_S[match["unit"]]
    return Rate(limit, period_s, text, burst)
