"""What is promised of batches, each measured once against real workers; see `scoreboard`."""

import asyncio
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from os import kill
from pathlib import Path

import orjson
from msgspec import Struct

from batches.batch import Batch, Move, NewBatch, State
from batches.chunk import NewChunk
from batches.given import packed_records
from batches.opening import open_store
from batches.packing import ChunkPacking
from batches.settings import StoreSettings
from batches.source.record import GivenRecord
from batches.store import Store
from benchmarks.processes import (
    OTHER_CPU,
    TESTED_CPU,
    assay,
    started,
    store,
)
from benchmarks.promises import OTHER_KEY, Kept, Promise, emails, post_to
from benchmarks.sandboxed import (
    MAILBOXES,
    Sandbox,
    mailboxes,
    of_emails,
    running_sandbox,
    settings_of,
)
from checks.kinds import KINDS, load
from providers.priority import TENANT
from verdicts.verdict import Status

RECORDS, QUICK_RECORDS, CHUNK = 20_000, 1_500, 200
KILLS, QUICK_KILLS = 25, 3
REPEATED_PER_KILL_MAX = 32
GOES_ON_WITHIN_S = 10.0
ENDS_S_MAX = 400.0
POLL_S = 0.05
READY_WAIT_S = 30.0
CREDITS = 500
BIG, QUICK_BIG, SMALL = 1_000_000, 20_000, 1_000
ASKED, QUICK_ASKED = 300, 60
SMALL_STARTS_S_MAX = 2.0
SMALL_ENDS_MAX = 2.0
"""Times what it takes alone, from its start: two tenants have half of the limit each."""
SEEDS, QUICK_SEEDS = 2_000, 20
SIMULATION = "tests/batches/test_simulation.py"
SLOWER_MAX, SLOWER_MS_MAX = 2.0, 50.0


class NotReady(Exception):
    """A process ended instead of beginning to work."""


class Yard(Struct):
    """A sandbox, and the store that workers share, in `folder`."""

    sandbox: Sandbox
    settings: Mapping[str, object]
    folder: Path
    store: Store
    packing: ChunkPacking

    async def batch(self, values: Sequence[str], tenant: str = TENANT) -> Batch:
        """Make a batch of e-mails, and start it."""
        made = await self.store.create(NewBatch(tenant=tenant))
        for at in range(0, len(values), 50 * CHUNK):
            part = values[at : at + 50 * CHUNK]
            chunks = [
                NewChunk(len(some), packed_records([GivenRecord(email=one) for one in some]))
                for some in (part[one : one + CHUNK] for one in range(0, len(part), CHUNK))
            ]
            await self.store.append(tenant, made.batch.id, chunks)
        return await self.store.move(tenant, made.batch.id, Move.START)

    async def until(self, batch: Batch, *states: State, decided: int = 0) -> Batch:
        """Return `batch` once it is in one of `states`, or so much of it is `decided`."""
        async with asyncio.timeout(ENDS_S_MAX):
            while True:
                found = await self.store.batch(batch.tenant, batch.id)
                if found.state in states or 0 < decided <= found.counts.records:
                    return found
                await asyncio.sleep(POLL_S)

    async def found(self, batch: Batch) -> list[tuple[str, Status]]:
        """Return what was found of each record, in order; AssertionError for one too many."""
        of: dict[int, tuple[str, Status]] = {}
        for chunk in await self.store.chunk_results(batch.tenant, batch.id, -1, 1_000_000):
            assert chunk.results is not None
            for place, result in zip(*self.packing.unpacked(chunk.results), strict=True):
                assert chunk.first_index + place not in of, "a record has two results"
                of[chunk.first_index + place] = (result.verdicts[0].input, result.status)
        assert len(of) == batch.records, "a record has no result"
        return [of[index] for index in range(batch.records)]


@contextmanager
def worker(settings: Mapping[str, object], folder: Path, cpu: int) -> Generator["Worker"]:
    """Run one worker until left."""
    one = Worker(settings, folder, cpu)
    try:
        yield one
    finally:
        one.end()


class Worker:
    """One `assay worker`, which can be killed and begun again."""

    def __init__(self, settings: Mapping[str, object], folder: Path, cpu: int) -> None:
        """Begin one whose data is in `folder`."""
        self._stack = ExitStack()
        self._variables = {
            f"ASSAY_{name.upper()}": orjson.dumps(section).decode()
            for name, section in settings.items()
        }
        self._command = [sys.executable, "-m", "gateway.cli", "worker", "--data-dir", str(folder)]
        self._cpu = cpu
        self.begin()

    def begin(self) -> None:
        """Begin; it works when this returns.

        Raises:
            NotReady: it ended instead.
        """
        run = started(self._command, self._cpu, pipe=True, variables=self._variables)
        self._process = self._stack.enter_context(run)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise NotReady("it did not start; see benchmarks/out/processes.log")

    def kill(self) -> None:
        """End it as a power cut does."""
        kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """Stop it in order."""
        self._stack.close()


@contextmanager
def yard(**sections: object) -> Generator[Yard]:
    """Run a sandbox and a Valkey, with a fresh store, until left."""
    load()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-")))
        sandbox = stack.enter_context(running_sandbox())
        shared = stack.enter_context(store())
        sandbox.unlimited()
        settings = settings_of(sandbox, shared, **sections)
        opened = asyncio.run(open_store(StoreSettings(), folder / "batches.db"))
        stack.callback(lambda: asyncio.run(opened.close()))
        yield Yard(sandbox, settings, folder, opened, ChunkPacking(KINDS))


def repeated(home: Yard, found: Sequence[tuple[str, Status]]) -> int:
    """Return how many values were asked again; what nobody knows is remembered for seconds only."""
    known = {value for value, status in found if status is not Status.UNKNOWN}
    asked = Counter(home.sandbox.values_asked(MAILBOXES))
    return sum(count - 1 for value, count in asked.items() if value in known)


def killed_workers(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Kill one of two workers again and again while they share a batch."""
    chance = random.Random(seed)
    values = emails(f"batch{seed}", QUICK_RECORDS if quick else RECORDS)
    kills, longest_s = QUICK_KILLS if quick else KILLS, 0.0
    with yard(**mailboxes(bulk=1, concurrency=16)) as home, ExitStack() as stack:
        with worker({**home.settings, "cache": OTHER_KEY}, home.folder, TESTED_CPU):
            calm = asyncio.run(_worked(home, values))
            expected = asyncio.run(home.found(calm))
        home.sandbox.unlimited()
        home.sandbox.control("POST", f"{MAILBOXES}/latency", {"ms": 5})
        two = [stack.enter_context(worker(home.settings, home.folder, at)) for at in range(2)]

        async def run() -> Batch:
            nonlocal longest_s
            batch = await home.batch(values)
            for number in range(kills):
                share = (number + chance.random()) / (kills + 1)
                seen = await home.until(batch, State.COMPLETED, decided=int(share * len(values)))
                one = chance.choice(two)
                await asyncio.to_thread(one.kill)
                await asyncio.to_thread(one.begin)
                began = time.monotonic()
                await home.until(batch, State.COMPLETED, decided=seen.counts.records + 1)
                longest_s = max(longest_s, time.monotonic() - began)
            return await home.until(batch, State.COMPLETED)

        found = asyncio.run(home.found(asyncio.run(run())))
        again = repeated(home, found)
    return Kept(
        f"{len(values)} records, {kills} kills: {len(found)} results, equal to the calm run:"
        f" {found == expected}; {again} calls repeated ({again / kills:.1f} a kill), going on"
        f" within {longest_s:.1f} s",
        found == expected
        and again <= REPEATED_PER_KILL_MAX * kills
        and longest_s <= GOES_ON_WITHIN_S,
    )


async def _worked(home: Yard, values: Sequence[str]) -> Batch:
    return await home.until(await home.batch(values), State.COMPLETED)


def out_of_credit(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let the credit end in mid-batch; fill it up, and go on."""
    values = emails(f"credit{seed}", 1_000 if quick else 10_000)
    with yard(**mailboxes(bulk=1)) as home:
        home.sandbox.control("POST", f"{MAILBOXES}/credits", {"credits": CREDITS})

        async def run() -> tuple[Batch, int, Batch]:
            batch = await home.until(await home.batch(values), State.PAUSED)
            await asyncio.sleep(3.0)  # what was under way in the other worker is told
            batch = await home.store.batch(TENANT, batch.id)
            refused = len(home.sandbox.calls(MAILBOXES))
            home.sandbox.control("POST", f"{MAILBOXES}/credits", {"credits": 1_000_000})
            while True:  # the refusal is remembered for some seconds
                await home.store.move(TENANT, batch.id, Move.RESUME)
                done = await home.until(batch, State.PAUSED, State.COMPLETED)
                if done.state is State.COMPLETED:
                    return batch, refused, done
                await asyncio.sleep(1.0)

        with ExitStack() as stack:
            for cpu in (TESTED_CPU, OTHER_CPU):
                stack.enter_context(worker(home.settings, home.folder, cpu))
            paused, calls, done = asyncio.run(run())
        found = asyncio.run(home.found(done))
        answered = sum(status is not Status.UNKNOWN for _, status in found)
    further = calls - paused.counts.records
    reason = paused.pause_reason.value if paused.pause_reason else "-"
    return Kept(
        f"two workers: PAUSED ({reason}) with {paused.counts.records} decided and {further}"
        f" further calls; then {len(found)} results, {answered} of them decided",
        reason == "OUT_OF_CREDIT" and further <= REPEATED_PER_KILL_MAX,
    )


def big_beside_small(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Let a huge batch of one tenant run, and another ask, and bring a small batch."""
    sections = mailboxes(bulk=1, rates=["200/s"])
    with yard(**sections) as home, ExitStack() as stack:
        server = stack.enter_context(assay(home.settings, TESTED_CPU))
        stack.enter_context(worker(home.settings, home.folder, OTHER_CPU))

        async def waits(mark: str) -> float:
            took: list[float] = []
            for email in emails(f"{mark}{seed}", QUICK_ASKED if quick else ASKED):
                began = time.monotonic()
                await post_to([server], [of_emails([email])])
                took.append((time.monotonic() - began) * 1000)
                await asyncio.sleep(0.02)
            return statistics.quantiles(took, n=100)[98]

        async def brought(mark: str) -> tuple[float, float]:
            """Return after how long a small batch begins, and ends."""
            began = time.monotonic()
            small = await home.batch(emails(f"{mark}{seed}", SMALL), "b")
            await home.until(small, State.RUNNING, State.COMPLETED)
            starts_s = time.monotonic() - began
            await home.until(small, State.COMPLETED)
            return starts_s, time.monotonic() - began

        async def run() -> tuple[float, float, float, float, float]:
            idle = await waits("idle")
            _, alone_s = await brought("alone")
            huge = await home.batch(emails(f"huge{seed}", QUICK_BIG if quick else BIG), "a")
            await home.until(huge, State.RUNNING)
            await asyncio.sleep(2.0)
            loaded = await waits("loaded")
            return idle, loaded, alone_s, *await brought("small")

        idle, loaded, alone_s, starts_s, ends_s = asyncio.run(run())
    return Kept(
        f"interactive p99 {idle:.0f} ms idle, {loaded:.0f} ms beside it; another's batch of"
        f" {SMALL} starts after {starts_s:.1f} s and ends after {ends_s:.1f} s, alone"
        f" {alone_s:.1f} s",
        loaded <= max(SLOWER_MAX * idle, idle + SLOWER_MS_MAX)
        and starts_s <= SMALL_STARTS_S_MAX
        and ends_s <= SMALL_ENDS_MAX * alone_s + SMALL_STARTS_S_MAX,
    )


def simulation(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Run the simulation of tests/batches with many seeds, a half of them on each CPU."""
    seeds = QUICK_SEEDS if quick else SEEDS
    command = ("-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "--timeout", "600")
    with ExitStack() as stack:
        running: list[subprocess.Popen[bytes]] = []
        for half, cpu in enumerate((TESTED_CPU, OTHER_CPU)):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            variables = {
                "ASSAY_SIMULATION_FIRST": str(seed * SEEDS + half * seeds // 2),
                "ASSAY_SIMULATION_SEEDS": str(seeds // 2),
            }
            run = [sys.executable, *command, "--basetemp", folder, SIMULATION]
            running.append(stack.enter_context(started(run, cpu, variables=variables)))
        failed = [process.wait() for process in running]
    return Kept(
        f"{seeds} seeds from {seed * SEEDS} on, {'one broken' if any(failed) else 'all held'}",
        not any(failed),
    )


BATCH_PROMISES: Mapping[str, Promise] = {
    "batch killed": Promise(
        "R1: workers killed again and again: nothing lost, nothing doubled, few calls repeated",
        killed_workers,
    ),
    "batch credit": Promise(
        "R10: credit that ends in mid-batch pauses it with few further calls", out_of_credit
    ),
    "batch beside": Promise(
        "R12: a huge batch keeps neither requests nor another's small batch waiting",
        big_beside_small,
    ),
    "batch simulated": Promise(
        "R22: crashes, partitions, delays, failures, cancelling on a virtual clock, by seed",
        simulation,
    ),
}
