"""Runs `assay` as people do: as a process of its own."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]
READY_WAIT_S = 40.0
STOP_WAIT_S = 30.0
COMMAND = (sys.executable, "-m", "gateway.cli")


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which nothing of the machine's own configures Assay."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled anew, each command takes twice as long
    patient = {"ASSAY_REDIS__TIMEOUT_MS": "3000"}  # a busy machine is not what is tested
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"} | patient | more


def assay(
    *arguments: str | Path,
    cwd: Path,
    given: bytes = b"",
    env: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end in the folder `cwd`; `before` is put before it."""
    done = subprocess.run(
        [*before, *COMMAND, *map(str, arguments)],
        cwd=cwd,
        input=given,
        env=environment(**(env or {})),
        capture_output=True,
        timeout=STOP_WAIT_S,
        check=False,
    )
    said = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in said[1], said[1]
    return subprocess.CompletedProcess(done.args, done.returncode, *said)


@dataclass
class Serving:
    """A running `assay serve`."""

    process: subprocess.Popen[bytes]
    url: str
    said: str

    def family(self) -> list[psutil.Process]:
        """Return the processes that it started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_WAIT_S)


@contextmanager
def serving(data_dir: Path, *arguments: str, **variables: str) -> Generator[Serving]:
    """Run `assay serve` on a free port until left."""
    config = data_dir / "empty.toml"
    config.touch()
    command = [*COMMAND, "serve", "--port", "0", "--data-dir", str(data_dir)]
    command += ["--config", str(config), *arguments]
    with subprocess.Popen(
        command,
        cwd=data_dir,
        env=environment(ASSAY_GATEWAY__LOG_LEVEL="ERROR", **variables),
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield _ready(process)
        finally:
            process.terminate()
            try:
                process.communicate(timeout=STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _ready(process: subprocess.Popen[bytes]) -> Serving:
    assert process.stdout is not None
    said = b""
    until = time.monotonic() + READY_WAIT_S
    while b"Ctrl-C" not in said:
        left_s = max(0.0, until - time.monotonic())
        assert select.select([process.stdout], [], [], left_s)[0], f"not ready: {said!r}"
        more = os.read(process.stdout.fileno(), 4096)
        assert more, f"ended: {said!r}"
        said += more
    where = re.search(rb"http://\S+/graphql", said)
    assert where is not None
    return Serving(process, where[0].decode(), said.decode())


def wait_until(true: Callable[[], bool], wait_s: float = 15.0) -> None:
    """Return once `true()`; fail after `wait_s` seconds."""
    until = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)
