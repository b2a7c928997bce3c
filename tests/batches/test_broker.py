import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from taskiq import InMemoryBroker

from batches.broker import GROUP, STREAM, HintBroker, broker_named
from batches.errors import BrokerError
from batches.hints import CLOSE_S, Hints
from gateway.private_valkey import PrivateValkey
from tests.logged import logged
from tests.valkey_process import ask_valkey, throwaway_valkey
from tests.waiting import eventually_async

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 1.0
SLOTS = 3


class Taken:
    """What came in; it ends at once, or waits for `gate`."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.now = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def begin(self, _batch: str, seq: int) -> None:
        self.seqs.append(seq)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        finally:
            self.now -= 1


@asynccontextmanager
async def delivering(url: str, slots: int = SLOTS) -> AsyncGenerator[tuple[Hints, Taken]]:
    taken = Taken()
    hints = Hints(HintBroker(url, slots, LEASE_S), slots, taken.begin)
    hints.start()
    try:
        yield hints, taken
    finally:
        taken.gate.set()
        await hints.close()


@contextmanager
def consumer(url: str, slots: int = SLOTS) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.batches.hint_consumer", url, str(slots), str(LEASE_S)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def length(url: str) -> int:
    return int(ask_valkey(url, f"XLEN {STREAM}").removeprefix(":"))


async def came(taken: Taken, count: int) -> bool:
    return await eventually_async(lambda: len(set(taken.seqs)) == count)


async def empty(url: str) -> bool:
    return await eventually_async(lambda: length(url) == 0)


async def test_a_hint_comes_in_once_and_nothing_of_it_stays(valkey_url: str) -> None:
    async with delivering(valkey_url) as (hints, taken):
        for seq in range(20):
            assert await hints.send("batch", seq)
        assert await came(taken, 20)
        assert await empty(valkey_url)
    assert sorted(taken.seqs) == list(range(20))


async def test_no_more_hints_are_taken_than_there_are_slots(valkey_url: str) -> None:
    async with delivering(valkey_url) as (hints, taken):
        taken.gate.clear()
        for seq in range(3 * SLOTS):
            assert await hints.send("batch", seq)
        assert await came(taken, SLOTS)
        pending = ask_valkey(valkey_url, f"XPENDING {STREAM} {GROUP}").split("\r\n")[1]
        assert pending == f":{SLOTS}", "what nobody has a slot for is left to others"
        taken.gate.set()
        assert await came(taken, 3 * SLOTS)
    assert taken.most == SLOTS


async def test_what_a_killed_consumer_held_comes_to_the_survivor(valkey_url: str) -> None:
    """Also when no new hint comes, after which alone taskiq-redis would look for it."""
    broker = HintBroker(valkey_url, SLOTS, LEASE_S)
    sender = Hints(broker, SLOTS, Taken().begin)  # not started: it takes nothing itself
    with consumer(valkey_url) as doomed:
        for seq in range(SLOTS):
            assert await sender.send("batch", seq)
        await broker.shutdown()
        assert doomed.stdout is not None
        held = [int(await asyncio.to_thread(doomed.stdout.readline)) for _ in range(SLOTS)]
        assert sorted(held) == list(range(SLOTS))
        async with delivering(valkey_url) as (_, survivor):
            os.kill(doomed.pid, signal.SIGKILL)
            doomed.wait()
            assert await came(survivor, SLOTS)
            assert await empty(valkey_url)


async def test_a_valkey_that_comes_back_is_listened_to_again() -> None:
    with tempfile.TemporaryDirectory(prefix="assay-") as folder, logged("batches.broker") as said:
        valkey = PrivateValkey(Path(folder), persistent=False)
        await asyncio.to_thread(valkey.start)
        try:
            async with delivering(valkey.url) as (hints, taken):
                assert await hints.send("batch", 0)
                assert await came(taken, 1)
                await asyncio.to_thread(valkey.stop)
                assert not await hints.send("batch", 1), "nobody takes it, and that is said"
                assert await eventually_async(lambda: bool(said))
                await asyncio.to_thread(valkey.start)
                assert await sent(hints, 2)
                assert await came(taken, 2)
        finally:
            await asyncio.to_thread(valkey.stop)
    assert [one["event"] for one in said] == ["broker away", "broker back"]


async def test_a_stop_that_the_client_takes_for_a_failure_is_one(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does redis-py now and then, and whoever cancelled does not cancel again."""
    run = HintBroker._run  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - stands for redis-py
    lost = asyncio.Event()

    async def losing(broker: HintBroker, *command: str | int) -> object:
        try:
            return await run(broker, *command)
        except asyncio.CancelledError:
            lost.set()
            raise ConnectionError from None

    monkeypatch.setattr(HintBroker, "_run", losing)
    async with asyncio.timeout(CLOSE_S):
        async with delivering(valkey_url) as (hints, taken):
            assert await hints.send("batch", 0)
            assert await came(taken, 1)
        assert lost.is_set()


async def sent(hints: Hints, seq: int) -> bool:
    for _ in range(100):
        if await hints.send("batch", seq):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_stop_ends_while_the_valkey_is_frozen() -> None:
    async with throwaway_valkey() as url, delivering(url) as (hints, taken):
        assert await hints.send("batch", 0)
        assert await came(taken, 1)
        pid = next(
            int(line.partition(":")[2])
            for line in ask_valkey(url, "INFO server").splitlines()
            if line.startswith("process_id:")
        )
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(15):
                await hints.close()
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_consumers_that_are_no_more_are_forgotten(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.broker.FORGOTTEN_AFTER_S", 0.0)
    ask_valkey(valkey_url, f"XGROUP CREATE {STREAM} {GROUP} 0 MKSTREAM")
    ask_valkey(valkey_url, f"XGROUP CREATECONSUMER {STREAM} {GROUP} gone")
    async with delivering(valkey_url) as (hints, taken):
        assert await hints.send("batch", 0)
        assert await came(taken, 1)
        assert "gone" not in ask_valkey(valkey_url, f"XINFO CONSUMERS {STREAM} {GROUP}")
    assert ask_valkey(valkey_url, f"XINFO CONSUMERS {STREAM} {GROUP}") == "*0"


async def test_the_stream_is_bounded(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.broker.HINTS_MAX", 100)
    broker = HintBroker(valkey_url, SLOTS, LEASE_S)
    hints = Hints(broker, SLOTS, Taken().begin)
    for seq in range(400):
        assert await hints.send("batch", seq)
    assert await broker.waiting() < 400
    await broker.shutdown()


def test_another_broker_is_had_by_its_name() -> None:
    made = broker_named("taskiq:InMemoryBroker", {"sync_tasks_pool_size": 2})
    assert isinstance(made, InMemoryBroker)


def not_a_broker() -> object:
    return object()


@pytest.mark.parametrize(
    "name,options,said",
    [
        ("no_such_module:Broker", {}, "install its package"),
        ("taskiq:NoSuchBroker", {}, "has no 'NoSuchBroker'"),
        ("taskiq:InMemoryBroker", {"slot": 1}, "broker_options"),
        ("tests.batches.test_broker:not_a_broker", {}, "no taskiq broker"),
    ],
)
def test_a_broker_that_can_not_be_had_says_why(
    name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(BrokerError, match=said):
        broker_named(name, options)


@contextmanager
def nats_server(folder: Path) -> Generator[str]:
    """Run a real NATS server with JetStream, and give its URL."""
    command = [Path(sys.executable).with_name("nats-server"), "-js", "-sd", folder]
    ports = folder / "ports"
    ports.mkdir()
    flags = ("--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", ports)
    with subprocess.Popen([*command, *flags], stderr=subprocess.DEVNULL) as process:
        try:
            yield from _nats_url(ports)
        finally:
            process.terminate()
            process.wait(10)


def _nats_url(ports: Path) -> Generator[str]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for file in ports.glob("*.ports"):
            if text := file.read_text():
                yield json.loads(text)["nats"][0]
                return
        time.sleep(0.02)
    raise AssertionError("nats-server did not start")


async def test_nats_jetstream_carries_hints_too(tmp_path: Path) -> None:
    with nats_server(tmp_path) as url:
        options = {"servers": [url], "subject": "hints", "pull_consume_timeout": 0.2}
        broker = broker_named("taskiq_nats:PullBasedJetStreamBroker", options)
        taken = Taken()
        hints = Hints(broker, SLOTS, taken.begin)
        hints.start()
        try:
            assert await sent(hints, 0)
            for seq in range(1, 20):
                assert await hints.send("batch", seq)
            assert await came(taken, 20)
        finally:
            await hints.close()
    assert taken.most <= SLOTS
