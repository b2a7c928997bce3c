"""A service and processes on a clock of the test, around the script that permits are made with.

The script runs in a real Valkey; only its clock is the test's. The service is the sandbox's own
counting, which knows nothing of ours.
"""

import heapq
import random
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import msgspec
from msgspec import Raw, Struct
from redis import Redis

from providers.rates import Rate, arrival_s, usual_interval_s, window_of
from providers.trip import RESERVE, US, Answered, Asked, Group
from sandbox.limits import COUNTERS, Counting, Window

TIME = "local time = redis.call('TIME')"
EPOCH_S = 1_790_000_000.0
TRIP_S = 0.02
KEYS = ["{p}:state", "{p}:calls", "{p}:slots", "{p}:tenants", "{p}:q0", "{p}:q1"]
assert RESERVE.count(TIME) == 1


class Way(Struct, frozen=True):
    """How long calls take: to be let go, to arrive, to be answered; each from nought up to this."""

    hold_s: float
    transit_s: float
    answer_s: float


class Process:
    """One of ours: it asks for permits for as many calls as it may have in flight."""

    def __init__(self, name: str, world: "World", *, batch: bool, tenant: str) -> None:
        self.name, self.world, self.batch, self.tenant = name, world, batch, tenant
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
        ended, self.ended = self.ended, []
        answer = world.reserve(self, ended)
        for delay in answer.groups[0].delays:
            self.number += 1
            self.given += 1
            self.in_use += 1
            self._send(self.number, world.now + delay / US)
        world.at(world.now + world.random.uniform(TRIP_S / 2, TRIP_S), self.trip)

    def _send(self, number: int, due: float) -> None:
        world, way = self.world, self.world.way
        sent = due + world.random.uniform(0, way.hold_s)
        arrives = sent + world.random.uniform(0, way.transit_s)
        answered = arrives + world.random.uniform(0, way.answer_s)

        def send() -> None:
            if not self.dead:
                world.at(arrives, world.arrive)
                world.at(answered, lambda: self._end(number))

        world.at(sent, send)

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
        self.client.flushall()
        self.rates, self.way, self.concurrency = rates, way, concurrency
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

    def process(self, name: str, *, batch: bool = False, tenant: str = "default") -> Process:
        """Start a process."""
        process = Process(name, self, batch=batch, tenant=tenant)
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

    def reserve(self, process: Process, ended: list[tuple[int, float]]) -> Answered:
        """Make one trip for `process`, who wants as much as it can get."""
        today = datetime.fromtimestamp(self.now, UTC)
        windows = msgspec.msgpack.encode([window_of(rate, today) for rate in self.rates])
        logs = [rate.guarded_s for rate in self.rates if rate.counting == "log"]
        wanted = min(64, self.concurrency)
        asked = Asked(
            me=process.name,
            lane=process.name,
            first=process.number + 1,
            concurrency=self.concurrency,
            in_use=process.in_use,
            wanted=wanted,
            urgent=0 if process.batch else wanted,
            lease=round(3 * US),
            horizon=round(0.07 * US),
            urgent_horizon=round(0.2 * US),
            slot_wait=round(0.02 * US),
            interval=usual_interval_s(self.rates) * US,
            arrival=round(arrival_s(self.rates) * US),
            longest=round(max(logs, default=0) * US),
            windows=Raw(windows),
            ended=[part for n, at in ended for part in (n, int((self.now - at) * US))],
            unused=[],
            alone=[],
            groups=[Group(process.tenant, process.batch, wanted, round(5 * US))],
        )
        body = msgspec.msgpack.encode(asked)
        answer = self.client.eval(self._source, len(KEYS), *KEYS, body, f"{self.now * US:.0f}")
        return msgspec.msgpack.decode(answer, type=Answered)
