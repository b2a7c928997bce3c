"""`assay worker`, real processes of it, and what they worked on."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from batches.batch import Batch, Move, NewBatch, State
from batches.chunk import NewChunk
from batches.given import packed_records
from batches.opening import open_store
from batches.packing import ChunkPacking
from batches.settings import StoreSettings
from batches.source.record import GivenRecord
from batches.sqlite import SqliteDatabase
from batches.store import Store
from checks.kinds import KINDS
from providers.priority import TENANT
from tests.assay_process import ROOT, STOP_S_MAX, Sections, environment, sections
from tests.sandbox_process import RunningSandbox, running_sandbox
from tests.waiting import eventually, eventually_async
from verdicts.verdict import Status

MAILBOXES = "zerobounce"
LATENCY_MS = 20
IN_FLIGHT = 16
START_S_MAX = 60.0
ENDS_S_MAX = 45.0
POLL_S = 0.05
LEASE_S = 3.0
WRITES_S_MAX = 1.0
"""How long a worker that runs has the file to itself, at most."""


class Worker(Struct):
    """One `assay worker`."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        """All that it said."""
        return self.log_path.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(STOP_S_MAX)

    def stop(self) -> None:
        """Stop it in order."""
        self.process.terminate()
        assert self.process.wait(STOP_S_MAX) == 0, self.log


def settings(sandbox: RunningSandbox, valkey_url: str, **given: Mapping[str, Any]) -> Sections:
    """Return settings with which an e-mail's policy is its mailbox alone, asked one by one."""
    provider: dict[str, Any] = {"rates": [], "bulk": 1, "timeout": 5.0, "concurrency": IN_FLIGHT}
    usual: dict[str, Mapping[str, Any]] = {
        "kinds": {"email": {"checks": ["mailbox"]}},
        "providers": {MAILBOXES: provider},
        "batches": {"slots": 4, "lease_s": LEASE_S},
    }
    return sections(sandbox, valkey_url, **(usual | given))


def started(given: Sections, folder: Path, name: str = "worker", command: str = "worker") -> Worker:
    """Start one worker whose data is in `folder`."""
    folder.mkdir(exist_ok=True)
    log_path = folder / f"{name}.log"
    options = ("--data-dir", str(folder), *(("--port", "0") if command == "serve" else ()))
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", command, *options],
            cwd=ROOT,
            env=environment(given),
            stdout=log,
            stderr=log,
        )
    return Worker(process, log_path)


@contextmanager
def workers(given: Sections, *folders: Path) -> Generator[list[Worker]]:
    """Run one worker in each of `folders`, which may be the same, until the block is left."""
    with ExitStack() as stack:
        running: list[Worker] = []
        for number, folder in enumerate(folders):
            one = started(given, folder, f"worker{number}")
            stack.callback(_end, one)
            running.append(one)
        for one in running:
            assert eventually(lambda one=one: is_up(one), START_S_MAX), one.log
        yield running


def is_up(one: Worker) -> bool:
    """Return whether a worker has begun to work."""
    assert one.process.poll() is None, one.log
    return "Assay works on batches" in one.log


def _end(one: Worker) -> None:
    if one.process.poll() is None:
        one.signal(signal.SIGCONT)
        one.process.kill()
        one.process.wait(STOP_S_MAX)


class Yard(Struct):
    """A sandbox whose mailboxes take their time, and a store that workers share."""

    sandbox: RunningSandbox
    store: Store
    packing: ChunkPacking

    async def batch(self, values: Sequence[str], chunk: int = 50) -> Batch:
        """Make a batch of e-mails and start it."""
        chunks = [
            NewChunk(len(part), packed_records([GivenRecord(email=value) for value in part]))
            for part in (values[at : at + chunk] for at in range(0, len(values), chunk))
        ]
        made = await self.store.create(NewBatch(), chunks)
        return await self.store.move(TENANT, made.batch.id, Move.START)

    async def now(self, batch: Batch) -> Batch:
        """Return `batch` as it is now."""
        return await self.store.batch(TENANT, batch.id)

    async def decided(self, batch: Batch, count: int) -> None:
        """Return when so many records of `batch` are decided."""
        async with asyncio.timeout(ENDS_S_MAX):
            while (await self.now(batch)).counts.records < count:  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_S)

    async def ended(self, batch: Batch) -> Batch:
        """Return `batch` once it is COMPLETED."""
        async with asyncio.timeout(ENDS_S_MAX):
            while True:
                found = await self.now(batch)
                if found.state is State.COMPLETED:
                    return found
                await asyncio.sleep(POLL_S)

    async def verdicts(self, batch: Batch) -> list[tuple[str, Status]]:
        """Return what was found of each record, in the order of the input."""
        found: dict[int, tuple[str, Status]] = {}
        for chunk in await self.store.chunk_results(TENANT, batch.id, -1, 10_000):
            assert chunk.results is not None
            assert not chunk.parts
            for place, result in zip(*self.packing.unpacked(chunk.results), strict=True):
                index = chunk.first_index + place
                assert index not in found, "a record has two results"
                found[index] = (result.verdicts[0].input, result.status)
        assert sorted(found) == list(range(batch.records)), "every record has one result"
        return [found[index] for index in range(batch.records)]

    async def freeze(self, worker: Worker) -> None:
        """Let `worker` stand still, though not while it has SQLite's file to itself."""
        database = self.store.database
        assert isinstance(database, SqliteDatabase)
        process = psutil.Process(worker.process.pid)
        async with asyncio.timeout(ENDS_S_MAX):
            while True:
                worker.signal(signal.SIGSTOP)
                assert await eventually_async(lambda: process.status() == psutil.STATUS_STOPPED)
                if await asyncio.to_thread(_may_write, database.path):
                    return
                worker.signal(signal.SIGCONT)

    async def forget(self) -> None:
        """Let the sandbox forget what it was asked."""
        await self.sandbox.reset()
        await self.sandbox.limit(MAILBOXES)
        await self.sandbox.latency(MAILBOXES, LATENCY_MS)

    async def repeated(self, batch: Batch) -> int:
        """Return how many calls asked for what had been asked before.

        What nobody knows is remembered for some seconds only, so it does not count.
        """
        known = {
            value for value, status in await self.verdicts(batch) if status is not Status.UNKNOWN
        }
        asked = Counter(await self.sandbox.values_asked(MAILBOXES))
        return sum(count - 1 for value, count in asked.items() if value in known)


def _may_write(path: Path) -> bool:
    """Return whether a process gets to write the SQLite file at `path`."""
    with closing(sqlite3.connect(path, timeout=WRITES_S_MAX, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
    return True


@asynccontextmanager
async def yard(folder: Path, url: str | None = None) -> AsyncGenerator[Yard]:
    """Give a yard whose store is `url`, or stands in `folder`."""
    async with running_sandbox() as sandbox:
        await sandbox.limit(MAILBOXES)
        await sandbox.latency(MAILBOXES, LATENCY_MS)
        store = await open_store(StoreSettings.model_validate({"url": url}), folder / "batches.db")
        try:
            yield Yard(sandbox, store, ChunkPacking(KINDS))
        finally:
            await store.close()


def mailboxes(count: int, mark: str) -> list[str]:
    """Return e-mails, a third of them twice, of which the stand-in says this and that."""
    special = ["valid", "invalid", "catch_all", "role_based", "disposable"]
    own = [f"{mark}{at}@example.com" for at in range(count)]
    known = [f"{name}@example.com" for name in special]
    return [*own[: count * 2 // 3], *known, *own[: count - count * 2 // 3 - len(known)]]
