"""A service and processes on a clock of the test, around the script that permits are made with.

The script runs in a real Valkey; only its clock is the test's. The service is the sandbox's own
counting, which knows nothing of ours.
"""

import heapq
import math
import random
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct
from redis import Redis

from providers.permit import Bounds
from providers.rates import Rate, window_of
from providers.timing import timing_of
from providers.trip import RESERVE, US, Answered, Asked, Group
from sandbox.limits import COUNTERS, Counting, Window

TIME = "local time = redis.call('TIME')"
EPOCH_S = 1_790_000_000.0
TRIP_S = 0.02
KEYS = ["{p}:state", "{p}:calls", "{p}:slots", "{p}:tenants", "{p}:dues", "{p}:q0", "{p}:q1"]
assert RESERVE.count(TIME) == 1


class Way(Struct, frozen=True):
    """How long calls take: to be let go, to arrive, to be answered; each from nought up to this."""

    hold_s: float
    transit_s: float
    answer_s: float


class Stalls(Struct, frozen=True):
    """A loop that stands still for `lasts_s`, every `every_s` from `first_s` on.

    A call that was let go in the `unseen_s` before it only goes when it is over.
    """

    first_s: float = 0.0
    lasts_s: float = 0.0
    every_s: float = 1.0
    unseen_s: float = 0.0

    def awake(self, at: float) -> float:
        """Return the first instant from `at` (seconds from the start) on at which it runs."""
        begun_s = (at - self.first_s) % self.every_s
        return at + self.lasts_s - begun_s if begun_s < self.lasts_s else at


AWAKE = Stalls()


class Process:
    """One of ours: it asks for permits for as many calls as it may have in flight."""

    def __init__(
        self, name: str, world: "World", *, batch: bool, tenant: str, stalls: Stalls
    ) -> None:
        self.name, self.world, self.batch, self.tenant = name, world, batch, tenant
        self.stalls = stalls
        self.unused: list[int] = []
        self.late: list[tuple[int, float]] = []
        self.number = 0
        self.in_use = 0
        self.ended: list[tuple[int, float]] = []
        self.dead = False
        self.given = 0

    def trip(self) -> None:
        """Ask for permits, and let the calls go at their instants."""
        if self.dead:
            return
        world = self.world
        awake = self.awake(world.now)
        if awake > world.now:
            world.at(awake, self.trip)
            return
        ended, self.ended = self.ended, []
        answer = world.reserve(self, ended)
        for delay in answer.groups[0].delays:
            self.number += 1
            self.given += 1
            self.in_use += 1
            self._send(self.number, world.now + delay / US)
        world.at(world.now + world.random.uniform(TRIP_S / 2, TRIP_S), self.trip)

    def awake(self, at: float) -> float:
        """Return the first instant from `at` on at which the process runs."""
        return EPOCH_S + self.stalls.awake(at - EPOCH_S)

    def _send(self, number: int, due: float) -> None:
        world, way, late_s = self.world, self.world.way, self.world.late_s
        let_go = self.awake(due + world.random.uniform(0, way.hold_s))
        if let_go - due > late_s:
            world.at(let_go, lambda: self._give_back(number))
            return
        sent = max(let_go, self.awake(let_go + self.stalls.unseen_s) - self.stalls.unseen_s)
        if sent - due > late_s:
            world.at(sent, lambda: self.late.append((number, sent)))
        arrives = sent + world.random.uniform(0, way.transit_s)
        answered = arrives + world.random.uniform(0, way.answer_s)

        def send() -> None:
            if not self.dead:
                world.at(arrives, world.arrive)
                world.at(answered, lambda: self._end(number))

        world.at(sent, send)

    def _give_back(self, number: int) -> None:
        self.in_use -= 1
        self.unused.append(number)

    def _end(self, number: int) -> None:
        self.in_use -= 1
        self.ended.append((number, self.world.now))


class World:
    """The clock, the store and the service."""

    def __init__(
        self,
        url: str,
        rates: tuple[Rate, ...],
        counting: Counting,
        way: Way,
        seed: int,
        *,
        concurrency: int = 1_000,
    ) -> None:
        self.client = cast("Any", Redis).from_url(url)
        weakref.finalize(self, self.client.close)
        self.client.flushall()
        self.rates, self.way, self.concurrency = rates, way, concurrency
        self.late_s = min((rate.late_s for rate in rates if rate.is_paced), default=math.inf)
        self.random = random.Random(seed)
        self.now = EPOCH_S
        self.arrived: list[float] = []
        self.refused = 0
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._counters = [
            COUNTERS[counting](Window(rate.limit, rate.period_s, counting, rate.burst or 1))
            for rate in rates
        ]
        self._source = RESERVE.replace(TIME, "local time = { 0, ARGV[2] }")

    def process(
        self, name: str, *, batch: bool = False, tenant: str = "default", stalls: Stalls = AWAKE
    ) -> Process:
        """Start a process."""
        process = Process(name, self, batch=batch, tenant=tenant, stalls=stalls)
        self.at(self.now + self.random.uniform(0, TRIP_S), process.trip)
        return process

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (moment, next(self._order), do))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            moment, _, do = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            do()
        self.now = until

    def arrive(self) -> None:
        """Let the service count one call; it refuses what is too much."""
        self.arrived.append(self.now)
        if max((counter.wait(self.now) for counter in self._counters), default=0) > 1e-9:
            self.refused += 1
            return
        for counter in self._counters:
            counter.take(self.now)

    def reserve(
        self, process: Process, ended: list[tuple[int, float]], alone: Sequence[float] = ()
    ) -> Answered:
        """Make one trip for `process`, who wants as much as it can get.

        `alone` are the instants of calls that it made while the store was away.
        """
        today = datetime.fromtimestamp(self.now, UTC)
        windows = msgspec.msgpack.encode([window_of(rate, today) for rate in self.rates])
        timing = timing_of(Bounds(self.rates, self.concurrency))
        wanted = min(64, self.concurrency)
        unused, process.unused = process.unused, []
        late, process.late = process.late, []
        asked = Asked(
            me=process.name,
            lane=process.name,
            first=process.number + 1,
            concurrency=self.concurrency,
            in_use=process.in_use,
            wanted=wanted,
            urgent=0 if process.batch else wanted,
            lease=round(3 * US),
            horizon=round(timing.horizon_s * US),
            urgent_horizon=round(timing.urgent_horizon_s * US),
            slot_wait=round(0.02 * US),
            interval=timing.interval_s * US,
            arrival=round(timing.arrival_s * US),
            longest=round(timing.longest_s * US),
            spread=timing.spread_s * US,
            windows=Raw(windows),
            ended=[part for n, at in ended for part in (n, int((self.now - at) * US))],
            unused=unused,
            late=[part for n, at in late for part in (n, int((self.now - at) * US))],
            alone=[int((self.now - at) * US) for at in alone],
            groups=[Group(process.tenant, process.batch, wanted, round(5 * US))],
        )
        body = msgspec.msgpack.encode(asked)
        answer = self.client.eval(self._source, len(KEYS), *KEYS, body, f"{self.now * US:.0f}")
        return msgspec.msgpack.decode(answer, type=Answered)
