"""Transactions that open chunks again: let go, lost by their worker, or to be tried once more."""

from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from batches import batch_rows
from batches.batch import Batch, Move, PauseReason, State, after
from batches.chunk import ATTEMPTS_MAX, LAST_RITES_MAX, ChunkRef, ChunkState, Claim, Swept
from batches.chunk_rows import THIS, counted, held_of, settled
from batches.counts import NO_COST, NOTHING, Counts, Spent, Tally
from batches.database import Ready, Transaction
from batches.errors import IdempotencyConflict, MoveRefused
from batches.rows import CHUNK_COLUMNS, ChunkRow, chunk_of, pack, text_of
from batches.tables import batches, chunks, retries
from verdicts.verdict import Status

SWEPT_MAX = 100
"""Batches that one sweep sets right at most; the next goes on."""
_READY, _DEAD = ChunkState.READY.value, ChunkState.DEAD.value
_DEAD_AT = ATTEMPTS_MAX + LAST_RITES_MAX

_LET_GO = Ready(
    update(chunks)
    .where(THIS)
    .values(state=_READY, owner=None, until=None, attempts=bindparam("new_attempts"))
)
_BURY = Ready(
    update(chunks)
    .where(THIS)
    .values(
        state=_DEAD,
        owner=None,
        until=None,
        attempts=bindparam("new_attempts"),
        counts=bindparam("new_counts"),
        version=bindparam("new_version"),
        stamps=bindparam("new_stamps"),
    )
)
_REOPEN = Ready(
    update(chunks)
    .where(THIS)
    .values(
        state=_READY,
        attempts=0,
        reopened=bindparam("new_reopened"),
        reopened_parts=chunks.c.parts,
        counts=bindparam("new_counts"),
        stamps=bindparam("new_stamps"),
    )
)


def release(transaction: Transaction, claim: Claim, spent: Spent, *, failed: bool) -> None:
    """Let a chunk go, as `Store.release` says."""
    held = held_of(transaction, claim)
    if held is None:
        return
    kept, chunk = held
    batch = batch_rows.put(transaction, kept.batch, spent=kept.batch.spent.plus(spent))
    batch, _ = _let_go(transaction, batch, chunk, attempts=chunk.attempts + failed)
    settled(transaction, batch)


def _let_go(
    transaction: Transaction, batch: Batch, chunk: ChunkRow, attempts: int
) -> tuple[Batch, bool]:
    """Open a chunk again, or give it up for dead; return its batch, and whether it died."""
    ref = ChunkRef(batch.id, chunk.seq)
    if attempts < _DEAD_AT:
        transaction.run(_LET_GO, {"of": ref.batch, "at": ref.seq, "new_attempts": attempts})
        return batch, False
    lost = chunk.records - chunk.counts.records
    unknown, version = _unknown(lost), batch.version + 1
    transaction.run(
        _BURY,
        {
            "of": ref.batch,
            "at": ref.seq,
            "new_attempts": attempts,
            "new_counts": pack(chunk.counts.plus(unknown)),
            "new_version": version,
            "new_stamps": pack([*chunk.stamps, (version, lost)]),
        },
    )
    return counted(transaction, batch, unknown, NO_COST, done=1), True


def _unknown(records: int) -> Counts:
    return Counts({Status.UNKNOWN.value: Tally(records)}) if records else NOTHING


def retry(
    transaction: Transaction,
    tenant: str,
    batch_id: str,
    statuses: AbstractSet[Status],
    key: str | None,
) -> Batch:
    """Open records again, as `Store.retry` says."""
    batch = batch_rows.locked(transaction, tenant, batch_id).batch
    if key is not None and _made_before(transaction, batch_id, text_of(statuses), key):
        return batch
    if after(batch.state, Move.RETRY) is None:
        raise MoveRefused(batch_id, batch.state, Move.RETRY)
    if not batch.given_kept:
        why = "what was given is not kept any longer"
        raise MoveRefused(batch_id, batch.state, Move.RETRY, why)
    names = {status.value for status in statuses}
    rows = transaction.rows(select(*CHUNK_COLUMNS).where(chunks.c.batch == batch_id))
    again = [chunk for chunk in map(chunk_of, rows) if names & chunk.counts.of.keys()]
    if not again:
        return batch
    reopened: list[dict[str, Any]] = []
    standing = batch.counts
    for chunk in again:
        known = chunk.counts
        if chunk.state is ChunkState.DEAD:  # what it was given up for is open, whatever is wanted
            known = known.minus(_unknown(chunk.stamps[-1][1]))
        opened = statuses | chunk.reopened  # a dead one may have been opened before
        counts = known.without(opened)
        standing = standing.minus(chunk.counts).plus(counts)
        reopened.append(
            {
                "of": batch_id,
                "at": chunk.seq,
                "new_reopened": text_of(opened),
                "new_counts": pack(counts),
                # the first one tells readers that what they counted before is void
                "new_stamps": pack([(batch.version, 0), (chunk.version, counts.records)]),
            }
        )
    transaction.run(_REOPEN, reopened)
    batch = batch_rows.put(
        transaction,
        batch,
        counts=standing,
        chunks_done=batch.chunks_done - len(again),
    )
    return batch_rows.moved(transaction, batch, Move.RETRY)


def _made_before(transaction: Transaction, batch_id: str, statuses: str, key: str) -> bool:
    """Return whether the retry of this key was made; if not, note that it is now."""
    of_key = select(retries.c.statuses).where(retries.c.batch == batch_id, retries.c.key == key)
    before = transaction.row(of_key)
    if before is None:
        row = {"batch": batch_id, "key": key, "statuses": statuses}
        transaction.execute(insert(retries), row)
        return False
    if before[0] != statuses:
        raise IdempotencyConflict(batch_id)
    return True


def sweep(transaction: Transaction) -> Swept:
    """Set right what waited too long, as `Store.sweep` says."""
    now = transaction.now_ms
    late = select(chunks.c.batch).where(chunks.c.until < now).distinct().limit(SWEPT_MAX)
    leases = hints = dead = 0
    ended: list[str] = []
    for batch_id in sorted(transaction.values(late)):
        transaction.lock(batch_id)
        kept = batch_rows.find(transaction, batch_id)
        rows = transaction.rows(
            select(*CHUNK_COLUMNS).where(chunks.c.batch == batch_id, chunks.c.until < now)
        )
        if kept is None:
            continue
        batch = kept.batch
        for chunk in map(chunk_of, rows):
            lost = chunk.state is ChunkState.RUNNING
            leases, hints = leases + lost, hints + (not lost)
            batch, died = _let_go(transaction, batch, chunk, chunk.attempts + lost)
            dead += died
        after_all = settled(transaction, batch)
        if after_all.ended and not kept.batch.ended:
            ended.append(batch_id)
    return Swept(leases, hints, dead, _resumed(transaction, now), tuple(ended))


def _resumed(transaction: Transaction, now: int) -> tuple[str, ...]:
    """End the pauses whose time has come; return whose they were."""
    due = select(batches.c.id).where(
        batches.c.state == State.PAUSED.value,
        batches.c.retry_at <= now,
        batches.c.pause_reason != PauseReason.REQUESTED.value,
    )
    resumed: list[str] = []
    for batch_id in sorted(transaction.values(due.limit(SWEPT_MAX))):
        transaction.lock(batch_id)
        kept = batch_rows.find(transaction, batch_id)
        if kept is None or kept.batch.state is not State.PAUSED:
            continue
        if kept.batch.pause_reason is not PauseReason.REQUESTED:
            batch_rows.moved(transaction, kept.batch, Move.RESUME)
            resumed.append(batch_id)
    return tuple(resumed)
