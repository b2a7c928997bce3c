"""Transactions that read results: of chunks in input order, or as they came."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import literal, select

from batches import batch_rows
from batches.blobs import Blobs, Place
from batches.chunk import ChunkResults
from batches.counts import Counts
from batches.database import Transaction
from batches.rows import CHUNK_COLUMNS, ChunkRow, Kept, chunk_of
from batches.tables import chunks, flushed, given, results

_ZERO = literal(0)
ROWS_PER_LOOK = 500
"""Chunks whose counts are looked at in one trip, while some are searched for."""


def in_order(
    transaction: Transaction,
    blobs: Blobs,
    tenant: str,
    batch_id: str,
    after_seq: int,
    limit: int,
    where: Callable[[Counts], bool] | None,
) -> list[ChunkResults]:
    """Return chunks in input order, as `Store.chunk_results` says."""
    kept = batch_rows.get(transaction, tenant, batch_id)
    found: list[ChunkRow] = []
    statement = select(*CHUNK_COLUMNS).where(chunks.c.batch == batch_id).order_by(chunks.c.seq)
    step = limit if where is None else ROWS_PER_LOOK
    while len(found) < limit:
        rows = transaction.rows(statement.where(chunks.c.seq > after_seq).limit(step))
        looked_at = list(map(chunk_of, rows))
        found += [one for one in looked_at if where is None or where(one.counts)]
        if len(rows) < step:
            break
        after_seq = looked_at[-1].seq
    return _read(transaction, blobs, kept, found[:limit], version=0)


def since(
    transaction: Transaction,
    blobs: Blobs,
    tenant: str,
    batch_id: str,
    version: int,
    limit: int,
    seen: int | None,
) -> list[ChunkResults]:
    """Return chunks as they changed, as `Store.results_since` says."""
    kept = batch_rows.get(transaction, tenant, batch_id)
    rows = transaction.rows(
        select(*CHUNK_COLUMNS)
        .where(chunks.c.batch == batch_id, chunks.c.version > version)
        .order_by(chunks.c.version)
        .limit(limit)
    )
    return _read(
        transaction, blobs, kept, list(map(chunk_of, rows)), version if seen is None else seen
    )


def _read(
    transaction: Transaction, blobs: Blobs, kept: Kept, found: Sequence[ChunkRow], version: int
) -> list[ChunkResults]:
    """Return what a reader gets of the chunks `found`; `version` is what was seen before."""
    if not found:
        return []
    batch_id, seqs = kept.batch.id, [chunk.seq for chunk in found]

    def unpacked(table: Any, part: Any) -> dict[int, list[bytes]]:  # noqa: ANN401 - a table and a column of it
        rows = transaction.rows(
            select(table.c.seq, part, table.c.blob)
            .where(table.c.batch == batch_id, table.c.seq.in_(seqs))
            .order_by(*table.primary_key.columns)
        )
        of: dict[int, list[bytes]] = {}
        for seq, number, blob in rows:
            place = Place(batch_id, table.name, seq, number)
            of.setdefault(seq, []).append(blobs.unpack(blob, place, kept.key))
        return of

    first, whole = unpacked(given, _ZERO), unpacked(results, _ZERO)
    parts = unpacked(flushed, flushed.c.part) if any(chunk.parts for chunk in found) else {}
    return [
        ChunkResults(
            seq=chunk.seq,
            first_index=chunk.first_index,
            records=chunk.records,
            state=chunk.state,
            given=next(iter(first.get(chunk.seq, ())), None),
            results=next(iter(whole.get(chunk.seq, ())), None),
            reopened=chunk.reopened,
            reopened_parts=chunk.reopened_parts,
            parts=tuple(parts.get(chunk.seq, ())),
            counts=chunk.counts,
            version=chunk.version,
            opened=chunk.stamps[0][0] if chunk.stamps else 0,
            seen=sum(number for came, number in chunk.stamps if came <= version),
        )
        for chunk in found
    ]
