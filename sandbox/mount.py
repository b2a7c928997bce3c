"""One mounted service: its limits, faults, latency, statistics and log around its stand-in."""

from __future__ import annotations

import math
import random
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sandbox import faults
from sandbox.limits import Gate, Limit, Refusal
from sandbox.message import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.standin import StandIn

LOG_CALLS_MAX = 50_000


@dataclass(slots=True)
class Latency:
    """How long every answer takes: `ms`, and up to `jitter_ms` more."""

    ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0


class Mount:
    """Answers the calls below one path prefix."""

    def __init__(self, name: str, standin: StandIn, limit: Limit) -> None:
        self.name = name
        self.standin = standin
        self.published = limit
        self.gate = Gate(limit)
        self.reset()

    def reset(self) -> None:
        """Forget faults, latency and counts, and enforce the published limit again."""
        self.gate.change(self.published)
        self.faults: list[faults.Fault] = []
        self.latency = Latency()
        self._random = random.Random(0)
        self.standin.reset()
        self.calls: Counter[tuple[str, str, int]] = Counter()
        self.values_asked = 0
        self.in_flight_peak = 0
        self._logged = 0
        self._log: deque[tuple[float, str, str, Sequence[str], int]] = deque(maxlen=LOG_CALLS_MAX)
        self._epoch = getattr(self, "_epoch", 0) + 1
        self._in_flight = 0

    def delay(self, latency: Latency) -> None:
        """Let every answer take this long from now on."""
        self.latency = latency
        self._random.seed(latency.seed)

    def answer(self, request: Request) -> Reply:
        """Return the reply to a call, whose `done` must be called once it is out."""
        now = time.monotonic()
        account = self.standin.account(request)
        partition = self.standin.partition(request)
        values = self.standin.values(request)
        refusal = self.gate.enter(account, partition, now)
        if refusal is None:
            reply = self._served(request, values)
            self._hold(reply, partition)
        else:
            reply = self._refused(refusal)
        quota_headers = self.standin.quota_headers
        if quota_headers is not None and account is not None:
            left = self.gate.left(account, now)
            if left is not None:
                reply.headers += quota_headers(left)
        self._note(request, values, reply.status)
        return reply

    def _served(self, request: Request, values: Sequence[str]) -> Reply:
        for fault in self.faults:
            if fault.strikes(values):
                reply = faults.apply(fault, self.standin, request)
                break
        else:
            reply = self.standin.handle(request)
        latency = self.latency
        if latency.ms or latency.jitter_ms:
            reply.delay_s += (latency.ms + self._random.uniform(0, latency.jitter_ms)) / 1000
        return reply

    def _hold(self, reply: Reply, partition: str) -> None:
        epoch = self._epoch
        self._in_flight += 1
        self.in_flight_peak = max(self.in_flight_peak, self._in_flight)

        def done() -> None:
            self.gate.leave(partition)
            if epoch == self._epoch:
                self._in_flight -= 1

        reply.done = done

    def _refused(self, refusal: Refusal) -> Reply:
        refuse = self.standin.refuse
        reply = refuse(refusal) if refuse else self.standin.error(429)
        if self.gate.limit.retry_after and math.isfinite(refusal.wait_s):
            return reply.plus(("Retry-After", str(math.ceil(refusal.wait_s))))
        return reply

    def _note(self, request: Request, values: Sequence[str], status: int) -> None:
        path = self.standin.path_of(request)
        self.calls[request.method, path, status] += 1
        self.values_asked += len(values)
        self._logged += 1
        self._log.append((time.time(), request.method, request.path, values, status))

    def statistics(self) -> dict[str, Any]:
        """Return counts since the start or the last reset."""
        return {
            "calls": sum(self.calls.values()),
            "values_asked": self.values_asked,
            "in_flight": self._in_flight,
            "in_flight_peak": self.in_flight_peak,
            "by_status": _summed(self.calls, 2),
            "by_path": [
                {"method": method, "path": path, "status": status, "calls": count}
                for (method, path, status), count in sorted(self.calls.items())
            ],
            "faults": [{"mode": fault.mode, "seen": fault.seen, "hit": fault.hit}
                       for fault in self.faults],
            "limit": asdict(self.gate.limit),
        }  # fmt: skip

    def log(self) -> dict[str, Any]:
        """Return the last calls, oldest first, and how many older ones were dropped."""
        return {
            "dropped": self._logged - len(self._log),
            "calls": [
                {"time": at, "method": method, "path": path, "values": values, "status": status}
                for at, method, path, values, status in self._log
            ],
        }


def _summed(calls: Counter[tuple[str, str, int]], part: int) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for key, count in calls.items():
        totals[str(key[part])] += count
    return dict(totals)
