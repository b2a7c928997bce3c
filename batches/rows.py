"""Rows of the store to what they stand for and back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batches.batch import Batch, PauseReason, State
from batches.chunk import ChunkState
from batches.counts import NOTHING, Counts, Spent
from batches.database import from_ms, to_ms
from batches.keys import WrappedKey
from batches.tables import batches, chunks
from verdicts.verdict import Status

Stamps = list[tuple[int, int]]
"""For each time that results of a chunk came: the version of its batch then, and how many."""

pack = msgspec.msgpack.Encoder().encode
read_counts = msgspec.msgpack.Decoder(Counts).decode
read_spent = msgspec.msgpack.Decoder(Spent).decode
read_stamps = msgspec.msgpack.Decoder(Stamps).decode

NO_COUNTS = pack(NOTHING)
NO_STAMPS = pack([])

BATCH_COLUMNS = tuple(
    column for column in batches.c if column.name not in {"idempotency_key", "fingerprint"}
)
CHUNK_COLUMNS = tuple(
    column for column in chunks.c if column.name not in {"batch", "aside_millionths"}
)
_MOMENTS = {"retry_at", "created_at", "start_after", "started_at", "finished_at", "updated_at"}
_STATES = {state.value: state for state in State}
_REASONS: dict[str | None, PauseReason] = {reason.value: reason for reason in PauseReason}
_CHUNK_STATES = {state.value: state for state in ChunkState}
_COLUMN_OF = {"offset": "file_offset"}


class Kept(Struct, frozen=True):
    """A batch as its row has it, with the key that its blobs are sealed with."""

    batch: Batch
    key: WrappedKey | None


class ChunkRow(Struct, frozen=True):
    """A row of `chunks`. The fields are CHUNK_COLUMNS, in their order."""

    seq: int
    first_index: int
    records: int
    state: ChunkState
    token: int
    owner: str | None
    until: int | None
    attempts: int
    parts: int
    counts: Counts
    reopened: frozenset[Status]
    reopened_parts: int
    version: int
    stamps: Stamps


def kept_of(row: Sequence[Any]) -> Kept:
    """Return what a row of BATCH_COLUMNS stands for."""
    (id_, tenant, name, state, pause_reason, retry_at, priority, weight) = row[:8]
    (created_at, start_after, started_at, finished_at, updated_at, version) = row[8:14]
    (records, chunk_number, chunks_done, errors, offset, cap, currency) = row[14:21]
    (webhook, sandbox, max_age_s, layout, given_kept, counts, spent, key_id, wrapped) = row[21:30]
    batch = Batch(
        id=id_,
        tenant=tenant,
        name=name,
        state=_STATES[state],
        pause_reason=_REASONS.get(pause_reason),
        retry_at=from_ms(retry_at),
        priority=priority,
        weight=weight,
        created_at=_moment(created_at),
        start_after=from_ms(start_after),
        started_at=from_ms(started_at),
        finished_at=from_ms(finished_at),
        updated_at=_moment(updated_at),
        version=version,
        records=records,
        chunks=chunk_number,
        chunks_done=chunks_done,
        row_errors=errors,
        offset=offset,
        cost_cap_millionths=cap,
        currency=currency,
        webhook=webhook,
        sandbox=bool(sandbox),  # SQLite has numbers
        max_age_s=max_age_s,
        layout=layout,
        given_kept=bool(given_kept),
        counts=read_counts(counts),
        spent=read_spent(spent),
    )
    return Kept(batch, None if key_id is None else WrappedKey(key_id, wrapped))


def chunk_of(row: Sequence[Any]) -> ChunkRow:
    """Return what a row of CHUNK_COLUMNS stands for."""
    (seq, first_index, records, state, token, owner, until, attempts, parts) = row[:9]
    (counts, reopened, reopened_parts, version, stamps) = row[9:14]
    return ChunkRow(
        seq,
        first_index,
        records,
        _CHUNK_STATES[state],
        token,
        owner,
        until,
        attempts,
        parts,
        read_counts(counts),
        statuses_of(reopened),
        reopened_parts,
        version,
        read_stamps(stamps),
    )


def changed(batch: Batch, now_ms: int, changes: dict[str, Any]) -> tuple[Batch, dict[str, Any]]:
    """Return `batch` with `changes` and a new version, and the columns that say so."""
    moment = _moment(now_ms)
    changes = {**changes, "version": batch.version + 1, "updated_at": moment}
    return replace(batch, **changes), columns_of(changes)


def columns_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a batch as its columns have them."""
    return {_COLUMN_OF.get(name, name): _column(name, value) for name, value in fields.items()}


def _column(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever the column holds
    if name in _MOMENTS:
        return to_ms(value)
    if isinstance(value, State | PauseReason):
        return value.value
    if isinstance(value, Counts | Spent):
        return pack(value)
    return value


def statuses_of(text: str) -> frozenset[Status]:
    """Return the statuses whose names stand in `text`, with commas between."""
    return frozenset(map(Status, text.split(","))) if text else frozenset()


def text_of(statuses: Iterable[Status]) -> str:
    """Return `statuses` as a column has them."""
    return ",".join(sorted(status.value for status in statuses))


def _moment(ms: int) -> datetime:
    moment = from_ms(ms)
    assert moment is not None, "a column that is never empty"
    return moment


assert [column.name for column in CHUNK_COLUMNS] == list(ChunkRow.__struct_fields__)
