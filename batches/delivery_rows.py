"""Transactions on deliveries: what a batch's webhook is to be told, and whether it was."""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select, update

from batches.batch import Batch
from batches.database import Transaction, from_ms
from batches.delivery import Delivery, DeliveryState
from batches.errors import NoSuchBatch
from batches.rows import pack
from batches.tables import batches, deliveries

ERROR_LENGTH_MAX = 500
_read_batch = msgspec.msgpack.Decoder(Batch).decode


def announce(transaction: Transaction, batch: Batch) -> None:
    """Note that the webhook of `batch` is to be told of its new state."""
    transaction.execute(
        transaction.insert(deliveries),
        {
            "id": secrets.token_hex(16),
            "batch": batch.id,
            "version": batch.version,
            "url": batch.webhook,
            "snapshot": pack(batch),
            "created_at": transaction.now_ms,
            "due_at": transaction.now_ms,
            "attempts": 0,
            "state": DeliveryState.DUE.value,
        },
    )


def due(transaction: Transaction, limit: int, lease_s: float) -> list[Delivery]:
    """Return what is due, and keep others from it; as `Store.due` says."""
    now = transaction.now_ms
    rows = transaction.rows(
        select(*deliveries.c)
        .where(deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at, deliveries.c.batch, deliveries.c.version)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if rows:
        transaction.execute(
            update(deliveries)
            .where(deliveries.c.id.in_([row[0] for row in rows]))
            .values(due_at=now + round(lease_s * 1000))
        )
    return [_delivery_of(row) for row in rows]


def settle(
    transaction: Transaction, delivery_id: str, state: DeliveryState, error: str | None
) -> None:
    """Note how a delivery ended."""
    _note(transaction, delivery_id, state, None, error)


def again(transaction: Transaction, delivery_id: str, after_s: float, error: str) -> None:
    """Note that a delivery failed, and is to be tried again."""
    due_at = transaction.now_ms + round(after_s * 1000)
    _note(transaction, delivery_id, DeliveryState.DUE, due_at, error)


def _note(
    transaction: Transaction,
    delivery_id: str,
    state: DeliveryState,
    due_at: int | None,
    error: str | None,
) -> None:
    transaction.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.DUE.value)
        .values(
            state=state.value,
            due_at=due_at,
            attempts=deliveries.c.attempts + 1,
            last_error=None if error is None else error[:ERROR_LENGTH_MAX],
        )
    )


def told(transaction: Transaction, tenant: str, batch_id: str) -> tuple[Delivery, ...]:
    """Return the deliveries of a batch, the oldest first. Raise NoSuchBatch."""
    mine = select(batches.c.id).where(batches.c.id == batch_id, batches.c.tenant == tenant)
    if transaction.row(mine) is None:
        raise NoSuchBatch(batch_id)
    rows = transaction.rows(
        select(*deliveries.c).where(deliveries.c.batch == batch_id).order_by(deliveries.c.version)
    )
    return tuple(map(_delivery_of, rows))


def _delivery_of(row: Sequence[Any]) -> Delivery:
    (id_, batch, _version, url, snapshot, created_at, due_at, attempts, state, last_error) = row
    made = from_ms(created_at)
    assert made is not None, "a column that is never empty"
    return Delivery(
        id=id_,
        batch=batch,
        url=url,
        snapshot=_read_batch(snapshot),
        created_at=made,
        due_at=from_ms(due_at),
        attempts=attempts,
        state=DeliveryState(state),
        last_error=last_error,
    )
