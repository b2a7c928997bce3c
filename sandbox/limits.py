"""The limits that a service publishes, enforced: windows an account, concurrency, partitions."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ACCOUNTS_MAX = 1_000
Counting = Literal["sliding", "fixed", "bucket"]


@dataclass(frozen=True, slots=True)
class Window:
    """At most `requests` in `window_s` seconds, counted in one of three ways.

    sliding: in any interval of that length. fixed: in intervals that begin with the first
    request. bucket: `burst` at once, then one each `window_s / requests`.
    """

    requests: int
    window_s: float
    counting: Counting = "sliding"
    burst: int = 1


@dataclass(frozen=True, slots=True)
class Limit:
    """What is enforced; None is no bound.

    `retry_after` adds that header to refusals; `block_s` refuses everything for so long once a
    window was overrun.
    """

    windows: tuple[Window, ...] = ()
    concurrency: int | None = None
    partition_concurrency: int | None = None
    retry_after: bool = False
    block_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is refused, and after how many seconds it would not be."""

    bound: Literal["rate", "concurrency", "partition"]
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a window: its size, what remains, seconds until it is whole again."""

    requests: int
    remain: int
    reset_s: float
    window_s: float


class Counter(Protocol):
    """Counts one account's calls in one window."""

    def wait(self, now: float) -> float:
        """Return 0 when a call may come now, else the seconds until one may."""
        ...

    def take(self, now: float) -> None:
        """Count one call."""
        ...

    def left(self, now: float) -> Left:
        """Return what is left."""
        ...


class Sliding:
    """An exact log of the calls of the last window."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._times: deque[float] = deque(maxlen=max(1, window.requests))

    def _forget(self, now: float) -> None:
        while self._times and now - self._times[0] >= self._window.window_s:
            self._times.popleft()

    def wait(self, now: float) -> float:
        """Return the seconds until a call may come."""
        self._forget(now)
        if len(self._times) < self._window.requests:
            return 0.0
        return self._times[0] + self._window.window_s - now if self._times else math.inf

    def take(self, now: float) -> None:
        """Count one call."""
        self._times.append(now)

    def left(self, now: float) -> Left:
        """Return what is left."""
        self._forget(now)
        reset_s = self._times[0] + self._window.window_s - now if self._times else 0.0
        remain = self._window.requests - len(self._times)
        return Left(self._window.requests, remain, reset_s, self._window.window_s)


class Fixed:
    """A count that starts again when the window that the first call opened has passed."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._began = -math.inf
        self._count = 0

    def _turn(self, now: float) -> None:
        if now - self._began >= self._window.window_s:
            self._began, self._count = now, 0

    def wait(self, now: float) -> float:
        """Return the seconds until a call may come."""
        self._turn(now)
        if self._count < self._window.requests:
            return 0.0
        return self._began + self._window.window_s - now

    def take(self, now: float) -> None:  # noqa: ARG002, the protocol's signature
        """Count one call."""
        self._count += 1

    def left(self, now: float) -> Left:
        """Return what is left."""
        self._turn(now)
        reset_s = self._began + self._window.window_s - now
        remain = self._window.requests - self._count
        return Left(self._window.requests, remain, reset_s, self._window.window_s)


class Bucket:
    """A bucket of `burst` that fills at the window's rate."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._per_s = window.requests / window.window_s
        self._level = float(window.burst)
        self._at = -math.inf

    def _fill(self, now: float) -> None:
        passed = min(now - self._at, self._window.window_s * self._window.burst)
        self._level = min(float(self._window.burst), self._level + passed * self._per_s)
        self._at = now

    def wait(self, now: float) -> float:
        """Return the seconds until a call may come."""
        self._fill(now)
        if self._level >= 1:
            return 0.0
        return (1 - self._level) / self._per_s if self._per_s else math.inf

    def take(self, now: float) -> None:  # noqa: ARG002, the protocol's signature
        """Count one call."""
        self._level -= 1

    def left(self, now: float) -> Left:
        """Return what is left."""
        self._fill(now)
        reset_s = (self._window.burst - self._level) / self._per_s if self._per_s else math.inf
        return Left(self._window.requests, int(self._level), reset_s, self._window.window_s)


COUNTERS: Mapping[Counting, Callable[[Window], Counter]] = {
    "sliding": Sliding,
    "fixed": Fixed,
    "bucket": Bucket,
}


class Gate:
    """Lets the calls of one service in, by its limit, each account counted for itself."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._counters: dict[str, Sequence[Counter]] = {}
        self._blocked_until: dict[str, float] = {}
        self._inside = 0
        self._inside_by_partition: dict[str, int] = {}

    def change(self, limit: Limit) -> None:
        """Enforce another limit from now on; counts begin again, calls inside stay counted."""
        self.limit = limit
        self._counters.clear()
        self._blocked_until.clear()

    def enter(self, account: str | None, partition: str, now: float) -> Refusal | None:
        """Let one call in, or say why not. Whoever was let in must `leave`.

        A call without a known `account` is not counted against a window.
        """
        limit = self.limit
        if limit.concurrency is not None and self._inside >= limit.concurrency:
            return Refusal("concurrency")
        here = self._inside_by_partition.get(partition, 0)
        if limit.partition_concurrency is not None and here >= limit.partition_concurrency:
            return Refusal("partition")
        if account is not None and limit.windows:
            refusal = self._count(account, now)
            if refusal is not None:
                return refusal
        self._inside += 1
        self._inside_by_partition[partition] = here + 1
        return None

    def _count(self, account: str, now: float) -> Refusal | None:
        blocked_s = self._blocked_until.get(account, 0.0) - now
        if blocked_s > 0:
            return Refusal("rate", blocked_s)
        counters = self._counters_of(account)
        wait_s = max(counter.wait(now) for counter in counters)
        if wait_s > 0:
            if self.limit.block_s:
                self.block(account, now + self.limit.block_s)
            return Refusal("rate", max(wait_s, self.limit.block_s))
        for counter in counters:
            counter.take(now)
        return None

    def _counters_of(self, account: str) -> Sequence[Counter]:
        counters = self._counters.get(account)
        if counters is None:
            if len(self._counters) >= ACCOUNTS_MAX:
                self._counters.clear()
            counters = [COUNTERS[window.counting](window) for window in self.limit.windows]
            self._counters[account] = counters
        return counters

    def block(self, account: str, until: float) -> None:
        """Refuse all calls of an account until then."""
        if len(self._blocked_until) >= ACCOUNTS_MAX:
            self._blocked_until.clear()
        self._blocked_until[account] = until

    def leave(self, partition: str) -> None:
        """Give back the place of a call that was let in."""
        self._inside -= 1
        left = self._inside_by_partition[partition] - 1
        if left:
            self._inside_by_partition[partition] = left
        else:
            del self._inside_by_partition[partition]

    def left(self, account: str, now: float) -> Left | None:
        """Return what is left of the first window, None when there is none."""
        if not self.limit.windows:
            return None
        return self._counters_of(account)[0].left(now)
