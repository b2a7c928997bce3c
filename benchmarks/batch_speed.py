"""What a batch costs, beside the yardstick's hand-written bound that keeps all it does.

One worker works off a batch of e-mails of which 30 % come again, at the yardstick's upstream (no
latency, no limit). CPU time of the worker, and of whoever puts the batch into the store, by record;
the bound commits its input first and its verdicts in transactions of 500, with a full sync. In
alternating pairs on the same CPU, and the median of the ratios. The yardstick's naive server, which
keeps nothing and asks again what it knows, is measured in the same turns, where FastAPI is here.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from msgspec import Struct

from batches.batch import Move, NewBatch, State
from batches.chunk import RECORDS_USUAL, NewChunk
from batches.given import packed_records
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.source.record import GivenRecord
from batches.store import Store as Batches
from benchmarks.bound import bound_us
from benchmarks.naive import RECORDS as NAIVE_RECORDS
from benchmarks.naive import naive_us
from benchmarks.processes import (
    TESTED_CPU,
    NotHere,
    Running,
    Store,
    Upstream,
    announced_port,
    asking_settings,
    pin_self,
    started,
    store,
    upstream,
)
from providers.priority import TENANT

RECORDS, AGAIN = 100_000, 0.3
WARM_UP = 5_000
PAIRS = 3
WAIT_S = 240.0
POLL_S = 0.05
GOALS: Mapping[str, float] = {
    "cold, bulk calls of 100": 0.7,
    "cold, one call a value": 0.85,
    "again, all known": 0.6,
}
BULK, SINGLE, AGAIN_KNOWN = GOALS
NAIVE_GOALS: Mapping[str, float] = {BULK: 7.0, SINGLE: 1.7, AGAIN_KNOWN: 8.0}


class Pair(Struct):
    """One measurement of a way: CPU µs a record; the bound's, and a naive server's, beside it."""

    way: str
    us: float
    bound_us: float
    naive_us: float | None

    @property
    def share(self) -> float:
        """How much of the bound's speed it has."""
        return self.bound_us / self.us


def emails(seed: int, count: int) -> list[str]:
    """Return e-mails of which `AGAIN` come again, in an order of their own."""
    chance = random.Random(seed)
    distinct = [
        f"user{at}.{seed}@example{at % 997}.com" for at in range(round(count * (1 - AGAIN)))
    ]
    values = distinct + [chance.choice(distinct) for _ in range(count - len(distinct))]
    chance.shuffle(values)
    return values


@contextmanager
def worker(settings: Mapping[str, object]) -> Generator[Running]:
    """Run a worker with `settings` until left."""
    command = [sys.executable, "-m", "benchmarks.worked", orjson.dumps(settings).decode()]
    with started(command, TESTED_CPU, pipe=True) as process:
        yield Running(process.pid, announced_port(process))


async def _worked(batches: Batches, running: Running, values: Sequence[str]) -> float:
    """Put a batch into the store, wait for its end, return the CPU seconds of both."""
    before, own = running.cpu_s(), time.process_time()
    parts = (values[at : at + RECORDS_USUAL] for at in range(0, len(values), RECORDS_USUAL))
    chunks = [
        NewChunk(len(part), packed_records([GivenRecord(email=one) for one in part]))
        for part in parts
    ]
    made = await batches.create(NewBatch(), chunks)
    given_s = time.process_time() - own
    batch = await batches.move(TENANT, made.batch.id, Move.START)
    async with asyncio.timeout(WAIT_S):
        while batch.state is not State.COMPLETED:
            await asyncio.sleep(POLL_S)
            batch = await batches.batch(TENANT, batch.id)
    assert batch.counts.records == len(values)
    return running.cpu_s() - before + given_s


async def spent(up: Upstream, settings: Mapping[str, object], seed: int, count: int) -> list[float]:
    """Return what a batch costs, in CPU µs a record, and what it costs once more."""
    with tempfile.TemporaryDirectory(prefix="assay-") as name:
        folder = Path(name)
        batches = await open_store(StoreSettings(), folder / "batches.db")
        own = {**settings, "gateway": {"log_level": "WARNING", "data_dir": name}}
        try:
            with worker(own) as running:
                await _worked(batches, running, emails(-1 - seed, WARM_UP))
                up.reset()
                values = emails(seed, count)
                first = await _worked(batches, running, values)
                assert up.statistics()["items"] == len(set(values)), "each value is asked once"
                again = await _worked(batches, running, values)
                assert up.statistics()["items"] == len(set(values)), "nothing is asked again"
        finally:
            await batches.close()
    return [seconds * 1e6 / count for seconds in (first, again)]


def pair(up: Upstream, shared: Store, seed: int, count: int, *, bulk: int) -> list[Pair]:
    """Measure a batch and the bound next to each other; who begins depends on `seed`."""
    mode = ("--mode", "bulk" if bulk > 1 else "single")

    def bound() -> list[float]:
        shared.command("FLUSHALL")
        return [
            bound_us(
                up,
                shared,
                seed=seed,
                count=count,
                again=AGAIN,
                durable=True,
                variant=(*mode, "--cache", cache),
            )
            for cache in ("cold", "warm")
        ]

    theirs = bound() if seed % 2 else []
    shared.command("FLUSHALL")
    cold, known = asyncio.run(spent(up, asking_settings(shared, up, bulk=bulk), seed, count))
    theirs = theirs or bound()
    naive = _naive(up, count)
    first = Pair(BULK if bulk > 1 else SINGLE, cold, theirs[0], naive)
    return [first, Pair(AGAIN_KNOWN, known, theirs[1], naive)]


def _naive(up: Upstream, count: int) -> float | None:
    try:
        return naive_us(up, min(count, NAIVE_RECORDS))
    except NotHere:
        return None


def measure(pairs: int = PAIRS, count: int = RECORDS, *, say: bool = False) -> list[Pair]:
    """Measure all ways, `pairs` times each.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    pin_self()
    measured: list[Pair] = []
    with upstream() as up, store() as shared:
        for seed in range(pairs):
            for bulk in (1, 100):
                found = pair(up, shared, seed, count, bulk=bulk)
                measured += found
                if say:
                    for one in found:
                        print(f"{one.way}: {one.us:.1f} / {one.bound_us:.1f} = {one.share:.2f}")
    return measured


def table(measured: Sequence[Pair]) -> list[str]:
    """Return the lines of a table of medians; the last column is the share by the least figures."""
    lines = [
        "| way | Assay µs a record | bound µs | of the bound (range) | goal | met | of the least |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, goal in GOALS.items():
        of = [one for one in measured if one.way == way]
        shares = [one.share for one in of]
        share = statistics.median(shares)
        lines.append(
            f"| {way} | {statistics.median(one.us for one in of):.1f}"
            f" | {statistics.median(one.bound_us for one in of):.1f}"
            f" | **{share:.2f}** ({min(shares):.2f}-{max(shares):.2f})"
            f" | {goal} | {'yes' if share >= goal else '**no**'}"
            f" | {min(one.bound_us for one in of) / min(one.us for one in of):.2f} |"
        )
    return lines + _beside_naive(measured)


def _beside_naive(measured: Sequence[Pair]) -> list[str]:
    """Return the lines of a table of how many times the naive server's speed it has."""
    lines = [
        "",
        "| way | Assay µs a record | naive µs | times its speed (range) | goal | met |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way, goal in NAIVE_GOALS.items():
        of = [(one.us, one.naive_us) for one in measured if one.way == way and one.naive_us]
        if not of:
            return ["", "Beside a naive server: not measured, ASSAY_NAIVE_PYTHON names none."]
        times = [naive / us for us, naive in of]
        lines.append(
            f"| {way} | {statistics.median(us for us, _ in of):.1f}"
            f" | {statistics.median(naive for _, naive in of):.1f}"
            f" | **{statistics.median(times):.1f}** ({min(times):.1f}-{max(times):.1f})"
            f" | {goal} | {'yes' if statistics.median(times) >= goal else '**no**'} |"
        )
    return lines


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--records", type=int, default=RECORDS)
    chosen = parser.parse_args()
    print("\n".join(table(measure(chosen.pairs, chosen.records, say=True))))


if __name__ == "__main__":
    main()
