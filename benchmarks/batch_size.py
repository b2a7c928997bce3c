"""What the size of a batch changes: CPU and disk by record, and the memory of the worker.

One worker, begun anew for each size, works off a batch of e-mails of which 30 % come again, in bulk
calls at the yardstick's upstream. What a record costs and holds is to stay the same, and the
worker's memory is to be bounded, whatever the size.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from batches.batch import Move, NewBatch, State
from batches.chunk import RECORDS_USUAL, NewChunk
from batches.given import packed_records
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.source.record import GivenRecord
from batches.store import Store as Batches
from benchmarks.batch_speed import WARM_UP, emails, worker
from benchmarks.processes import (
    Running,
    Store,
    Upstream,
    asking_settings,
    pin_self,
    store,
    upstream,
)
from providers.priority import TENANT

SIZES: Sequence[int] = (10_000, 100_000, 1_000_000)
MEMORY_FROM = 100_000
CPU_APART_MAX, MEMORY_APART_MAX = 1.1, 1.3
MEMORY_MAX_BYTES, DISK_MAX_BYTES = 250_000_000, 130
GIVEN_TOGETHER = 20
WAIT_S = 600.0
LOOK_S = 0.1


class Size(Struct, frozen=True):
    """What a batch of so many records took: of each record, and at most of the worker."""

    records: int
    us: float
    wall_s: float
    disk_bytes: float
    peak_bytes: int


def measure(sizes: Sequence[int] = SIZES, *, say: bool = False) -> list[Size]:
    """Measure each of `sizes` with a worker and a store of its own.

    Raises:
        NotHere: no yardsticks, or no C compiler.
    """
    pin_self()
    found: list[Size] = []
    with upstream() as up:
        for seed, records in enumerate(sizes):
            with store() as shared, tempfile.TemporaryDirectory(prefix="assay-") as folder:
                found.append(asyncio.run(_of_size(up, shared, Path(folder), seed, records)))
            if say:
                print(found[-1], flush=True)
    return found


async def _of_size(up: Upstream, shared: Store, folder: Path, seed: int, records: int) -> Size:
    file = folder / "batches.db"
    settings = asking_settings(shared, up, bulk=100)
    settings["gateway"] = {"log_level": "WARNING", "data_dir": str(folder)}
    batches = await open_store(StoreSettings(), file)
    try:
        with worker(settings) as running:
            await _worked_off(batches, running, emails(-1 - seed, WARM_UP))
            before = await _disk_bytes(batches, file)
            up.reset()
            values = emails(seed, records)
            spent_s, wall_s, peak = await _worked_off(batches, running, values)
            assert up.statistics()["items"] == len(set(values)), "each value is asked once"
            disk = await _disk_bytes(batches, file) - before
    finally:
        await batches.close()
    return Size(records, spent_s * 1e6 / records, wall_s, disk / records, peak)


async def _worked_off(
    batches: Batches, running: Running, values: Sequence[str]
) -> tuple[float, float, int]:
    """Give a batch; return the worker's CPU seconds, the time, and the worker's peak memory."""
    made = await batches.create(NewBatch())
    for chunks in _chunks(values):
        await batches.append(TENANT, made.batch.id, chunks)
    spent, began, peak = running.cpu_s(), time.monotonic(), 0
    batch = await batches.move(TENANT, made.batch.id, Move.START)
    async with asyncio.timeout(WAIT_S):
        while batch.state is not State.COMPLETED:
            await asyncio.sleep(LOOK_S)
            peak = max(peak, running.resident_bytes())
            batch = await batches.batch(TENANT, batch.id)
    assert batch.counts.records == len(values)
    return running.cpu_s() - spent, time.monotonic() - began, peak


def _chunks(values: Sequence[str]) -> Iterator[list[NewChunk]]:
    together = GIVEN_TOGETHER * RECORDS_USUAL
    for at in range(0, len(values), together):
        some = values[at : at + together]
        parts = (some[one : one + RECORDS_USUAL] for one in range(0, len(some), RECORDS_USUAL))
        yield [
            NewChunk(len(part), packed_records([GivenRecord(email=each) for each in part]))
            for part in parts
        ]


async def _disk_bytes(batches: Batches, file: Path) -> int:
    await batches.database.tidy()
    return (await asyncio.to_thread(file.stat)).st_size


def table(found: Sequence[Size]) -> list[str]:
    """Return the lines of two tables: what was measured, and what that says of the goals."""
    lines = [
        "| records | CPU µs a record | records/s | most resident, MB | bytes on disk, a record |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.records:,} | {one.us:.1f} | {one.records / one.wall_s:,.0f}"
        f" | {one.peak_bytes / 1e6:.0f} | {one.disk_bytes:.0f} |"
        for one in found
    ]
    of_memory = [one.peak_bytes for one in found if one.records >= MEMORY_FROM] or [0, 0]
    costs = [one.us for one in found]
    goals: Mapping[str, tuple[str, str, bool]] = {
        "CPU a record, dearest size beside the cheapest": (
            f"{max(costs) / min(costs):.2f}",
            f"at most {CPU_APART_MAX}",
            max(costs) <= CPU_APART_MAX * min(costs),
        ),
        "memory of the worker, MB": (
            f"{max(of_memory) / 1e6:.0f}",
            f"at most {MEMORY_MAX_BYTES / 1e6:.0f}",
            max(of_memory) <= MEMORY_MAX_BYTES,
        ),
        f"memory at {found[-1].records:,} beside that at {MEMORY_FROM:,}": (
            f"{of_memory[-1] / max(1, of_memory[0]):.2f}",
            f"at most {MEMORY_APART_MAX}",
            of_memory[-1] <= MEMORY_APART_MAX * of_memory[0],
        ),
        "bytes a record on the disk": (
            f"{max(one.disk_bytes for one in found):.0f}",
            f"at most {DISK_MAX_BYTES}",
            max(one.disk_bytes for one in found) <= DISK_MAX_BYTES,
        ),
    }
    lines += ["", "| figure | measured | goal | met |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | **{seen}** | {goal} | {'yes' if met else '**no**'} |"
        for name, (seen, goal, met) in goals.items()
    ]
    return lines


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    print("\n".join(table(measure(parser.parse_args().sizes, say=True))))


if __name__ == "__main__":
    main()
