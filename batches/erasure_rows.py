"""Transactions that leave nothing of single records, in whosever batches they are."""

from collections.abc import Callable

from sqlalchemy import select

from batches import batch_rows
from batches.batch import Batch
from batches.blobs import Blobs
from batches.chunk import ChunkRef, ChunkState, Written
from batches.chunk_rows import BlobsOf, chunk_at
from batches.database import Transaction
from batches.rows import BATCH_COLUMNS, kept_of
from batches.tables import batches, flushed, given, results


def behind(transaction: Transaction, after_id: str, limit: int) -> list[Batch]:
    """Return batches of all tenants, as `Store.everything` says."""
    statement = select(*BATCH_COLUMNS).where(batches.c.id > after_id).order_by(batches.c.id)
    return [kept_of(row).batch for row in transaction.rows(statement.limit(limit))]


def rewrite(
    transaction: Transaction, blobs: Blobs, ref: ChunkRef, change: Callable[[Written], Written]
) -> bool:
    """Put other blobs in the place of a chunk's, as `Store.rewrite` says."""
    transaction.lock(ref.batch)
    kept = batch_rows.find(transaction, ref.batch)
    chunk = None if kept is None else chunk_at(transaction, ref)
    if kept is None or chunk is None:
        return True  # it was deleted meanwhile
    if chunk.state is ChunkState.RUNNING:
        return False
    of = BlobsOf(transaction, blobs, ref, kept)
    old = Written(of.given(), of.results(), of.parts())
    new = change(old)
    if new.given is not None and new.given != old.given:
        of.replace(given, new.given)
    if new.results is not None and new.results != old.results:
        of.replace(results, new.results)
    for part, (data, before) in enumerate(zip(new.parts, old.parts, strict=True)):
        if data != before:
            of.replace(flushed, data, part)
    return True
