"""The real gunicorn with the real configuration, on a socket that outlives it as under systemd."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUNICORN = Path(sys.executable).with_name("gunicorn")
STANDIN = "tests.deploy.standin:create_app()"
PASS_ON = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
BACKLOG = 1024
START_WAIT_S = 60.0
STOP_WAIT_S = 40.0


class Gunicorn:
    """Gunicorn and what it said; `start` again after a `stop`, on the same socket."""

    def __init__(
        self, folder: Path, listener: socket.socket, environment: Mapping[str, str], app: str | None
    ) -> None:
        self.log_path = folder / "gunicorn.log"
        self.listener = listener
        self.app = [app] if app else []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")},
            "ASSAY_BIND": f"unix:{listener.getsockname()}",
            "ASSAY_GATEWAY__DATA_DIR": str(folder / "data"),
            "ASSAY_REDIS__TIMEOUT_MS": "3000",
            "ASSAY_ACCESS__OPEN": "true",
            "LISTEN_FDS": "1",
            **environment,
        }

    def start(self) -> None:
        """Start the master as systemd does, with the listening socket as descriptor 3."""
        listener_fd = self.listener.fileno()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", PASS_ON, str(listener_fd)),
                    *(GUNICORN, "-c", "gunicorn.conf.py", *self.app),
                ],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                pass_fds=(listener_fd,),
                start_new_session=True,
            )

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WAIT_S)

    def log(self) -> str:
        """Return all that it wrote."""
        return self.log_path.read_text()

    def await_log(self, text: str, count: int = 1) -> None:
        """Return when `text` stands in the log `count` times."""
        deadline = time.monotonic() + START_WAIT_S
        while self.log().count(text) < count:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)


@contextmanager
def running_gunicorn(
    environment: Mapping[str, str] | None = None, app: str | None = STANDIN
) -> Generator[tuple[Gunicorn, Path]]:
    """Run gunicorn and give it with the path of its socket; without `app` it serves Assay."""
    with tempfile.TemporaryDirectory(prefix="assay-") as name:
        path = Path(name) / "assay.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(BACKLOG)
            gunicorn = Gunicorn(Path(name), listener, environment or {}, app)
            gunicorn.start()
            try:
                gunicorn.await_log("Application startup complete.", count=2)
                yield gunicorn, path
            finally:
                if gunicorn.process.poll() is None:
                    gunicorn.stop()
