"""R2: the files of a machine that lost its power are cut off anywhere, and work goes on from there.

A worker is killed in mid-batch. Its write-ahead log (SQLite's) and its append-only file (Valkey's)
are cut at a random place each, again and again from the same copy; each time a worker has to start
on them, and bring the batch to the end that a calm run has.
"""

import asyncio
import random
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from batches.batch import State
from batches.chunk import ChunkState
from batches.counts import NOTHING
from benchmarks.batch_promises import Yard, worker, yard
from benchmarks.batch_sharing import opened
from benchmarks.processes import TESTED_CPU
from benchmarks.promises import Kept, Promise, emails
from benchmarks.sandboxed import MAILBOXES, mailboxes
from gateway.private_valkey import running_instance
from providers.priority import TENANT
from tests.waiting import eventually
from verdicts.verdict import Status

RECORDS, QUICK_RECORDS = 4_000, 600
CUTS, QUICK_CUTS = 20, 3
LATENCY_MS = 5
STORE, LOG = "batches.db", "batches.db-wal"
CHUNKS_MAX = 10_000
GONE_S_MAX = 15.0


def torn(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Cut the files of a killed worker, and let another go on with them."""
    chance = random.Random(seed)
    values = emails(f"torn{seed}", QUICK_RECORDS if quick else RECORDS)
    cuts = QUICK_CUTS if quick else CUTS
    kept: list[int] = []
    whole = ended = 0
    private: dict[str, object] = {"redis": {}}
    with yard(**mailboxes(bulk=1, concurrency=16), **private) as home:
        first, held = home.folder / "first", home.folder / "held"
        first.mkdir()
        held.mkdir()
        batch, decided = asyncio.run(_killed(home, first, held, values))
        _restore(first, held)
        expected = None
        for number in range(cuts + 1):
            folder = home.folder / f"cut{number}"
            shutil.copytree(first, folder, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
            if number:  # after a calm one
                _cut(folder / LOG, chance)
                for file in (folder / "valkey").glob("appendonlydir/*.incr.aof"):
                    _cut(file, chance)
            records, adds_up = asyncio.run(_read(home, folder, batch))
            found = asyncio.run(_ended(home, folder, batch))
            expected = expected or found
            if number:
                kept.append(records)
                whole += adds_up
                ended += found == expected
            shutil.rmtree(folder)
    return Kept(
        f"{cuts} times cut: {len(kept)} started, {whole} add up, {min(kept)} to {max(kept)} of"
        f" {decided} decided records still there; {ended} ended with all {len(values)} results as"
        " without a cut",
        len(kept) == whole == ended == cuts and max(kept) <= decided,
    )


async def _killed(home: Yard, folder: Path, held: Path, values: Sequence[str]) -> tuple[str, int]:
    """Work on a batch in `folder` until half of it is decided; return it, and how much was.

    What is left is as a power cut leaves it: `held` is for a copy of the store, because who closes
    the last connection empties the log.
    """
    home.sandbox.control("POST", f"{MAILBOXES}/latency", {"ms": LATENCY_MS})
    with _at(home, folder):
        async with opened(home):
            batch = await home.batch(values)
            await home.store.database.tidy()  # what was given has long been in the file itself
        with worker(home.settings, folder, TESTED_CPU) as one:
            async with opened(home):
                await home.until(batch, State.COMPLETED, decided=len(values) // 2)
                await asyncio.to_thread(one.kill)
                decided = (await home.store.batch(TENANT, batch.id)).counts.records
                for name in (STORE, LOG):
                    shutil.copy(folder / name, held / name)
    return batch.id, decided


def _restore(folder: Path, held: Path) -> None:
    """Put the store into `folder` as it was `held`, once nothing runs there any more."""
    assert eventually(lambda: running_instance(folder) is None, GONE_S_MAX)
    for name in (STORE, LOG):
        shutil.copy(held / name, folder / name)
    (folder / f"{STORE}-shm").unlink(missing_ok=True)


async def _read(home: Yard, folder: Path, batch: str) -> tuple[int, bool]:
    """Return how many records are decided in the store of `folder`, and whether it adds up."""
    with _at(home, folder):
        async with opened(home):
            found = await home.store.batch(TENANT, batch)
            summed, results = NOTHING, 0
            for chunk in await home.store.chunk_results(TENANT, batch, -1, CHUNKS_MAX):
                summed = summed.plus(chunk.counts)
                blobs = [chunk.results] if chunk.state is ChunkState.DONE else chunk.parts
                results += sum(len(home.packing.unpacked(blob)[0]) for blob in blobs if blob)
    return found.counts.records, found.counts == summed and results == found.counts.records


async def _ended(home: Yard, folder: Path, batch: str) -> list[tuple[str, Status]]:
    """Let a worker go on in `folder`; return what the batch has in the end."""
    with _at(home, folder), worker(home.settings, folder, TESTED_CPU):
        async with opened(home):
            made = await home.store.batch(TENANT, batch)
            return await home.found(await home.until(made, State.COMPLETED))


@contextmanager
def _at(home: Yard, folder: Path) -> Generator[None]:
    """Have the store of `home` in `folder`."""
    before, home.folder = home.folder, folder
    try:
        yield
    finally:
        home.folder = before


def _cut(file: Path, chance: random.Random) -> None:
    with file.open("r+b") as opened_file:
        opened_file.truncate(chance.randrange(file.stat().st_size + 1))


TORN_FILES: Mapping[str, Promise] = {
    "R2 torn files": Promise(
        "R2: log and append-only file cut off anywhere: it starts, adds up, and ends as it would",
        torn,
    ),
}
