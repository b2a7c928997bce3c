"""What clients do with batches. What they can act on comes back as a typed error, not thrown."""

import hashlib
from collections.abc import Awaitable, Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from access.errors import Exhausted
from batches import bounds
from batches.batch import Amendment, Batch, Move, NewBatch, State
from batches.chunk import RECORDS_USUAL, NewChunk
from batches.errors import (
    BatchError,
    IdempotencyConflict,
    MoveRefused,
    NoSuchBatch,
    NotADraft,
    RecordsMismatch,
    StoreError,
    StoreFull,
)
from batches.given import Layout, packed_layout, packed_records
from batches.source.objects import empty_records
from batches.source.record import GivenRecord, record_class
from providers.egress import AddressRefused
from resolvers.allowed import count_records, give_back, reserve_cap
from resolvers.batch_room import BatchRoom, room_of
from resolvers.batches import BatchView, view_of
from resolvers.context import Context
from resolvers.errors import PublicError
from resolvers.max_age import max_age_s_of
from verdicts.outcome import MILLION
from verdicts.record import Record
from verdicts.verdict import Status

NO_WEBHOOKS = "No secret is configured to sign webhooks with (webhooks.secret)."


class Problem(Enum):
    """What a client can act on."""

    NOT_FOUND = "NOT_FOUND"
    NOT_NOW = "NOT_NOW"
    NOT_A_DRAFT = "NOT_A_DRAFT"
    OUT_OF_STEP = "OUT_OF_STEP"
    KEY_USED = "KEY_USED"
    BAD_INPUT = "BAD_INPUT"
    EMPTY_RECORD = "EMPTY_RECORD"
    TOO_MANY_RECORDS = "TOO_MANY_RECORDS"
    SANDBOX_OFF = "SANDBOX_OFF"
    WEBHOOKS_OFF = "WEBHOOKS_OFF"
    COST_CAP = "COST_CAP"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"


class Told(Struct, frozen=True):
    """Why a change was not made: what kind of problem, in words, at which part of the input."""

    code: Problem
    message: str
    field: str | None = None


class BatchProblem(Exception):
    """A change is not made, and the client is told why; `batch` is what is there all the same."""

    def __init__(
        self, code: Problem, message: str, field: str | None = None, batch: Batch | None = None
    ) -> None:
        super().__init__(message)
        self.told = Told(code, message, field)
        self.batch = batch


class Changed(Struct, frozen=True):
    """The batch after a change, or why it was not made; both where it is kept, and not started."""

    batch: BatchView | None
    errors: list[Told]


class Creation(Protocol):
    """What a client wants of a new batch; the fields are described in `schema.batches`."""

    @property
    def name(self) -> str | None: ...
    @property
    def records(self) -> Sequence[Record] | None: ...
    @property
    def start(self) -> bool: ...
    @property
    def priority(self) -> int: ...
    @property
    def start_after(self) -> datetime | None: ...
    @property
    def cost_cap(self) -> Decimal | None: ...
    @property
    def max_age(self) -> timedelta | None: ...
    @property
    def webhook(self) -> str | None: ...
    @property
    def sandbox(self) -> bool: ...
    @property
    def idempotency_key(self) -> str | None: ...


class Change(Struct, frozen=True, kw_only=True):
    """What a client wants to be different of a batch; what is left out stays."""

    name: str | UnsetType | None = UNSET
    priority: int | UnsetType | None = UNSET
    start_after: datetime | UnsetType | None = UNSET
    cost_cap: Decimal | UnsetType | None = UNSET
    webhook: str | UnsetType | None = UNSET


async def create(context: Context, wish: Creation) -> Changed:
    """Make a batch, and start it if that is wished; sent again with its key it says the same."""
    room = await room_of(context)

    async def made() -> Batch:
        _check(wish.name, wish.idempotency_key, wish.priority, wish.cost_cap, wish.webhook, room)
        if wish.sandbox and context.rehearsal is None:
            raise BatchProblem(
                Problem.SANDBOX_OFF,
                "No sandbox runs here; start Assay with --sandbox, or leave it.",
                "sandbox",
            )
        chunks = _chunks(context, room, wish.records or ())
        new = NewBatch(
            tenant=context.tenant,
            name=wish.name,
            priority=wish.priority,
            start_after=wish.start_after,
            cost_cap_millionths=_millionths(wish.cost_cap),
            currency=context.currency,
            webhook=wish.webhook,
            sandbox=wish.sandbox,
            max_age_s=max_age_s_of(wish.max_age),
            layout=packed_layout(Layout(names=tuple(room.names))),
            idempotency_key=wish.idempotency_key,
        )
        new = msgspec.structs.replace(new, fingerprint=_fingerprint(new, chunks, start=wish.start))
        await count_records(context, len(wish.records or ()))
        created = await room.store.create(new, chunks)
        if wish.start and created.batch.state in {State.DRAFT, State.CAPPED}:
            return await _started(context, room, created.batch)
        return created.batch

    return await _changed(context, room, made())


async def add_records(
    context: Context, batch_id: str, records: Sequence[Record], after: int | None
) -> Changed:
    """Add records to a DRAFT; with `after`, the number of those before them, just once."""
    room = await room_of(context)

    async def added() -> Batch:
        chunks = _chunks(context, room, records)
        if not chunks:
            raise BatchProblem(Problem.BAD_INPUT, "There are no records to add.", "records")
        await count_records(context, len(records))
        return await room.store.append(context.tenant, batch_id, chunks, records_before=after)

    return await _changed(context, room, added())


async def start(context: Context, batch_id: str) -> Changed:
    """Start a batch; one that would exceed its cap is CAPPED instead."""
    room = await room_of(context)

    async def started() -> Batch:
        return await _started(context, room, await room.store.batch(context.tenant, batch_id))

    return await _changed(context, room, started())


async def move(context: Context, batch_id: str, wanted: Move) -> Changed:
    """Pause, resume or cancel a batch."""
    room = await room_of(context)
    return await _changed(context, room, room.store.move(context.tenant, batch_id, wanted))


async def retry(
    context: Context, batch_id: str, statuses: Collection[Status], key: str | None
) -> Changed:
    """Open the records of `statuses` again, once for each idempotency `key`."""
    room = await room_of(context)

    async def opened() -> Batch:
        _check(None, key, 0, None, None, room)
        return await room.store.retry(context.tenant, batch_id, statuses, key)

    return await _changed(context, room, opened())


async def change(context: Context, batch_id: str, wish: Change) -> Changed:
    """Change what is not about records."""
    room = await room_of(context)

    async def amended() -> Batch:
        name = None if wish.name is UNSET else wish.name
        cap = None if wish.cost_cap is UNSET else wish.cost_cap
        webhook = None if wish.webhook is UNSET else wish.webhook
        priority = 0 if wish.priority is UNSET or wish.priority is None else wish.priority
        _check(name, None, priority, cap, webhook, room)
        amendment = Amendment(
            name=wish.name,
            priority=UNSET if wish.priority is UNSET else priority,
            cost_cap_millionths=UNSET if wish.cost_cap is UNSET else _millionths(cap),
            start_after=wish.start_after,
            webhook=wish.webhook,
        )
        taken = 0
        if amendment.cost_cap_millionths is not UNSET and context.allowance is not None:
            batch = await room.store.batch(context.tenant, batch_id)
            taken = await reserve_cap(context, batch, amendment.cost_cap_millionths)
            if batch.state is State.DRAFT:  # counted when it is started
                await give_back(context, taken)
                taken = 0
        try:
            return await room.store.amend(context.tenant, batch_id, amendment)
        except Exception:
            await give_back(context, taken)
            raise

    return await _changed(context, room, amended())


async def delete(context: Context, batch_id: str) -> Changed:
    """Delete a batch and all of its data."""
    room = await room_of(context)

    async def gone() -> Batch | None:
        await room.store.delete(context.tenant, batch_id)
        return None

    return await _changed(context, room, gone())


async def _started(context: Context, room: BatchRoom, batch: Batch) -> Batch:
    """Start `batch`, unless the estimate says that it would exceed its cap.

    Raises:
        BatchProblem: it is there, and not started.
        NoSuchBatch: it was deleted meanwhile.
    """
    try:
        taken = await reserve_cap(context, batch, batch.cost_cap_millionths)
    except Exhausted as error:
        raise BatchProblem(Problem.QUOTA_EXHAUSTED, str(error), "costCap", batch) from None
    try:
        return await _begun(context, room, batch)
    except Exception:
        await give_back(context, taken)
        raise


async def _begun(context: Context, room: BatchRoom, batch: Batch) -> Batch:
    """Do as `_started`, whatever the caller may spend."""
    try:
        started = await room.starter.start(batch)
    except NoSuchBatch:
        raise
    except (BatchError, StoreError) as error:
        told = _told(error)
        raise BatchProblem(told.code, told.message, told.field, batch) from error
    except OSError:
        raise BatchProblem(
            Problem.UNAVAILABLE,
            "What the batch would cost can't be found out now. Start it again in a moment.",
            batch=batch,
        ) from None
    if started.state is State.CAPPED and started.cost_cap_millionths is not None:
        cap = Decimal(started.cost_cap_millionths) / MILLION
        raise BatchProblem(
            Problem.COST_CAP,
            f"By its estimate it would cost more than its costCap of {cap} {context.currency}."
            " Raise that with changeBatch, and start the batch again.",
            "costCap",
            started,
        )
    return started


async def _changed(context: Context, room: BatchRoom, changing: Awaitable[Batch | None]) -> Changed:
    """Return what came of a change."""
    errors: list[Told] = []
    try:
        batch = await changing
    except BatchProblem as problem:
        batch, errors = problem.batch, [problem.told]
    except Exhausted as error:
        batch, errors = None, [Told(Problem.QUOTA_EXHAUSTED, str(error))]
    except (BatchError, StoreError) as error:
        batch, errors = None, [_told(error)]
    return Changed(None if batch is None else view_of(context, room, batch), errors)


def _told(error: BatchError | StoreError) -> Told:
    """Return what a client may read of `error`."""
    match error:
        case StoreFull():
            return Told(Problem.UNAVAILABLE, "The store of batches is full.")
        case StoreError():
            return Told(Problem.UNAVAILABLE, "The store of batches is away. Try again.")
        case NoSuchBatch():
            return Told(Problem.NOT_FOUND, "There is no such batch.", "batchId")
        case MoveRefused():
            return Told(Problem.NOT_NOW, f"{error}.")
        case NotADraft():
            return Told(Problem.NOT_A_DRAFT, f"{error}.")
        case RecordsMismatch():
            return Told(
                Problem.OUT_OF_STEP,
                f"The batch has {error.records} records by now: go on behind those.",
                "after",
            )
        case IdempotencyConflict():
            return Told(Problem.KEY_USED, f"{error}.", "idempotencyKey")
        case _:
            raise PublicError("BAD_REQUEST", str(error)) from error


def _chunks(context: Context, room: BatchRoom, records: Sequence[Record]) -> list[NewChunk]:
    """Return inline records as chunks."""
    if len(records) > context.records_max:
        raise BatchProblem(
            Problem.TOO_MANY_RECORDS,
            f"{len(records)} records in one call; send at most {context.records_max}, the rest with"
            " addRecords, or a file to POST /batches.",
            "records",
        )
    made = record_class(room.names, strict=False)
    given: list[GivenRecord] = msgspec.convert(list(records), list[made], from_attributes=True)
    for at in empty_records(room.names, given)[:1]:
        raise BatchProblem(
            Problem.EMPTY_RECORD,
            f"records[{at}] has no field to validate; give at least one, or leave it out.",
            "records",
        )
    parts = [given[at : at + RECORDS_USUAL] for at in range(0, len(given), RECORDS_USUAL)]
    return [NewChunk(len(part), packed_records(part)) for part in parts]


def _check(
    name: str | None,
    key: str | None,
    priority: int,
    cap: Decimal | None,
    webhook: str | None,
    room: BatchRoom,
) -> None:
    rules = [
        ("name", name is None or bounds.is_name(name), bounds.NAME),
        ("idempotencyKey", key is None or bounds.is_key(key), bounds.KEY),
        ("priority", bounds.is_priority(priority), bounds.PRIORITY),
        ("costCap", cap is None or bounds.is_cost_cap(cap), bounds.COST_CAP),
    ]
    for field, right, wanted in rules:
        if not right:
            raise BatchProblem(Problem.BAD_INPUT, f"{field}: must be {wanted}.", field)
    if webhook is not None:
        if room.gate is None:
            raise BatchProblem(Problem.WEBHOOKS_OFF, NO_WEBHOOKS, "webhook")
        try:
            room.gate.parsed(webhook)
        except AddressRefused as error:
            raise BatchProblem(Problem.BAD_INPUT, f"webhook: {error}", "webhook") from None


def _millionths(amount: Decimal | None) -> int | None:
    return None if amount is None else bounds.millionths(amount)


def _fingerprint(new: NewBatch, chunks: Sequence[NewChunk], *, start: bool) -> bytes:
    """Return a digest of all that was asked for."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(msgspec.msgpack.encode((new, start)))
    for chunk in chunks:
        digest.update(chunk.given)
    return digest.digest()
