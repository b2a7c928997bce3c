"""Processes of a measurement: the code under test on CPU 0, everything else on CPU 1."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import orjson
import psutil

from gateway.private_valkey import server_binary

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(os.environ.get("BENCHMARKS_OUT") or ROOT / "benchmarks" / "out")
"""Where logs and data of a measurement go: one at a time may run in a folder."""
TESTED_CPU = 0
OTHER_CPU = 1
READY_WAIT_S = 20.0
STOP_WAIT_S = 10.0
POLL_S = 0.01
CALL_S = 5.0
_CPU_CLOCK = 2
"""CPUCLOCK_SCHED: Linux names the clock of a process by its inverted id and this."""


class NotHere(Exception):
    """Something that a measurement needs is not on this machine; the message says what."""


class Running:
    """A process that was started: its id and the port that it serves."""

    def __init__(self, pid: int, port: int) -> None:
        """Know process `pid`, which serves `port` of the loopback."""
        self.pid = pid
        self.port = port

    def cpu_s(self) -> float:
        """Return the CPU seconds, user and system, of all its threads so far."""
        if sys.platform == "linux":
            return time.clock_gettime((~self.pid << 3) | _CPU_CLOCK)
        spent = psutil.Process(self.pid).cpu_times()
        return spent.user + spent.system

    def resident_bytes(self) -> int:
        """Return the memory that it has resident now."""
        return psutil.Process(self.pid).memory_info().rss

    def get(self, path: str) -> bytes:
        """Return the body of the answer to GET `path`."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=CALL_S) as answer:
            body: bytes = answer.read()
        return body


def pin_self(cpu: int = OTHER_CPU) -> None:
    """Keep this process on `cpu`, where the system lets us choose and has as many."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > cpu:
        os.sched_setaffinity(0, {cpu})


def pinned(command: Sequence[str], cpu: int) -> list[str]:
    """Return `command` as one that runs on `cpu`, where the system lets us choose."""
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) <= cpu:
        return list(command)
    return [taskset, "-c", str(cpu), *command]


def environment(**ours: str) -> dict[str, str]:
    """Return the environment without the operator's settings, and with `ours`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return kept | ours


@contextmanager
def started(
    command: Sequence[str],
    cpu: int,
    *,
    pipe: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Generator["subprocess.Popen[bytes]"]:
    """Run `command` on `cpu` until left; `pipe` lets us read what it writes.

    What it says on standard error is kept in `OUT`, under its name.
    """
    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / "processes.log").open("ab") as log:
        process = subprocess.Popen(
            pinned(command, cpu),
            cwd=ROOT,
            env=environment(**(variables or {})),
            stdout=subprocess.PIPE if pipe else log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def said_by(command: Sequence[str], cpu: int, timeout_s: float) -> str:
    """Run `command` on `cpu` to its end, within `timeout_s`, and return what it wrote."""
    return subprocess.run(
        pinned(command, cpu),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout_s,
    ).stdout


def free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Return when somebody listens on `port`.

    Raises:
        RuntimeError: nobody does within `READY_WAIT_S` seconds, or `process` has ended.
    """
    deadline = time.monotonic() + READY_WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), POLL_S).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise RuntimeError(f"{process.args} does not listen; see benchmarks/out/processes.log")


def yardsticks() -> Path:
    """Return the folder of the yardsticks: `ASSAY_YARDSTICKS`, or beside the project.

    Raises:
        NotHere: there is none.
    """
    folder = Path(os.environ.get("ASSAY_YARDSTICKS", ROOT.parent / "shared" / "yardsticks"))
    if not (folder / "bound" / "bound.py").is_file():
        raise NotHere("the yardsticks are not here; name their folder in ASSAY_YARDSTICKS")
    return folder


def upstream_binary() -> Path:
    """Return the yardstick's upstream, compiled when it is not there or older than its source.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    source = yardsticks() / "upstream" / "upstream.c"
    binary = OUT / "upstream"
    if binary.exists() and binary.stat().st_mtime >= source.stat().st_mtime:
        return binary
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NotHere("there is no C compiler (gcc) for the yardstick's upstream")
    OUT.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", binary, source, "-lm"], check=True)
    return binary


class Upstream(Running):
    """The yardstick's upstream."""

    def statistics(self) -> dict[str, float]:
        """Return its counts: `requests`, `items`, `r429`, `bulk`, `inflight_peak` and others."""
        counts: dict[str, float] = orjson.loads(self.get("/stats"))
        return counts

    def reset(self) -> None:
        """Forget what was counted."""
        self.get("/reset")


@contextmanager
def upstream(**options: float | str) -> Generator[Upstream]:
    """Run the yardstick's upstream with `options` (`latency_ms=20`, …) until left."""
    binary, port = upstream_binary(), free_port()
    given = [
        part
        for name, value in options.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    with started([str(binary), "--port", str(port), *given], OTHER_CPU) as process:
        await_port(process, port)
        yield Upstream(process.pid, port)


class Store(Running):
    """A Valkey that keeps nothing."""

    @property
    def url(self) -> str:
        """Its address for redis-py."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self, text: str) -> str:
        """Send one inline command and return the first line of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), CALL_S) as connection:
            connection.sendall(text.encode() + b"\r\n")
            return connection.makefile().readline().strip()


@contextmanager
def store(port: int | None = None) -> Generator[Store]:
    """Run a Valkey on `port` of the loopback, or on a free one, until left."""
    port = port or free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with started([str(server_binary()), *options], OTHER_CPU) as process:
        await_port(process, port)
        yield Store(process.pid, port)


@contextmanager
def assay(
    settings: Mapping[str, object], cpu: int = TESTED_CPU, python_options: Sequence[str] = ()
) -> Generator[Running]:
    """Run Assay, one process with `settings`, until left."""
    order = orjson.dumps(settings).decode()
    command = [sys.executable, *python_options, "-m", "benchmarks.served", order]
    with started(command, cpu, pipe=True) as process:
        yield Running(process.pid, announced_port(process))


def announced_port(process: "subprocess.Popen[bytes]") -> int:
    """Return the port that `process` writes as its first line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.strip().isdigit():
        raise RuntimeError(f"{process.args} did not start; see benchmarks/out/processes.log")
    return int(line)


def asking_settings(store: Store, upstream: Running, *, bulk: int) -> dict[str, object]:
    """Return settings with which Assay asks `upstream` for mailboxes, `bulk` values a call."""
    return {
        "gateway": {"log_level": "WARNING", "data_dir": str(OUT / "data")},
        "redis": {"url": store.url, "timeout_ms": 5_000},
        "cache": {"hash_key": "benchmarks, and nothing else"},
        "kinds": {"email": {"checks": ["mailbox"]}},
        "checks": {"email": {"mailbox": {"providers": ["stand_in"]}}},
        "providers": {
            "stand_in": {"base_url": f"http://127.0.0.1:{upstream.port}", "bulk": bulk},
        },
    }
