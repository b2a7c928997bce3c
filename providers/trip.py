"""One trip of an account to the shared store: what is asked there, and what is answered.

Both travel as MessagePack, which the script reads and writes by itself. Times are microseconds,
and relative: nobody's clock but Valkey's is ever compared with another.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Protocol, cast

import msgspec
from msgspec import Raw, Struct

from providers.rates import Rate, window_of
from providers.told import Told

US = 1e6
SLACK_SHARE, SLACK_MIN = 0.05, 2
"""Of a limit: by so much the service's count may be above ours, and nobody else be using it."""
_SCRIPTS = files("providers") / "scripts"
_SLOWNESS = (_SCRIPTS / "slowness.lua").read_text()
_BUCKETS = (_SCRIPTS / "buckets.lua").read_text()
RESERVE = _SLOWNESS + _BUCKETS + (_SCRIPTS / "permits.lua").read_text()
HEED = _SLOWNESS + (_SCRIPTS / "heed.lua").read_text()
STANDING = _SLOWNESS + _BUCKETS + (_SCRIPTS / "standing.lua").read_text()

Run = Callable[[Sequence[str], Sequence[str | int | bytes]], Awaitable[object]]


class Shared(Protocol):
    """What limits need of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...


class Group(Struct, frozen=True):
    """So many permits that one tenant wants, urgently or for a batch, before `patience` is over."""

    tenant: str
    batch: bool
    count: int
    patience: int


class Counted(Struct, frozen=True):
    """What the service counted in the window numbered `window` (from 1), `age` ago.

    Only what is `slack` above our own count is taken for somebody else's.
    """

    window: int
    used: int
    slack: int
    age: int


class Asked(Struct, frozen=True):
    """What permits.lua is asked.

    `me` and `first` name the calls, `lane` the holder of slots: it uses `in_use` of them and wants
    `wanted`, of which `urgent` for interactive calls. `ended` holds numbers and ages, one after the
    other; `unused` the numbers of permits given back; `late` numbers, and ages of their sending, of
    permits that were used later than they may be, which matters to buckets; `alone` the ages of
    calls that were made while the store was away, as far as windows need them one by one;
    `alone_counts` ages and numbers of all of them, the oldest first. `lease` is for how long slots
    are held without a further word; `horizon` and `urgent_horizon` how far ahead is reserved;
    `slot_wait` when to ask again where slots are missing; `interval` the account's usual distance
    of two calls; `arrival` within which a call has reached the service; `longest` the longest
    window of single calls.
    """

    me: str
    lane: str
    first: int
    concurrency: int
    in_use: int
    wanted: int
    urgent: int
    lease: int
    horizon: int
    urgent_horizon: int
    slot_wait: int
    interval: float
    arrival: int
    longest: int
    spread: float
    windows: Raw
    ended: Sequence[int]
    unused: Sequence[int]
    late: Sequence[int]
    alone: Sequence[int]
    groups: Sequence[Group]
    told: Counted | None = None
    alone_counts: Sequence[int] = ()


class Given(Struct, frozen=True):
    """What a group got: the delay of each permit; for the rest when to ask `again`, and why.

    The next permit is `due` at the earliest. `why` is the number of the window that is full, or
    one of slow, pace, turn, share and slots, or else why the account is paused, a reason code.
    """

    delays: list[float]
    again: float
    due: float
    why: str


class Answered(Struct, frozen=True):
    """What permits.lua answers.

    The store's clock showed `now`; `held` slots are ours; `pause` is what is left of one; `slow`
    says that the account comes back from being asked too much; `left` is what is left of its long
    windows, in their order.
    """

    now: float
    held: int
    pause: float
    slow: bool
    left: list[float]
    groups: list[Given]


_ENCODER = msgspec.msgpack.Encoder()
_ANSWERED = msgspec.msgpack.Decoder(Answered)


class Windows:
    """The rates of an account as the script takes them; those of the calendar move with it."""

    def __init__(self, rates: Sequence[Rate]) -> None:
        """Take `rates`."""
        self._rates = rates
        self._moving = any(rate.calendar is not None for rate in rates)
        self._encoded = self._encode(datetime.now(UTC))

    def encoded(self) -> Raw:
        """Return all windows, as MessagePack."""
        if self._moving:
            self._encoded = self._encode(datetime.now(UTC))
        return self._encoded

    def _encode(self, now: datetime) -> Raw:
        return Raw(_ENCODER.encode([window_of(rate, now) for rate in self._rates]))


def counted(rates: Sequence[Rate], told: Told, age_s: float) -> Counted | None:
    """Return what the service told `age_s` ago as the script takes it; None for no window of ours.

    Paced windows have no count to compare it with.
    """
    for number, rate in enumerate(rates, 1):
        if rate.limit == told.limit and not rate.is_paced:
            slack = max(SLACK_MIN, int(rate.limit * SLACK_SHARE))
            return Counted(number, rate.limit - told.remaining, slack, int(age_s * US))
    return None


async def reserve(run: Run, keys: Sequence[str], asked: Asked) -> Answered:
    """Make the trip.

    Raises:
        OSError: the shared store is away, or answered what it never does.
    """
    answer = cast("bytes", await run(keys, [_ENCODER.encode(asked)]))
    return _ANSWERED.decode(answer)
