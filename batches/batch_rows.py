"""Transactions on batches: made, added to, moved, changed, listed."""

import base64
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, tuple_, update

from batches.batch import ENDED, WORKED, Batch, Move, NewBatch, PauseReason, State, after
from batches.blobs import Blobs, Place
from batches.chunk import ChunkState, NewChunk, RowError
from batches.counts import NO_COST, NOTHING
from batches.database import Ready, Transaction, from_ms, now_of, to_ms
from batches.delivery_rows import announce
from batches.errors import (
    BadCursor,
    IdempotencyConflict,
    MoveRefused,
    NoSuchBatch,
    NotADraft,
    OffsetMismatch,
    RecordsMismatch,
)
from batches.keys import WrappedKey
from batches.rows import (
    BATCH_COLUMNS,
    NO_COUNTS,
    NO_STAMPS,
    Kept,
    changed,
    columns_of,
    kept_of,
)
from batches.tables import batches, chunks, given, row_errors

ROW_ERRORS_MAX = 1_000
"""Errors by row that are kept of a batch; all are counted."""
ID_BYTES = 16
RUNNING, HINTED, READY = (
    ChunkState.RUNNING.value,
    ChunkState.HINTED.value,
    ChunkState.READY.value,
)

COUNTED = ("counts", "spent", "chunks_done", "version", "updated_at")
_COUNTED = frozenset(COUNTED)
_BY_ID = Ready(select(*BATCH_COLUMNS).where(batches.c.id == bindparam("id")))
_RUNNING = Ready(
    select(func.count())
    .select_from(chunks)
    .where(chunks.c.batch == bindparam("of"), chunks.c.state == RUNNING)
)
_UNHINT = Ready(
    update(chunks)
    .where(chunks.c.batch == bindparam("of"), chunks.c.state == HINTED)
    .values(state=READY, until=None)
)
# what nearly every change is: columns that no index has
_COUNT = Ready(
    update(batches)
    .where(batches.c.id == bindparam("of"))
    .values({name: bindparam(f"new_{name}") for name in COUNTED})
)
_ADD_CHUNK, _ADD_GIVEN = Ready(insert(chunks)), Ready(insert(given))


def find(transaction: Transaction, batch_id: str, tenant: str | None = None) -> Kept | None:
    """Return a batch, of `tenant` if that is said; None when there is none."""
    if not batch_id.isprintable():
        return None  # a database refuses a NUL
    rows = transaction.run(_BY_ID, {"id": batch_id})
    kept = kept_of(rows[0]) if rows else None
    return kept if kept is None or tenant in {None, kept.batch.tenant} else None


def get(transaction: Transaction, tenant: str, batch_id: str) -> Kept:
    """Return a batch of `tenant`. Raise NoSuchBatch."""
    found = find(transaction, batch_id, tenant)
    if found is None:
        raise NoSuchBatch(batch_id)
    return found


def locked(transaction: Transaction, tenant: str, batch_id: str) -> Kept:
    """Return a batch of `tenant` that nobody else changes meanwhile. Raise NoSuchBatch."""
    if not batch_id.isprintable():
        raise NoSuchBatch(batch_id)
    transaction.lock(batch_id)
    return get(transaction, tenant, batch_id)


def put(transaction: Transaction, batch: Batch, **changes: Any) -> Batch:  # noqa: ANN401 - fields of Batch
    """Write `changes` of `batch`; return it as it is then. A new state is told to its webhook."""
    new, columns = changed(batch, transaction.now_ms, changes)
    if changes.keys() <= _COUNTED:
        columns = columns_of({name: getattr(new, name) for name in COUNTED})
        row = {f"new_{name}": value for name, value in columns.items()}
        transaction.run(_COUNT, {"of": batch.id, **row})
    else:
        transaction.execute(update(batches).where(batches.c.id == batch.id).values(**columns))
    if new.state is not batch.state and new.webhook is not None:
        announce(transaction, new)
    return new


def create(
    transaction: Transaction, blobs: Blobs, new: NewBatch, parts: Sequence[NewChunk]
) -> tuple[Batch, bool]:
    """Return the batch, and whether it was made now. As `Store.create` says."""
    batch_id = base64.b32encode(secrets.token_bytes(ID_BYTES)).decode().rstrip("=").lower()
    key = blobs.keys.new_key(batch_id)
    fields = {
        name: getattr(new, name)
        for name in NewBatch.__struct_fields__
        if name not in {"idempotency_key", "fingerprint"}
    }
    now = now_of(transaction)
    statement = (
        transaction.insert(batches)
        .values(
            id=batch_id,
            state=State.DRAFT.value,
            **columns_of({**fields, "created_at": now, "updated_at": now, "version": 1}),
            **columns_of({"offset": 0, "counts": NOTHING, "spent": NO_COST}),
            records=sum(part.records for part in parts),
            chunks=len(parts),
            chunks_done=0,
            row_errors=0,
            given_kept=True,
            idempotency_key=new.idempotency_key,
            fingerprint=new.fingerprint,
            key_id=None if key is None else key.key_id,
            wrapped_key=None if key is None else key.sealed,
        )
        .on_conflict_do_nothing(index_elements=["tenant", "idempotency_key"])
        .returning(batches.c.id)
    )
    if transaction.row(statement) is None:
        return _made_before(transaction, new), False
    _add(transaction, blobs, batch_id, key, parts, (0, 0))
    return get(transaction, new.tenant, batch_id).batch, True


def _made_before(transaction: Transaction, new: NewBatch) -> Batch:
    (row,) = transaction.rows(
        select(*BATCH_COLUMNS, batches.c.fingerprint).where(
            batches.c.tenant == new.tenant, batches.c.idempotency_key == new.idempotency_key
        )
    )
    batch, fingerprint = kept_of(row).batch, row[-1]
    if fingerprint != new.fingerprint:
        raise IdempotencyConflict(batch.id)
    return batch


def append(  # noqa: PLR0913 - what `Store.append` takes
    transaction: Transaction,
    blobs: Blobs,
    tenant: str,
    batch_id: str,
    parts: Sequence[NewChunk],
    *,
    errors: Sequence[RowError],
    offsets: tuple[int, int] | None,
    records_before: int | None,
    layout: bytes | None,
) -> Batch:
    """Add to a draft, as `Store.append` says."""
    kept = locked(transaction, tenant, batch_id)
    batch = kept.batch
    if batch.state is not State.DRAFT:
        raise NotADraft(batch_id, batch.state)
    if offsets is not None and offsets[0] != batch.offset:
        raise OffsetMismatch(batch_id, batch.offset)
    if records_before is not None and records_before != batch.records:
        raise RecordsMismatch(batch_id, batch.records)
    _add(transaction, blobs, batch_id, kept.key, parts, (batch.chunks, batch.records))
    wanted = errors[: max(0, ROW_ERRORS_MAX - batch.row_errors)]
    if wanted:
        rows = [
            {"batch": batch_id, "place": batch.row_errors + at, "line": one.line, "why": one.why}
            for at, one in enumerate(wanted)
        ]
        transaction.execute(transaction.insert(row_errors), rows)
    changes: dict[str, Any] = {
        "records": batch.records + sum(part.records for part in parts),
        "chunks": batch.chunks + len(parts),
        "row_errors": batch.row_errors + len(errors),
        "offset": batch.offset if offsets is None else offsets[1],
        "layout": batch.layout if layout is None else layout,
    }
    return put(transaction, batch, **changes)


def _add(
    transaction: Transaction,
    blobs: Blobs,
    batch_id: str,
    key: WrappedKey | None,
    parts: Sequence[NewChunk],
    behind: tuple[int, int],
) -> None:
    """Write `parts` behind the chunks and records that there are."""
    if not parts:
        return
    seq, first_index = behind
    rows: list[dict[str, Any]] = []
    packed: list[dict[str, Any]] = []
    for part in parts:
        rows.append(
            {
                "batch": batch_id,
                "seq": seq,
                "first_index": first_index,
                "records": part.records,
                "state": READY,
                "token": 0,
                "attempts": 0,
                "parts": 0,
                "counts": NO_COUNTS,
                "reopened": "",
                "reopened_parts": 0,
                "version": 0,
                "stamps": NO_STAMPS,
                "aside_millionths": 0,
            }
        )
        blob = blobs.pack(part.given, Place(batch_id, "given", seq), key)
        packed.append({"batch": batch_id, "seq": seq, "blob": blob})
        seq, first_index = seq + 1, first_index + part.records
    transaction.run(_ADD_CHUNK, rows)
    transaction.run(_ADD_GIVEN, packed)


def move(
    transaction: Transaction,
    tenant: str,
    batch_id: str,
    wanted: Move,
    reason: PauseReason,
    retry_at: datetime | None,
) -> Batch:
    """Make a move, as `Store.move` says."""
    batch = locked(transaction, tenant, batch_id).batch
    if wanted is Move.START and not batch.records:
        raise MoveRefused(batch_id, batch.state, wanted, "it has no records")
    return moved(transaction, batch, wanted, reason, retry_at)


def moved(
    transaction: Transaction,
    batch: Batch,
    wanted: Move,
    reason: PauseReason = PauseReason.REQUESTED,
    retry_at: datetime | None = None,
) -> Batch:
    """Make a move of a batch that is locked. Raise MoveRefused."""
    target = after(batch.state, wanted)
    if target is None:
        raise MoveRefused(batch.id, batch.state, wanted)
    changes: dict[str, Any] = {"state": target, "pause_reason": None, "retry_at": None}
    if target is State.PAUSED:
        asked = batch.pause_reason is PauseReason.REQUESTED
        if asked or (batch.pause_reason, batch.retry_at) == (reason, retry_at):
            return batch
        changes |= {"pause_reason": reason, "retry_at": retry_at}
    elif target is batch.state:
        return batch
    if target is State.CANCELLING and not running(transaction, batch.id):
        target = changes["state"] = State.CANCELLED
    if target is State.RUNNING and batch.started_at is None:
        changes["started_at"] = now_of(transaction)
    if target in ENDED or batch.state in ENDED:
        changes["finished_at"] = now_of(transaction) if target in ENDED else None
    if batch.state in WORKED and target not in WORKED:
        transaction.run(_UNHINT, {"of": batch.id})
    return put(transaction, batch, **changes)


def running(transaction: Transaction, batch_id: str) -> int:
    """Return how many chunks of a batch are being worked on."""
    return transaction.run(_RUNNING, {"of": batch_id})[0][0]


def amend(transaction: Transaction, tenant: str, batch_id: str, changes: dict[str, Any]) -> Batch:
    """Change fields of a batch, as `Store.amend` says."""
    batch = locked(transaction, tenant, batch_id).batch
    return put(transaction, batch, **changes) if changes else batch


def listed(
    transaction: Transaction, tenant: str, first: int, cursor: str | None
) -> tuple[tuple[Batch, ...], str | None]:
    """Return batches of `tenant`, and where to go on; as `Store.batches` says."""
    place = tuple_(batches.c.created_at, batches.c.id)
    statement = select(*BATCH_COLUMNS).where(batches.c.tenant == tenant)
    if cursor is not None:
        statement = statement.where(place < tuple_(*_place_of(cursor)))
    statement = statement.order_by(batches.c.created_at.desc(), batches.c.id.desc())
    rows = transaction.rows(statement.limit(first + 1))
    found = tuple(kept_of(row).batch for row in rows[:first])
    more = len(rows) > first and found
    return found, cursor_of(found[-1]) if more else None


def cursor_of(batch: Batch) -> str:
    """Return the cursor behind `batch` in the list of its tenant's batches."""
    return f"{to_ms(batch.created_at):x}-{batch.id}"


def _place_of(cursor: str) -> tuple[int, str]:
    created_at, dash, batch_id = cursor.partition("-")
    try:
        ms = int(created_at, 16)
        from_ms(ms)
    except (ValueError, OverflowError, OSError):
        raise BadCursor(cursor) from None
    if not dash or not batch_id.isalnum():
        raise BadCursor(cursor)
    return ms, batch_id


def snapshots(transaction: Transaction, batch_ids: Collection[str]) -> dict[str, Batch]:
    """Return those batches that there are."""
    ids = [batch_id for batch_id in batch_ids if batch_id.isprintable()]
    rows = transaction.rows(select(*BATCH_COLUMNS).where(batches.c.id.in_(ids)))
    found = [kept_of(row).batch for row in rows]
    return {batch.id: batch for batch in found}


def errors_of(transaction: Transaction, tenant: str, batch_id: str) -> tuple[RowError, ...]:
    """Return the kept errors by row, in the order of the file."""
    get(transaction, tenant, batch_id)
    rows = transaction.rows(
        select(row_errors.c.line, row_errors.c.why)
        .where(row_errors.c.batch == batch_id)
        .order_by(row_errors.c.place)
    )
    return tuple(RowError(line, why) for line, why in rows)


def rewrap(transaction: Transaction, blobs: Blobs, limit: int) -> int:
    """Put up to `limit` data keys under the present master key; return how many there were."""
    present = blobs.keys.key_id
    if present is None:
        return 0
    rows = transaction.rows(
        select(batches.c.id, batches.c.key_id, batches.c.wrapped_key)
        .where(batches.c.key_id.is_not(None), batches.c.key_id.in_(blobs.keys.older))
        .limit(limit)
    )
    for batch_id, key_id, sealed in rows:
        new = blobs.keys.rewrap(WrappedKey(key_id, sealed), batch_id)
        if new is not None:
            transaction.execute(
                update(batches)
                .where(batches.c.id == batch_id, batches.c.wrapped_key == sealed)
                .values(key_id=new.key_id, wrapped_key=new.sealed)
            )
    return len(rows)
