"""What it takes to read a batch's results as a file: rows a second, CPU and memory.

A store is filled with a batch of e-mails, three columns beside them, decided as they are in use (in
a hundred 85 VALID, 8 INVALID, 5 RISKY, 2 UNKNOWN). Then for each form a process of its own writes
the file to nowhere, as `GET /batches/{id}/results.…` does, and tells its CPU time and its peak.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from batches.batch import Move, NewBatch
from batches.chunk import ChunkRef, NewChunk
from batches.counts import NO_COST, counted
from batches.csv_out import CsvWriter
from batches.export import Export, Writer
from batches.given import Layout, Upload, packed_layout, packed_rows
from batches.ndjson_out import NdjsonWriter
from batches.opening import open_store
from batches.results import Results
from batches.settings import StoreSettings
from batches.shapes import Own
from batches.source.coding import coding_of
from batches.source.dialect import Dialect, Format
from batches.source.mapping import mapping_of
from benchmarks.machine import most_resident_bytes
from benchmarks.processes import ROOT, TESTED_CPU, environment, pin_self, pinned
from checks import email
from checks.kinds import KINDS, load
from providers.priority import TENANT
from questions.deciding import Deciding, Round
from verdicts.evidence import MailboxState
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode, because
from verdicts.verdict import EmailVerdict, RecordResult

RECORDS = 1_000_000
CHUNK_RECORDS = 500
CHUNKS_PER_TRIP = 40
COLUMNS = ("id", "name", "E-Mail", "city")
FIELDS = ("email",)
ROWS_PER_S_GOAL = 100_000
PEAK_GOAL_BYTES = 150_000_000
PER_MILLE = {
    Conclusion.CONFIRMED: 850,
    Conclusion.REFUTED: 80,
    Conclusion.DOUBTFUL: 50,
    Conclusion.UNDECIDED: 20,
}
CODES = {
    Conclusion.REFUTED: ReasonCode.MAILBOX_NOT_FOUND,
    Conclusion.DOUBTFUL: ReasonCode.CATCH_ALL,
    Conclusion.UNDECIDED: ReasonCode.PROVIDER_UNAVAILABLE,
}
FORMS = ("csv", "ndjson", "parquet")


class Exported(Struct):
    """One export: rows and bytes, seconds and CPU seconds it took, the most bytes in memory."""

    form: str
    rows: int
    bytes: int
    wall_s: float
    cpu_s: float
    peak_bytes: int


def rows_of(first: int, number: int, random: Random) -> list[tuple[str, ...]]:
    """Return the rows of a chunk."""
    cities = ("London", "Ulm", "Lyon", "Porto", "Malmö")
    return [
        (str(at), f"Ada Lovelace {at}", f"User{at}@example{at % 500}.com", random.choice(cities))
        for at in range(first, first + number)
    ]


def verdicts_of(values: Sequence[str], random: Random) -> list[EmailVerdict]:
    """Return verdicts of which those share their outcomes that a bulk call answers alike."""
    now = datetime.now(UTC)
    outcomes = {
        conclusion: Outcome(
            "mailbox",
            conclusion,
            now,
            now,
            (because(CODES[conclusion], "mailbox"),) if conclusion in CODES else (),
            MailboxState(conclusion is Conclusion.CONFIRMED),
            "zerobounce",
            8_000,
        )
        for conclusion in Conclusion
    }
    drawn = random.choices(list(PER_MILLE), list(PER_MILLE.values()), k=len(values))
    examined = [email.examine(value) for value in values]
    found = {
        one.canonical: outcomes[conclusion]
        for one, conclusion in zip(examined, drawn, strict=True)
        if one.canonical is not None
    }
    decided = Deciding([Round(str, found)], now).of
    return [email.verdict(one, decided(one)) for one in examined]


async def fill(path: Path, records: int) -> str:
    """Put a batch of `records` that has ended into a new store; return its id."""
    random = Random(1)
    codec = Results(KINDS)
    mapping = mapping_of(COLUMNS)
    dialect = Dialect(Format.CSV, coding_of(b"id\n", None), 0, 2, ",", mapping)
    layout = packed_layout(Layout(upload=Upload(dialect=dialect, complete=True)))
    store = await open_store(StoreSettings(), path)
    try:
        created = await store.create(NewBatch(layout=layout))
        batch_id = created.batch.id
        chunks: list[NewChunk] = []
        firsts = range(0, records, CHUNK_RECORDS)
        for first in firsts:
            rows = rows_of(first, min(CHUNK_RECORDS, records - first), random)
            lines = range(first + 2, first + 2 + len(rows))
            chunks.append(NewChunk(len(rows), packed_rows(rows, lines)))
            if len(chunks) == CHUNKS_PER_TRIP or first == firsts[-1]:
                await store.append(TENANT, batch_id, chunks)
                chunks.clear()
        await store.move(TENANT, batch_id, Move.START)
        for seq, first in enumerate(firsts):
            claimed = await store.claim(ChunkRef(batch_id, seq), "benchmark")
            assert claimed is not None, "nobody else is here"
            values = [
                f"User{at}@example{at % 500}.com" for at in range(first, first + claimed.records)
            ]
            results = [
                RecordResult(
                    str(first + place),
                    place,
                    verdict.status,
                    email=verdict,
                    verdicts=(verdict,),
                )
                for place, verdict in enumerate(verdicts_of(values, random))
            ]
            blob = codec.packed(range(len(results)), results)
            await store.finish(claimed.claim, blob, counted(results), NO_COST)
    finally:
        await store.close()
    return batch_id


def writer_of(form: str) -> Callable[[], Writer]:
    """Return what makes the writer of a form."""
    if form == "csv":
        return lambda: CsvWriter(Own(tuple(COLUMNS)), FIELDS)
    if form == "ndjson":
        return lambda: NdjsonWriter(Own(tuple(COLUMNS)), FIELDS)

    def parquet() -> Writer:
        from batches.parquet_out import ParquetWriter  # noqa: PLC0415 - as in the gateway

        return ParquetWriter(Own(tuple(COLUMNS)), FIELDS)

    return parquet


async def export(path: Path, batch_id: str, form: str) -> Exported:
    """Write the file of a form to nowhere."""
    codec = Results(KINDS)
    store = await open_store(StoreSettings(), path)
    try:
        batch = await store.batch(TENANT, batch_id)
        begun, cpu = time.monotonic(), time.process_time()
        written = Export(
            store, lambda blob, first: codec.unpacked(blob, first)[1], batch, writer_of(form)
        )
        size = 0
        async for part in written.parts():
            size += len(part)
        wall_s, cpu_s = time.monotonic() - begun, time.process_time() - cpu
    finally:
        await store.close()
    peak = most_resident_bytes()
    return Exported(form, batch.records, size, wall_s, cpu_s, peak)


def measure(records: int = RECORDS, forms: Sequence[str] = FORMS) -> list[Exported]:
    """Return one export for each form of a batch of `records`."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        path = Path(folder) / "batches.db"
        load()
        batch_id = asyncio.run(fill(path, records))
        return [_apart(path, batch_id, form) for form in forms]


def _apart(path: Path, batch_id: str, form: str) -> Exported:
    """Export in a process of its own, whose memory is nobody else's."""
    own = [sys.executable, "-m", "benchmarks.export", "--store", str(path)]
    command = pinned([*own, "--batch", batch_id, "--form", form], TESTED_CPU)
    said = subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
    return msgspec.json.decode(said.stdout, type=Exported)


def table(found: Sequence[Exported]) -> list[str]:
    """Return a table of exports, then the goals, which are of CSV."""
    lines = [
        "| form | rows | rows/s | CPU µs a row | bytes a row | peak MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.form} | {one.rows:,} | {one.rows / one.wall_s:,.0f}"
        f" | {one.cpu_s / one.rows * 1e6:.2f} | {one.bytes / one.rows:.0f}"
        f" | {one.peak_bytes / 1e6:.0f} |"
        for one in found
    ]
    lines += ["", "| CSV | measured | goal | met |", "| --- | --- | --- | --- |"]
    for one in found:
        if one.form != "csv":
            continue
        rows_per_s, peak_mb = one.rows / one.wall_s, one.peak_bytes / 1e6
        goal_mb = PEAK_GOAL_BYTES / 1e6
        fast, small = rows_per_s >= ROWS_PER_S_GOAL, peak_mb < goal_mb
        lines.append(
            f"| rows/s | {rows_per_s:,.0f} | at least {ROWS_PER_S_GOAL:,} | {_met(fast)} |"
        )
        lines.append(f"| peak MB | {peak_mb:.0f} | below {goal_mb:.0f} | {_met(small)} |")
    return lines


def _met(met: bool) -> str:  # noqa: FBT001 - what there is to say
    return "yes" if met else "**no**"


def main() -> None:
    """Measure and print, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--batch")
    parser.add_argument("--form", choices=FORMS)
    asked = parser.parse_args()
    if asked.store is not None:
        done = asyncio.run(export(asked.store, asked.batch, asked.form))
        print(msgspec.json.encode(done).decode())
        return
    pin_self()
    print("\n".join(table(measure(asked.records))))


if __name__ == "__main__":
    main()
