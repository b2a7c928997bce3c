"""Batches asked for: one, a page of them, and of one its results, its errors, what it will take."""

import asyncio
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from batches.batch import Batch
from batches.chunk import ChunkResults, ChunkState, RowError
from batches.decided import Decode, Wanted, decided_of
from batches.errors import BadCursor, NoSuchBatch, StoreError
from batches.estimate import Estimate
from batches.given import Records, unpacked_layout
from resolvers.batch_room import BatchRoom, room_of
from resolvers.batch_status import BatchStatus, status_of, told
from resolvers.context import Context
from resolvers.errors import PublicError
from verdicts.outcome import MILLION
from verdicts.reason import ReasonCode
from verdicts.verdict import RecordResult, Status

PAGE_MAX = 1000
"""Results, or row errors, in one page at most."""
BATCHES_MAX = 100
"""Batches in one page at most."""
CHUNKS_PER_TRIP = 2
CHUNKS_LOOKED_MAX = 40
"""Chunks that are unpacked for one page at most: 20,000 records. Then it ends, full or not."""
CURSOR_CHARS_MAX = 64
_PLACE = re.compile(r"(\d{1,9}):(\d{1,9})")


class MappedColumn(Struct, frozen=True):
    """A column of the client's file, and the fields of a record that it fills."""

    column: str
    fields: tuple[str, ...]
    guessed: bool


class BatchView(Struct, frozen=True, kw_only=True):
    """A batch as clients see it; the fields are described in `schema.batches`."""

    id: str
    name: str | None
    status: BatchStatus
    priority: int
    created_at: datetime
    start_after: datetime | None
    cost_cap: Decimal | None
    webhook: str | None
    sandbox: bool
    max_age: timedelta | None
    mapping: list[MappedColumn]
    batch: Batch


class PageInfo(Struct, frozen=True):
    """Where a page ends, and whether anything comes after it."""

    has_next_page: bool
    end_cursor: str | None


class ResultEdge(Struct, frozen=True):
    """A result, and the cursor behind it."""

    cursor: str
    node: RecordResult


class ResultPage(Struct, frozen=True):
    """Results in input order."""

    edges: list[ResultEdge]
    nodes: list[RecordResult]
    page_info: PageInfo


class BatchPage(Struct, frozen=True):
    """Batches, the newest first."""

    nodes: list[BatchView]
    page_info: PageInfo


def view_of(context: Context, room: BatchRoom, batch: Batch) -> BatchView:
    """Return what clients see of `batch`."""
    cap = batch.cost_cap_millionths
    mapping = unpacked_layout(batch.layout).mapping
    columns = mapping.told() if mapping is not None else ()
    return BatchView(
        id=batch.id,
        name=batch.name,
        status=status_of(room.progress.snapshot(batch), context.currency),
        priority=batch.priority,
        created_at=batch.created_at,
        start_after=batch.start_after,
        cost_cap=None if cap is None else Decimal(cap) / MILLION,
        webhook=batch.webhook,
        sandbox=batch.sandbox,
        max_age=None if batch.max_age_s is None else timedelta(seconds=batch.max_age_s),
        mapping=[
            MappedColumn(column, tuple(fields.split(", ")), guessed)
            for column, fields, guessed in columns
        ],
        batch=batch,
    )


async def batch(context: Context, batch_id: str) -> BatchView | None:
    """Return the batch, None when there is none.

    Raises:
        PublicError: UNAVAILABLE.
    """
    room = await room_of(context)
    with _public():
        try:
            found = await room.store.batch(context.tenant, batch_id)
        except NoSuchBatch:
            return None
    return view_of(context, room, found)


async def batches(context: Context, first: int, after: str | None) -> BatchPage:
    """Return a page of the tenant's batches.

    Raises:
        PublicError: BAD_OPTION, BAD_CURSOR, UNAVAILABLE.
    """
    _check_size(first, BATCHES_MAX)
    room = await room_of(context)
    with _public():
        page = await room.store.batches(context.tenant, first, after)
    return BatchPage(
        [view_of(context, room, one) for one in page.batches],
        PageInfo(page.after is not None, page.after),
    )


async def row_errors(context: Context, view: BatchView, first: int) -> list[RowError]:
    """Return the first errors by row.

    Raises:
        PublicError: NOT_FOUND, BAD_OPTION, UNAVAILABLE.
    """
    _check_size(first, PAGE_MAX)
    room = await room_of(context)
    with _public():
        errors = await room.store.row_errors(context.tenant, view.id)
    return list(errors[:first])


async def estimate(context: Context, view: BatchView) -> Estimate:
    """Return what the open records of a batch will take.

    Raises:
        PublicError: NOT_FOUND, UNAVAILABLE.
    """
    room = await room_of(context)
    try:
        with _public():
            return await room.estimator.of(view.batch)
    except OSError:
        raise PublicError(
            "UNAVAILABLE", "What is known can't be looked up now. Ask again in a moment."
        ) from None


async def results(
    context: Context,
    view: BatchView,
    first: int,
    after: str | None,
    wanted: Wanted,
) -> ResultPage:
    """Return decided results that are `wanted`, in input order, behind the cursor `after`.

    A page for which CHUNKS_LOOKED_MAX chunks were unpacked ends there, though it may hold fewer.

    Raises:
        PublicError: NOT_FOUND, BAD_OPTION, BAD_INPUT, BAD_CURSOR, UNAVAILABLE.
    """
    _check_size(first, PAGE_MAX)
    room, batch = await room_of(context), view.batch
    for kind in sorted(wanted.kinds - set(room.names))[:1]:
        known = ", ".join(room.names)
        raise PublicError("BAD_INPUT", f"kinds: there is no {kind!r}; there are {known}.")
    behind = _place(after)
    where = None if wanted.everything else wanted.may_be_in
    records = Records(unpacked_layout(batch.layout))
    edges: list[ResultEdge] = []
    reading, looked, end, more = behind[0] - 1, 0, after, True
    with _public():
        while len(edges) <= first and looked < CHUNKS_LOOKED_MAX:
            chunks = await room.store.chunk_results(
                context.tenant, batch.id, reading, CHUNKS_PER_TRIP, where
            )
            if not chunks:
                more = False
                break
            found = await asyncio.to_thread(_found, chunks, records, room.decode, wanted, behind)
            edges += [ResultEdge(_cursor(*place), result) for place, result in found]
            reading, looked = chunks[-1].seq, looked + len(chunks)
            end = _cursor(reading, chunks[-1].records - 1)
    if len(edges) > first or not more:
        edges = edges[:first]
        end = edges[-1].cursor if edges else after
    return ResultPage(edges, [edge.node for edge in edges], PageInfo(more, end))


def _found(
    chunks: Sequence[ChunkResults],
    records: Records,
    decode: Decode,
    wanted: Wanted,
    behind: tuple[int, int],
) -> list[tuple[tuple[int, int], RecordResult]]:
    """Return the wanted results of `chunks` behind a place, with their places. For a thread."""
    found: list[tuple[tuple[int, int], RecordResult]] = []
    for chunk in chunks:
        # refs of what was never decided are read out of what was given
        given = records if chunk.state is ChunkState.DEAD else None
        decided = decided_of(chunk, given, decode)
        found += [
            ((chunk.seq, at), result)
            for at in wanted.places(decided)
            if (chunk.seq, at) > behind and (result := decided.results[at])
        ]
    return found


def wanted_of(
    statuses: Collection[Status] | None,
    reasons: Collection[ReasonCode] | None,
    kinds: Collection[str] | None,
) -> Wanted:
    """Return which results a client wants; what is left out, or empty, leaves nothing out."""
    return Wanted(frozenset(statuses or ()), frozenset(reasons or ()), frozenset(kinds or ()))


@contextmanager
def _public() -> Generator[None]:
    """Let clients hear what went wrong with the store."""
    try:
        yield
    except (NoSuchBatch, BadCursor, StoreError) as error:
        raise told(error, "a page") from error


def _check_size(first: int, most: int) -> None:
    if not 1 <= first <= most:
        raise PublicError("BAD_OPTION", f"first is {first}; give 1 to {most}.")


def _cursor(seq: int, place: int) -> str:
    return urlsafe_b64encode(f"{seq}:{place}".encode()).decode().rstrip("=")


def _place(cursor: str | None) -> tuple[int, int]:
    """Return the chunk and the place in it that `cursor` stands for."""
    if cursor is None:
        return 0, -1
    try:
        padded = cursor[:CURSOR_CHARS_MAX] + "=" * (-len(cursor) % 4)
        found = _PLACE.fullmatch(urlsafe_b64decode(padded).decode("ascii"))
    except ValueError:
        found = None
    if found is None:
        raise PublicError("BAD_CURSOR", "`after` is no cursor of this field: take one of a page.")
    return int(found[1]), int(found[2])
