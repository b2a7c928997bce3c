"""How long Assay takes to be ready, and what an idle worker holds in memory.

`assay serve` from its start until `/readyz` answers, with a private Valkey in a new folder; the
import of the application alone; resident memory of that process, and of a worker of gunicorn.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from benchmarks.processes import (
    POLL_S,
    READY_WAIT_S,
    ROOT,
    TESTED_CPU,
    Running,
    environment,
    free_port,
    pin_self,
    pinned,
    started,
)

ROUNDS = 5
READY_GOAL_S = 1.5
RESIDENT_GOAL_BYTES = 120_000_000
IDLE_S = 1.0
IMPORT = "import gateway.app"


class Start(Struct):
    """One start: seconds until it was ready, CPU seconds by then, bytes resident when idle."""

    ready_s: float
    cpu_s: float
    resident_bytes: int


def imported_s() -> float:
    """Return how long a new interpreter takes to import the application."""
    command = pinned([sys.executable, "-c", IMPORT], TESTED_CPU)
    begun = time.monotonic()
    subprocess.run(command, cwd=ROOT, env=environment(), check=True)
    return time.monotonic() - begun


def served() -> Start:
    """Start `assay serve`, wait until it is ready and idle, and stop it."""
    port = free_port()
    assay = str(Path(sys.executable).with_name("assay"))
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        command = [assay, "serve", "--port", str(port), "--data-dir", folder]
        begun = time.monotonic()
        with started(command, TESTED_CPU) as process:
            server = Running(process.pid, port)
            ready_s = until_ready(server, begun)
            cpu_s = server.cpu_s()
            time.sleep(IDLE_S)
            return Start(ready_s, cpu_s, server.resident_bytes())


def until_ready(server: Running, begun: float) -> float:
    """Return the seconds from `begun` until `/readyz` answers 200.

    Raises:
        RuntimeError: not within `READY_WAIT_S`.
    """
    while time.monotonic() - begun < READY_WAIT_S:
        try:
            server.get("/readyz")
        except (OSError, urllib.error.HTTPError):
            time.sleep(POLL_S)
        else:
            return time.monotonic() - begun
    raise RuntimeError("Assay was not ready; see benchmarks/out/processes.log")


def worker_bytes() -> int:
    """Return what the one worker of gunicorn has resident when idle."""
    port = free_port()
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        variables = {
            "ASSAY_BIND": f"127.0.0.1:{port}",
            "ASSAY_WORKERS": "1",
            "ASSAY_GATEWAY__DATA_DIR": folder,
        }
        command = [gunicorn, "-c", "gunicorn.conf.py"]
        with started(command, TESTED_CPU, variables=variables) as process:
            until_ready(Running(process.pid, port), time.monotonic())
            time.sleep(IDLE_S)
            below = psutil.Process(process.pid).children()
            return max(one.memory_info().rss for one in below if one.name() != "valkey-server")


class Startup(Struct):
    """All that was measured."""

    imports_s: list[float]
    starts: list[Start]
    worker_bytes: int


def measure(rounds: int = ROUNDS) -> Startup:
    """Measure so many starts."""
    pin_self()
    served()  # the first one compiles modules and reads them from the disk
    return Startup(
        [imported_s() for _ in range(rounds)], [served() for _ in range(rounds)], worker_bytes()
    )


def table(found: Startup) -> list[str]:
    """Return the lines of a table."""
    ready = [one.ready_s for one in found.starts]
    ready_s = statistics.median(ready)
    cpu_s = statistics.median(one.cpu_s for one in found.starts)
    imports_s = statistics.median(found.imports_s)
    served_bytes = statistics.median(one.resident_bytes for one in found.starts)
    rows = [
        (
            "start to ready, `assay serve`",
            f"**{ready_s:.2f} s** {_range(ready)}",
            f"{READY_GOAL_S} s",
            _met(ready_s < READY_GOAL_S),
        ),
        ("of it CPU time", f"{cpu_s:.2f} s", "-", ""),
        (f"`{IMPORT}` alone", f"{imports_s:.2f} s {_range(found.imports_s)}", "-", ""),
        _memory("`assay serve`", served_bytes),
        _memory("a worker of gunicorn", found.worker_bytes),
    ]
    head = ["| what | median (range) | goal | met |", "| --- | --- | --- | --- |"]
    return head + [f"| {' | '.join(row)} |" for row in rows]


def _memory(whose: str, resident: float) -> tuple[str, str, str, str]:
    goal = f"{RESIDENT_GOAL_BYTES / 1e6:.0f} MB"
    met = _met(resident < RESIDENT_GOAL_BYTES)
    return (f"resident memory, idle: {whose}", f"{resident / 1e6:.0f} MB", goal, met)


def _range(numbers: Sequence[float]) -> str:
    return f"({min(numbers):.2f}-{max(numbers):.2f})"


def _met(met: bool) -> str:  # noqa: FBT001 - the answer itself
    return "yes" if met else "**no**"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    print("\n".join(table(measure(parser.parse_args().rounds))))


if __name__ == "__main__":
    main()
