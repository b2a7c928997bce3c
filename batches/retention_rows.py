"""Transactions that remove: a batch at once for everybody, its chunks bit by bit."""

from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, case, delete, func, literal, select, update

from batches import batch_rows
from batches.batch import ENDED, IDLE
from batches.chunk import Expired
from batches.database import Transaction
from batches.kept import Kept
from batches.tables import (
    batches,
    chunks,
    deletions,
    deliveries,
    flushed,
    given,
    results,
    retries,
    row_errors,
)

GIVEN, ALL = "given", "all"
"""What of a batch is to be removed."""
BATCHES_PER_TRIP_MAX = 50
_ENDED = sorted(state.value for state in ENDED)
_FORGOTTEN = sorted(state.value for state in ENDED | IDLE)
_SINCE = func.coalesce(batches.c.finished_at, batches.c.updated_at)


def forget(transaction: Transaction, tenant: str, batch_id: str) -> None:
    """Let a batch be gone, with its data key; its chunks are to be removed."""
    batch_rows.locked(transaction, tenant, batch_id)
    _forget(transaction, batch_id)


def _forget(transaction: Transaction, batch_id: str) -> None:
    for table in (row_errors, deliveries, retries):
        transaction.execute(delete(table).where(table.c.batch == batch_id))
    transaction.execute(delete(batches).where(batches.c.id == batch_id))
    _note(transaction, batch_id, ALL)


def _note(transaction: Transaction, batch_id: str, what: str) -> None:
    statement = transaction.insert(deletions).on_conflict_do_nothing()
    row = {"batch": batch_id, "what": what, "deleted_at": transaction.now_ms}
    transaction.execute(statement, row)


def remove(transaction: Transaction, batch_id: str, limit: int) -> bool:
    """Remove up to `limit` chunks of a batch that is gone; return whether that was the rest."""
    number = _remove(transaction, batch_id, ALL, limit)
    return number < limit


def _remove(transaction: Transaction, batch_id: str, what: str, limit: int) -> int:
    """Remove up to `limit` chunks, or what was given of them; return how many there were."""
    of = given if what == GIVEN else chunks
    seqs = transaction.values(
        select(of.c.seq).where(of.c.batch == batch_id).order_by(of.c.seq).limit(limit)
    )
    if seqs:
        tables: tuple[Any, ...] = (given,) if what == GIVEN else (given, results, flushed, chunks)
        for table in tables:
            transaction.execute(
                delete(table).where(
                    table.c.batch == batch_id, table.c.seq.between(seqs[0], seqs[-1])
                )
            )
    if len(seqs) < limit:
        transaction.execute(
            delete(deletions).where(deletions.c.batch == batch_id, deletions.c.what == what)
        )
    return len(seqs)


def expire(transaction: Transaction, kept: Kept, limit: int) -> tuple[Expired, bool]:
    """Remove what is old enough; return what that was, and whether there was anything."""
    now = transaction.now_ms
    waits = batches.c.retry_at.is_not(None) & (batches.c.retry_at > now)  # for its quota, say
    gone = _locked(
        transaction, _ended_before(_since(now, kept, "results"), _FORGOTTEN).where(~waits)
    )
    for batch_id in gone:
        _forget(transaction, batch_id)
    since = _since(now, kept, "given")
    bare = _locked(transaction, _ended_before(since, _ENDED, given_kept=True))
    for batch_id in bare:
        transaction.execute(
            update(batches)
            .where(batches.c.id == batch_id)
            .values(given_kept=False, version=batches.c.version + 1, updated_at=now)
        )
        _note(transaction, batch_id, GIVEN)
    removed = {GIVEN: 0, ALL: 0}
    waiting = transaction.rows(
        select(deletions.c.batch, deletions.c.what)
        .order_by(deletions.c.deleted_at, deletions.c.batch)
        .limit(BATCHES_PER_TRIP_MAX)
    )
    for batch_id, what in waiting:
        left = limit - sum(removed.values())
        if left > 0:
            removed[what] += _remove(transaction, batch_id, what, left)
    number = sum(removed.values())
    more = number >= limit or BATCHES_PER_TRIP_MAX in {len(gone), len(bare), len(waiting)}
    return Expired(removed[GIVEN], len(gone), more), number > 0


def _since(now: int, kept: Kept, what: Literal["given", "results"]) -> ColumnElement[int]:
    """Return since when a batch may have ended and keep `what`, by its tenant, in milliseconds."""
    usual = literal(now - _ms(getattr(kept, what)))
    apart = [
        (batches.c.tenant == tenant, literal(now - _ms(getattr(one, what))))
        for tenant, one in kept.apart.items()
    ]
    return case(*apart, else_=usual) if apart else usual


def _ms(age: timedelta) -> int:
    return age // timedelta(milliseconds=1)


def _ended_before(
    ms: ColumnElement[int], states: list[str], *, given_kept: bool = False
) -> Select[tuple[str]]:
    """Return what selects batches in `states` that nothing has happened to since `ms`."""
    statement = select(batches.c.id).where(batches.c.state.in_(states), ms > _SINCE)
    return statement.where(batches.c.given_kept.is_(True)) if given_kept else statement


def _locked(transaction: Transaction, old: Select[tuple[str]]) -> list[str]:
    """Lock the batches that are `old`; return those that still are, now that they are ours."""
    found: list[str] = []
    for batch_id in transaction.values(old.order_by(batches.c.id).limit(BATCHES_PER_TRIP_MAX)):
        transaction.lock(batch_id)
        if transaction.row(old.where(batches.c.id == batch_id)) is not None:
            found.append(batch_id)
    return found
