"""What the store of batches costs a record: SQLite, synchronous FULL, chunks of 500 addresses.

`python -m benchmarks.batch_store [CHUNKS] [SLOTS]` takes a batch in, works it off with results
that were found before, and reads it again. It prints CPU microseconds a record, and bytes a record;
once where what was found is shared by many records of a call, once where each has its own.
"""

import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from batches.batch import Move, NewBatch
from batches.chunk import ChunkRef, NewChunk
from batches.counts import NO_COST
from batches.opening import open_store
from batches.results import Results
from batches.settings import StoreSettings
from checks import email
from checks.kinds import KINDS, load
from gateway.garbage import THRESHOLDS
from questions.deciding import Deciding, Round
from verdicts.evidence import MailboxState, MailHosts
from verdicts.outcome import CONFIRMED, DOUBTFUL, REFUTED, Outcome
from verdicts.reason import ReasonCode, because
from verdicts.verdict import RecordResult

RECORDS = 500
DOMAINS = 997
LETTERS = "abcdefghijklmnopqrstuvwxyz"
APPENDED_TOGETHER = 20
WARM = 4
"""Chunks of results that are used again and again: a worker's, too, are still in the cache."""


def found_of(sort: int, at: datetime) -> Outcome:
    """Return what a mailbox service may have found: mostly that the mailbox exists."""
    until = at + timedelta(days=30)
    state = MailboxState(sort == 0, sort == 1, role=False, disposable=False, free_provider=False)
    if sort == 0:
        return Outcome("mailbox", CONFIRMED, at, until, (), state, "zerobounce", 8000)
    code, conclusion = (
        (ReasonCode.CATCH_ALL, DOUBTFUL) if sort == 1 else (ReasonCode.MAILBOX_NOT_FOUND, REFUTED)
    )
    reasons = (because(code, "mailbox"),)
    return Outcome("mailbox", conclusion, at, until, reasons, state, "zerobounce", 8000)


def results_of(rnd: random.Random, number: int, *, shared: bool) -> list[RecordResult]:
    """Return what the judge says of a chunk of different addresses."""
    now = datetime.now(UTC)
    texts = [
        f"{''.join(rnd.choices(LETTERS, k=10))}.{rnd.randrange(1000)}"
        f"@example{rnd.randrange(DOMAINS)}.com"
        for _ in range(RECORDS)
    ]
    examined = [email.examine(text) for text in texts]
    until = now + timedelta(hours=1)
    domains = {
        (name := email.domain_of(text)): Outcome(
            "domain", CONFIRMED, now, until, (), MailHosts((f"mx1.{name}", f"mx2.{name}")), "dns"
        )
        for text in texts
    }
    known = [found_of(sort, now) for sort in range(3)]
    mailboxes: dict[str, Outcome] = {}
    for text in texts:
        sort = rnd.choices(range(3), [8, 1, 1])[0]
        later = now + timedelta(microseconds=rnd.randrange(10**6))
        mailboxes[text] = known[sort] if shared else found_of(sort, later)
    rounds = [Round(email.domain_of, domains), Round(str, mailboxes)]
    decided = Deciding(rounds, now, frozenset()).of
    verdicts = [email.verdict(one, decided(one)) for one in examined]
    first = number * RECORDS
    return [
        RecordResult(f"r{first + at}", first + at, one.status, one, verdicts=(one,))
        for at, one in enumerate(verdicts)
    ]


async def measured(
    chunks: Sequence[list[RecordResult]], slots: int, path: Path
) -> dict[str, float]:
    """Return CPU microseconds a record for each step, and bytes a record."""
    records = len(chunks) * RECORDS
    codec = Results(KINDS)
    given = [
        NewChunk(
            RECORDS, msgspec.msgpack.encode([(one.ref, one.verdicts[0].input) for one in each])
        )
        for each in chunks
    ]
    store = await open_store(StoreSettings(), path)
    steps: dict[str, float] = {}

    def step(name: str, since: float) -> float:
        now = time.process_time()
        steps[name] = round((now - since) / records * 1e6, 2)
        return now

    clock = time.process_time()
    batch = (await store.create(NewBatch())).batch
    for at in range(0, len(given), APPENDED_TOGETHER):
        await store.append(batch.tenant, batch.id, given[at : at + APPENDED_TOGETHER])
    await store.move(batch.tenant, batch.id, Move.START)
    clock = step("take in", clock)
    refs: list[ChunkRef] = []
    while more := await store.next_chunks(2 * slots):
        refs += more
    clock = step("turns", clock)
    packing = 0.0

    async def work(rest: "list[ChunkRef]") -> None:
        nonlocal packing
        while rest:
            of = await store.claim(rest.pop(0), "benchmark")
            assert of is not None
            began = time.thread_time()
            packed, counts = codec.packed_and_counted(range(RECORDS), chunks[of.claim.seq])
            packing += time.thread_time() - began
            await store.finish(of.claim, packed, counts, NO_COST)

    await asyncio.gather(*(work(refs) for _ in range(slots)))
    clock = step("work, with packing", clock)
    steps["of that packing"] = round(packing / records * 1e6, 2)
    await store.database.tidy()
    size = (await asyncio.to_thread(path.stat)).st_size
    steps["bytes"] = round(size / records, 1)
    clock = time.process_time()
    after = -1
    while read := await store.chunk_results(batch.tenant, batch.id, after, 10):
        assert [one for chunk in read for one in codec.decided(chunk)]
        after = read[-1].seq
    step("read", clock)
    await store.close()
    return steps


def main(number: int = 200, slots: int = 16) -> None:
    """Print both measurements."""
    load()
    for shared in (True, False):
        rnd = random.Random(1)
        few = [results_of(rnd, at, shared=shared) for at in range(WARM)]
        chunks = [few[at % WARM] for at in range(number)]
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            steps = asyncio.run(measured(chunks, slots, Path(folder) / "batches.db"))
        print("shared by calls:" if shared else "each its own:  ", steps)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
