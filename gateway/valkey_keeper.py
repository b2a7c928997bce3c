"""The process between Assay and its private Valkey, which lives exactly as long as Assay does.

`gateway.private_valkey` runs this file as a script, with the standard library alone, so that it
starts in some 20 ms and has no threads. It starts the server again when that dies, and stops it
when told to (SIGTERM) or when its own parent is gone, however that ended. A pipe to the parent
would not do: gunicorn's workers are forks and would hold the pipe open.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from types import FrameType
from typing import Literal, NoReturn, TypedDict, cast

PARENT_WATCH_S = 0.2
STARTING_WATCH_S = 0.01
ANSWER_WAIT_S = 10.0
"""How long a fresh server may take until it answers anything at all."""
LOADING_WAIT_S = 300.0
"""How long it may take to load its append-only file; meanwhile it answers LOADING."""
PING_WAIT_S = 0.5
STOP_WAIT_S = 10.0
"""How long the server may take to write its file and end before it is killed."""
RESTART_DELAY_MIN_S = 0.1
RESTART_DELAY_MAX_S = 5.0
STEADY_S = 1.0
"""A server that answered this long after its start starts again without delay."""
LAST_LINES_MAX = 20
LINE_MAX_BYTES = 4000
"""Below PIPE_BUF: a pipe that is ready takes a line whole, so writing one never blocks."""
READ_BYTES = 65_536
LOG_FD = 2

ROUTINE = ("overcommit", "scheduling shutdown", "bye bye")
"""Lines of the server that are about nothing an operator of Assay can act on."""

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
"""A request to Linux, from its <sys/prctl.h>."""


class Order(TypedDict):
    """What the parent wants kept: its own pid, the server's command line, socket and lock."""

    parent: int
    command: list[str]
    socket: str
    lock_fd: int


def die_with_keeper() -> None:
    """Ask Linux to kill the server when the keeper is killed; runs in the child, before exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ping(path: str) -> Literal["ready", "loading", "silent"]:
    """Return what the server behind the socket at `path` answers to PING."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PING_WAIT_S)
        connection.connect(path)
        connection.sendall(b"PING\r\n")
        answer = connection.recv(READ_BYTES)
        if answer.startswith(b"+PONG"):
            return "ready"
        return "loading" if answer.startswith(b"-LOADING") else "silent"
    return "silent"


def say(line: str) -> None:
    """Write a line to the log (standard error) unless nobody reads it, which must not block us."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [LOG_FD], [], 0)[1]:
            text = f"private valkey: {line}\n".encode(errors="replace")
            os.write(LOG_FD, text[:LINE_MAX_BYTES])


class Keeper:
    """One server, kept. `run` returns the keeper's exit status."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.server: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restart_at = 0.0
        self.restart_delay_s = RESTART_DELAY_MIN_S
        self.ready = False
        self.loading = False
        self.reported = False
        self.stopping = False
        self.unfinished = b""
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES_MAX)
        self.wakeups, waker = nonblocking_pipe()
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self.hear)

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Take note of a signal; the wake-up pipe has ended the wait already."""
        self.stopping |= number != signal.SIGCHLD

    def run(self) -> int:
        """Keep the server until we are stopped, the parent is gone, or its first start fails."""
        self.launch()
        while not self.stopping and os.getppid() == self.order["parent"]:
            self.wait()
            if self.server is None:
                if time.monotonic() >= self.restart_at:
                    self.launch()
            elif self.server.poll() is not None:
                if not self.reported:
                    self.drain()
                    return self.fail(f"it ended with status {self.server.returncode}")
                self.plan_restart(self.server.returncode)
            elif not self.ready and (refusal := self.look()):
                if not self.reported:
                    return self.fail(refusal)
                say(refusal)
                self.server.kill()
        return self.stop()

    def launch(self) -> None:
        """Start the server; it shares the lock, so an orphan would still hold its directory."""
        self.ready = self.loading = False
        self.started_at = time.monotonic()
        self.server = subprocess.Popen(
            self.order["command"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(self.order["lock_fd"],),
            preexec_fn=die_with_keeper if LINUX else None,  # noqa: PLW1509 - we have no threads
        )
        assert self.server.stdout is not None
        # A child of the server's, rewriting the file, may hold the pipe when the server is gone.
        os.set_blocking(self.server.stdout.fileno(), False)

    def wait(self) -> None:
        """Wait for a signal, for output, or for the time to look again; pass output on."""
        watched = [self.wakeups]
        if self.server and self.server.stdout:
            watched.append(self.server.stdout.fileno())
        starting = self.server is not None and not self.ready
        ready, _, _ = select.select(
            watched, [], [], STARTING_WATCH_S if starting else PARENT_WATCH_S
        )
        if self.wakeups in ready:
            os.read(self.wakeups, READ_BYTES)
        if len(ready) > (self.wakeups in ready):
            self.pass_on()

    def pass_on(self) -> bool:
        """Write what the server said to the log; False when there was nothing to read."""
        assert self.server is not None
        assert self.server.stdout is not None
        said = b""
        with contextlib.suppress(BlockingIOError):
            said = os.read(self.server.stdout.fileno(), READ_BYTES)
        *lines, self.unfinished = (self.unfinished + said).split(b"\n")
        self.unfinished = self.unfinished[-LINE_MAX_BYTES:]
        for raw in lines:
            # "pid:role day month year time level text": the log has its own times.
            line = raw.decode(errors="replace").strip()
            text = line.split(" # ", 1)[-1].split(" * ", 1)[-1]
            if text and not any(part in text for part in ROUTINE):
                self.last_lines.append(text)
                say(text)
        if not said:
            # The pipe stays readable at its end; without this pause we would spin until SIGCHLD.
            time.sleep(STARTING_WATCH_S)
        return bool(said)

    def drain(self) -> None:
        """Pass on all that is there."""
        while self.pass_on():
            pass

    def look(self) -> str | None:
        """Note when the server is ready; return why we give up waiting for it."""
        waited_s = time.monotonic() - self.started_at
        match ping(self.order["socket"]):
            case "ready":
                self.ready = True
                if not self.reported:
                    self.report({"ready": True})
                else:
                    say(f"answers again after {waited_s:.1f} s")
            case "loading":
                if not self.loading:
                    self.loading = True
                    say("is loading its append-only file")
                if waited_s > LOADING_WAIT_S:
                    return f"it was still loading its file after {LOADING_WAIT_S:.0f} s"
            case "silent":
                if waited_s > ANSWER_WAIT_S and not self.loading:
                    return f"it did not answer PING within {ANSWER_WAIT_S:.0f} s"
        return None

    def plan_restart(self, status: int) -> None:
        """Start again at a bounded rate: at once after a steady time, else ever slower."""
        self.drain()
        assert self.server is not None
        assert self.server.stdout is not None
        self.server.stdout.close()
        self.server = None
        if self.ready and time.monotonic() - self.started_at > STEADY_S:
            self.restart_delay_s = RESTART_DELAY_MIN_S
        say(f"ended with status {status}; starts again in {self.restart_delay_s:.1f} s")
        self.restart_at = time.monotonic() + self.restart_delay_s
        self.restart_delay_s = min(self.restart_delay_s * 2, RESTART_DELAY_MAX_S)

    def stop(self) -> int:
        """Let the server write its file and end; kill it when that takes too long."""
        if self.server is None or self.server.poll() is not None:
            return 0
        self.server.terminate()
        deadline = time.monotonic() + STOP_WAIT_S
        while self.server.poll() is None and time.monotonic() < deadline:
            self.wait()
        if self.server.poll() is None:
            say(f"did not end within {STOP_WAIT_S:.0f} s of SIGTERM; killed")
            self.server.kill()
            self.server.wait()
        return 0

    def fail(self, reason: str) -> int:
        """Tell the parent why the first start failed, in our words and the server's own."""
        self.report({"ready": False, "reason": reason, "said": list(self.last_lines)})
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()
        return 1

    def report(self, message: dict[str, object]) -> None:
        """Send the parent the one line that it waits for."""
        self.reported = True
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def nonblocking_pipe() -> tuple[int, int]:
    """Return a pipe for signal wake-ups, neither end of which blocks."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer


def main() -> NoReturn:
    """Run one keeper by the order in the first argument (JSON)."""
    sys.exit(Keeper(cast("Order", json.loads(sys.argv[1]))).run())


if __name__ == "__main__":
    main()
