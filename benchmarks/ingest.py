"""How fast files of records are taken in, and in how much memory.

One process that does nothing else takes a file of seven columns into a SQLite store, as `/batches`
does behind HTTP: unpacking, reading, packing, writing, one sync to the disk a portion.
"""

import argparse
import asyncio
import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import orjson
from msgspec import Struct

from batches.batch import NewBatch
from batches.given import Upload
from batches.ingest import Ingest, Sent
from batches.opening import open_store
from batches.settings import StoreSettings
from benchmarks.machine import most_resident_bytes
from benchmarks.processes import OUT, ROOT, TESTED_CPU, environment, pin_self, pinned

ROWS = (100_000, 1_000_000)
ROUNDS = 3
PIECE_BYTES = 65_536
ROWS_PER_S_GOAL = 100_000
RESIDENT_GOAL_BYTES = 150_000_000
GROWTH_GOAL = 1.3
HEADER = "id,name,email,phone,street,city,country\n"


class Taken(Struct):
    """One file taken in: its rows, seconds, CPU seconds, most bytes resident, bytes on the disk."""

    rows: int
    s: float
    cpu_s: float
    resident_bytes: int
    stored_bytes: int


def _csv(at: int) -> str:
    return (
        f"{at},Person {at},user{at % 700_000}@example{at % 97}.example,"
        f"+4420718{at % 100_000:05d},{at % 300} High Street,London,GB\n"
    )


def _quoted(at: int) -> str:
    return (
        f'{at},"Person, {at}",user{at % 700_000}@example{at % 97}.example,'
        f'+4420718{at % 100_000:05d},"{at % 300} ""High"" Street",London,GB\n'
    )


def _ndjson(at: int) -> str:
    record = {
        "ref": str(at),
        "email": f"user{at % 700_000}@example{at % 97}.example",
        "phone": {"number": f"+4420718{at % 100_000:05d}", "region": "GB"},
        "address": {"lines": [f"{at % 300} High Street"], "locality": "London", "country": "GB"},
    }
    return orjson.dumps(record).decode() + "\n"


FORMS: Mapping[str, tuple[str, Callable[[int], str]]] = {
    "CSV": (HEADER, _csv),
    "CSV with quotes": (HEADER, _quoted),
    "CSV, gzip": (HEADER, _csv),
    "NDJSON": ("", _ndjson),
}


def written(form: str, rows: int, folder: Path) -> Path:
    """Return a file of so many rows."""
    header, row = FORMS[form]
    path = folder / f"{rows}-{form}".replace(" ", "-")
    opened = gzip.open if "gzip" in form else open
    with opened(path, "wb") as file:
        file.write(header.encode())
        file.writelines(row(at).encode() for at in range(rows))
    return path


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
            await asyncio.sleep(0)


async def take(path: Path, folder: Path) -> Taken:
    """Take the file at `path` into a new store in `folder`."""
    store = await open_store(StoreSettings(), folder / "batches.db")
    ingest = Ingest(store)
    batch = (await ingest.create(NewBatch(), Upload())).batch
    begun, cpu = time.perf_counter(), time.process_time()
    batch = await ingest.take(batch, _pieces(path), Sent())
    s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    await store.close()
    assert not batch.row_errors, "every row is good"
    stored = sum(one.stat().st_size for one in folder.iterdir())  # noqa: ASYNC240 - it is over
    peak = most_resident_bytes()
    return Taken(batch.records, s, cpu_s, peak, stored)


def taken(path: Path) -> Taken:
    """Do that in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="assay-", dir=OUT) as folder:
        command = [sys.executable, "-m", "benchmarks.ingest", "--take", str(path), folder]
        done = subprocess.run(
            pinned(command, TESTED_CPU),
            cwd=ROOT,
            env=environment(),
            check=True,
            stdout=subprocess.PIPE,
        )
    return Taken(**orjson.loads(done.stdout))


def measure(
    rounds: int = ROUNDS, rows: tuple[int, ...] = ROWS
) -> dict[tuple[str, int], list[Taken]]:
    """Return for each form and number of rows what was measured."""
    pin_self()
    OUT.mkdir(exist_ok=True)
    found: dict[tuple[str, int], list[Taken]] = {}
    with tempfile.TemporaryDirectory(prefix="assay-", dir=OUT) as name:
        for form in FORMS:
            for count in rows:
                path = written(form, count, Path(name))
                found[form, count] = [taken(path) for _ in range(rounds)]
                path.unlink()
    return found


def table(found: Mapping[tuple[str, int], list[Taken]]) -> list[str]:
    """Return the lines of a table; goals are those of the plain CSV file."""
    lines = [
        "| file | rows | rows/s | CPU µs a row | most resident | on the disk, a row | goal | met |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    least = min(rows for _, rows in found)
    for (form, rows), rounds in found.items():
        per_s = max(one.rows / one.s for one in rounds)
        us = statistics.median(one.cpu_s / one.rows * 1e6 for one in rounds)
        resident = statistics.median(one.resident_bytes for one in rounds)
        stored = rounds[0].stored_bytes / rows
        goal = met = ""
        if form == "CSV":
            small = statistics.median(one.resident_bytes for one in found[form, least])
            well = per_s >= ROWS_PER_S_GOAL and resident < RESIDENT_GOAL_BYTES
            well = well and resident <= GROWTH_GOAL * small
            goal = f"{ROWS_PER_S_GOAL:,}/s, {RESIDENT_GOAL_BYTES / 1e6:.0f} MB"
            met = "yes" if well else "**no**"
        lines.append(
            f"| {form} | {rows:,} | **{per_s:,.0f}** | {us:.2f} | {resident / 1e6:.0f} MB"
            f" | {stored:.0f} bytes | {goal} | {met} |"
        )
    return lines


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--take", nargs=2, type=Path, metavar=("FILE", "FOLDER"))
    chosen = parser.parse_args()
    if chosen.take is None:
        print("\n".join(table(measure(chosen.rounds))))
    else:
        found = asyncio.run(take(*chosen.take))
        print(
            orjson.dumps({name: getattr(found, name) for name in found.__struct_fields__}).decode()
        )


if __name__ == "__main__":
    main()
