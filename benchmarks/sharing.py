"""Processes that share one account's limit against a stand-in that enforces it."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from os import kill

import msgspec
from msgspec import Struct

from benchmarks.processes import OTHER_CPU, OUT, ROOT, TESTED_CPU, environment, pinned, store
from benchmarks.sandboxed import running_sandbox
from benchmarks.sharer import Order, Seen

MOUNT, PATH = "gleif", "/gleif/lei-records/SBOX00ISSUED00000047"
LATENCY_MS, JITTER_MS = 5.0, 5.0
END_WAIT_S = 30.0
TOO_MANY = 429


class Shared(Struct):
    """What came of it: calls let in and refused, when each came, what each process saw.

    `at_once` is how many calls were at the service at once, at most.
    """

    made: int
    refused: int
    moments: list[float]
    seen: list[Seen]
    store_cpu_s: float
    at_once: int

    def share_of(self, allowed: float) -> str:
        """Return how many of `allowed` calls were made, for people."""
        return (
            f"{self.made} of {allowed:.0f} calls made ({self.made / allowed:.1%}),"
            f" {self.refused} refused"
        )


class Service(Struct, frozen=True):
    """The stand-in beside its windows: how slow it is, and how many calls at once it takes."""

    latency_ms: float = LATENCY_MS
    concurrency: int | None = None


class Events(Struct, frozen=True):
    """What happens meanwhile, in seconds from the start.

    `lose_at`: one process is killed and one is stopped; `resume_at`: the stopped one goes on;
    `store_away`: the store stands still from then till then.
    """

    lose_at: float | None = None
    resume_at: float | None = None
    store_away: tuple[float, float] | None = None


def window(requests: int, window_s: float, counting: str, burst: int = 1) -> dict[str, object]:
    """Return a window as the sandbox takes it."""
    return {"requests": requests, "window_s": window_s, "counting": counting, "burst": burst}


def most_within(window_s: float, moments: Sequence[float]) -> int:
    """Return the largest number of `moments`, which are in order, within any such window."""
    first = most = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def shared(
    windows: Sequence[Mapping[str, object]],
    rates: Sequence[str],
    processes: Sequence[Mapping[str, object]],
    seconds: float,
    events: Events = Events(),  # noqa: B008 - frozen
    service: Service = Service(),  # noqa: B008 - frozen
) -> Shared:
    """Let `processes` (changes of an `Order`) share `rates` for `seconds`; the rest as it is."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox())
        store_process = stack.enter_context(store())
        latency = {"ms": service.latency_ms, "jitter_ms": JITTER_MS, "seed": 1}
        sandbox.control("POST", f"{MOUNT}/latency", latency)
        limit = {"windows": list(windows), "concurrency": service.concurrency}
        sandbox.control("POST", f"{MOUNT}/limit", limit)
        order = Order(store_process.url, sandbox.http + PATH, list(rates), seconds)
        running = [
            stack.enter_context(_sharer(order, changes, (TESTED_CPU, OTHER_CPU)[at % 2]))
            for at, changes in enumerate(processes)
        ]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        lost = _happen(events, running, store_process.pid)
        seen: list[Seen] = []
        for process in running[lost:]:
            out, _ = process.communicate(timeout=seconds + END_WAIT_S)
            assert process.returncode == 0, f"one that shares ended with {process.returncode}"
            seen.append(msgspec.json.decode(out, type=Seen))
        calls = sandbox.calls(MOUNT)
        at_once: int = sandbox.control("GET", "statistics")[MOUNT]["in_flight_peak"]
        cpu_s = store_process.cpu_s()
    refused = sum(call["status"] == TOO_MANY for call in calls)
    moments = [call["time"] for call in calls if call["status"] != TOO_MANY]
    return Shared(len(moments), refused, moments, seen, cpu_s, at_once)


def _sharer(order: Order, changes: Mapping[str, object], cpu: int) -> "_Sharer":
    told = msgspec.json.encode(msgspec.to_builtins(order) | dict(changes)).decode()
    return _Sharer([sys.executable, "-m", "benchmarks.sharer", told], cpu)


class _Sharer:
    """A process that is ended when left, also when it is stopped."""

    def __init__(self, command: Sequence[str], cpu: int) -> None:
        OUT.mkdir(exist_ok=True)
        with (OUT / "processes.log").open("ab") as log:
            self._process = subprocess.Popen(
                pinned(command, cpu),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def __enter__(self) -> "subprocess.Popen[bytes]":
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


def _happen(events: Events, running: Sequence["subprocess.Popen[bytes]"], store_pid: int) -> int:
    """Let `events` happen; return how many of `running`, from the first on, are lost."""
    if events.store_away is not None:
        begins, ends = events.store_away
        time.sleep(begins)
        kill(store_pid, signal.SIGSTOP)
        time.sleep(ends - begins)
        kill(store_pid, signal.SIGCONT)
    if events.lose_at is None:
        return 0
    time.sleep(events.lose_at)
    running[0].kill()
    kill(running[1].pid, signal.SIGSTOP)
    if events.resume_at is None:
        return 2
    time.sleep(events.resume_at - events.lose_at)
    kill(running[1].pid, signal.SIGCONT)
    return 1
