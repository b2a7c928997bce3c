"""Batches in a real store, decided by the test: what a worker would have put there."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from batches.batch import Batch, Move, NewBatch
from batches.chunk import ChunkRef, Claim, NewChunk
from batches.counts import NO_COST, counted
from batches.given import Layout, Upload, packed_layout, packed_rows
from batches.opening import open_store
from batches.results import Results
from batches.settings import StoreSettings
from batches.source.coding import coding_of
from batches.source.dialect import Dialect, Format
from batches.source.mapping import mapping_of
from batches.store import Store
from checks.kinds import KINDS
from providers.priority import TENANT
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import Reason, ReasonCode, because
from verdicts.verdict import EmailVerdict, RecordResult, Source, Status

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CODEC = Results(KINDS)


def decode(blob: bytes, first_index: int) -> Sequence[RecordResult]:
    """Return the results of a blob."""
    return CODEC.unpacked(blob, first_index)[1]


COLUMNS = ("id", "E-Mail", "=note")
Row = tuple[str, str, str]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **duration: float) -> None:
        """Let time pass: `hours=1`."""
        self.now += timedelta(**duration)


@asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None) -> AsyncGenerator[Store]:
    """Open a store for the time of the block."""
    store = await open_store(StoreSettings(), folder / "batches.db", clock)
    try:
        yield store
    finally:
        await store.close()


def layout_of(columns: Sequence[str] = COLUMNS) -> bytes:
    """Return the layout of a table with these columns."""
    dialect = Dialect(Format.CSV, coding_of(b"id\n", None), 0, 2, ",", mapping_of(columns))
    return packed_layout(Layout(upload=Upload(dialect=dialect, complete=True)))


REASONS: dict[Status, tuple[Reason, ...]] = {
    Status.VALID: (),
    Status.INVALID: (because(ReasonCode.MAILBOX_NOT_FOUND, "mailbox"),),
    Status.RISKY: (
        because(ReasonCode.CATCH_ALL, "mailbox"),
        because(ReasonCode.ROLE_ACCOUNT, "role"),
    ),
    Status.UNKNOWN: (because(ReasonCode.PROVIDER_UNAVAILABLE, "mailbox", retryable=True),),
}
OUTCOMES = {
    status: (
        Outcome("syntax", Conclusion.CONFIRMED),
        Outcome("mailbox", Conclusion.CONFIRMED, AT, AT, REASONS[status], None, "zerobounce", 8000),
    )
    for status in Status
}


def result_of(index: int, email: str, status: Status, ref: str | None = None) -> RecordResult:
    """Return a result as a judge gives it."""
    verdict = EmailVerdict(
        "email",
        email,
        email.lower(),
        status,
        REASONS[status],
        OUTCOMES[status],
        AT,
        AT,
        Source.PROVIDER,
    )
    return RecordResult(ref, index, status, email=verdict, verdicts=(verdict,))


class Running(Struct):
    """A batch of rows in a store, some of them decided."""

    store: Store
    batch: Batch
    rows: Sequence[Row]
    per_chunk: int

    async def claim(self, seq: int) -> Claim:
        """Begin a chunk."""
        claimed = await self.store.claim(ChunkRef(self.batch.id, seq), "tests")
        assert claimed is not None
        return claimed.claim

    def results(
        self, seq: int, statuses: Sequence[Status | None]
    ) -> tuple[list[int], list[RecordResult]]:
        """Return places and results of a chunk, without those of no status."""
        first = seq * self.per_chunk
        places = [place for place, status in enumerate(statuses) if status is not None]
        found = [
            result_of(
                first + place, self.rows[first + place][1], status, self.rows[first + place][0]
            )
            for place, status in enumerate(statuses)
            if status is not None
        ]
        return places, found

    async def flush(self, claim: Claim, number: int, statuses: Sequence[Status | None]) -> None:
        """Keep what is decided of a chunk so far."""
        places, found = self.results(claim.seq, statuses)
        part = CODEC.packed(places, found)
        await self.store.flush(claim, number, part, counted(found), NO_COST)

    async def finish(self, claim: Claim, statuses: Sequence[Status]) -> None:
        """End a chunk."""
        places, found = self.results(claim.seq, statuses)
        blob = CODEC.packed(places, found)
        await self.store.finish(claim, blob, counted(found), NO_COST)

    async def finish_all(self, statuses: Sequence[Status]) -> None:
        """End every chunk, its records having `statuses` in turn."""
        chunks = -(-len(self.rows) // self.per_chunk)
        for seq in range(chunks):
            number = min(self.per_chunk, len(self.rows) - seq * self.per_chunk)
            first = seq * self.per_chunk
            own = [statuses[(first + place) % len(statuses)] for place in range(number)]
            await self.finish(await self.claim(seq), own)

    async def now(self) -> Batch:
        """Return the batch as it is."""
        return await self.store.batch(TENANT, self.batch.id)


async def started(
    store: Store,
    rows: Sequence[Row],
    per_chunk: int = 3,
    webhook: str | None = None,
    columns: Sequence[str] = COLUMNS,
) -> Running:
    """Make and start a batch of `rows`."""
    chunks = [
        NewChunk(len(part), packed_rows(part, range(first + 2, first + 2 + len(part))))
        for first in range(0, len(rows), per_chunk)
        for part in [rows[first : first + per_chunk]]
    ]
    created = await store.create(NewBatch(webhook=webhook, layout=layout_of(columns)), chunks)
    batch = await store.move(TENANT, created.batch.id, Move.START)
    return Running(store, batch, rows, per_chunk)
