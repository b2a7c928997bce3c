"""Subscriptions to a batch: its progress, and its results as they are decided."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from batches.arrivals import Arrival
from batches.batch import PauseReason, State
from batches.counts import Counts, Spent
from batches.errors import BadCursor, NoSuchBatch, StoreError
from batches.snapshot import Snapshot
from resolvers.batch_room import room_of
from resolvers.context import Context
from resolvers.errors import PublicError
from verdicts.outcome import MILLION
from verdicts.reason import ReasonCode
from verdicts.verdict import Status

NOT_FOUND = "NOT_FOUND"
BAD_CURSOR = "BAD_CURSOR"
UNAVAILABLE = "UNAVAILABLE"


class StatusCount(Struct, frozen=True):
    """Records of one status."""

    status: Status
    records: int


class KindCount(Struct, frozen=True):
    """Verdicts of one kind and status."""

    kind: str
    status: Status
    verdicts: int


class ReasonCount(Struct, frozen=True):
    """Verdicts of one kind that give one reason."""

    kind: str
    code: ReasonCode
    verdicts: int


class BatchStatus(Struct, frozen=True, kw_only=True):
    """A batch at one moment; the fields are described in `schema.batch_status`."""

    id: str
    version: int
    state: State
    pause_reason: PauseReason | None
    retry_at: datetime | None
    records: int
    records_done: int
    row_errors: int
    statuses: list[StatusCount]
    kinds: list[KindCount]
    reasons: list[ReasonCount]
    calls_made: int
    calls_saved: int
    cost: Decimal
    currency: str
    rate_per_second: float
    eta: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


def status_of(snapshot: Snapshot, currency: str) -> BatchStatus:
    """Return what clients see of `snapshot`; `currency` is that of a batch that names none."""
    batch = snapshot.batch
    counts, spent = batch.counts, batch.spent
    return BatchStatus(
        id=batch.id,
        version=batch.version,
        state=batch.state,
        pause_reason=batch.pause_reason,
        retry_at=batch.retry_at,
        records=batch.records,
        records_done=counts.records,
        row_errors=batch.row_errors,
        statuses=[StatusCount(status, number) for status, number in counts.statuses.items()],
        kinds=kind_counts(counts),
        reasons=reason_counts(counts),
        calls_made=spent.calls_made,
        calls_saved=calls_saved(spent),
        cost=Decimal(spent.cost_millionths) / MILLION,
        currency=batch.currency or currency,
        rate_per_second=snapshot.rate_per_s,
        eta=snapshot.eta,
        started_at=batch.started_at,
        finished_at=batch.finished_at,
        updated_at=batch.updated_at,
    )


def kind_counts(counts: Counts) -> list[KindCount]:
    """Return the verdicts in `counts` by kind and status."""
    return [
        KindCount(kind, Status(name), number)
        for kind, numbers in counts.verdicts.items()
        for name, number in numbers.items()
    ]


def reason_counts(counts: Counts) -> list[ReasonCount]:
    """Return the verdicts in `counts` by kind and reason; a code of an older Assay is left out."""
    return [
        ReasonCount(kind, ReasonCode(name), number)
        for kind, numbers in counts.reasons.items()
        for name, number in numbers.items()
        if name in _CODES
    ]


_CODES = frozenset(code.value for code in ReasonCode)


def calls_saved(spent: Spent) -> int:
    """Return the questions that needed no call."""
    return spent.saved_by_local_checks + spent.saved_by_dedupe + spent.saved_by_cache


async def batch_status(context: Context, batch_id: str) -> AsyncGenerator[BatchStatus]:
    """Yield the batch's status now, and after each change until it has ended.

    Raises:
        PublicError: NOT_FOUND, UNAVAILABLE.
    """
    followed = (await room_of(context)).progress.follow(context.tenant, batch_id)
    try:
        async with aclosing(followed):
            async for snapshot in followed:
                yield status_of(snapshot, context.currency)
    except (NoSuchBatch, StoreError) as error:
        raise told(error) from error


async def batch_results(
    context: Context, batch_id: str, after: str | None
) -> AsyncGenerator[Arrival]:
    """Yield the batch's results as they are decided, behind the cursor `after`.

    Raises:
        PublicError: NOT_FOUND, BAD_CURSOR, UNAVAILABLE.
    """
    followed = (await room_of(context)).arrivals.follow(context.tenant, batch_id, after)
    try:
        async with aclosing(followed):
            async for arrival in followed:
                yield arrival
    except (NoSuchBatch, BadCursor, StoreError) as error:
        raise told(error) from error


def told(error: NoSuchBatch | BadCursor | StoreError, of: str = "an event") -> PublicError:
    """Return what a client may read of `error`; cursors are `of` an event, or of a page."""
    if isinstance(error, NoSuchBatch):
        return PublicError(NOT_FOUND, "There is no such batch. It may have been deleted.")
    if isinstance(error, BadCursor):
        return PublicError(BAD_CURSOR, f"`after` is no cursor of this field: take one of {of}.")
    return PublicError(UNAVAILABLE, "The store of batches can't be read now. Ask again.")
