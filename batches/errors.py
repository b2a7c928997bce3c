"""What may go wrong with the store of batches.

StoreError
├── StoreUnavailable   cannot be reached or is busy; the same may work later
│   └── StoreFull      no room left where it lies
├── StoreUnreadable    what lies there is no store, or is damaged
│   ├── StoreDamaged   a part of it is, and that part cannot be read or written
│   └── ChunkUnreadable  what is kept of one chunk is damaged
├── StoreTooNew        a newer Assay made it
└── StoreLocked        sealed with a key that is not configured
BatchError
├── NoSuchBatch        there is none of that id for that tenant
├── MoveRefused        its state does not allow it
├── NotADraft          it takes no more records
├── OffsetMismatch     what arrives does not go on where the last part ended
├── RecordsMismatch    records do not go on behind those that it has
├── IdempotencyConflict  the key was used for something else
└── BadCursor          a place in a list that this store did not give
"""

from batches.batch import Move, State


class StoreError(Exception):
    """The store could not do what it was asked; its subclasses say what became of it."""


class StoreUnavailable(StoreError):
    """It cannot be reached, or was busy for too long. Whether the last change was made is open."""


class StoreFull(StoreUnavailable):
    """No room is left where it lies."""


class StoreUnreadable(StoreError):
    """What lies there is no store of batches, or is damaged."""


class StoreDamaged(StoreUnreadable):
    """The database found a part of its own files damaged: no other try will read that."""


class ChunkUnreadable(StoreUnreadable):
    """What is kept of one chunk is damaged: no other try will read it."""


class StoreTooNew(StoreError):
    """A newer Assay made it."""


class StoreLocked(StoreError):
    """It holds what was sealed with a key that is not configured."""


class BrokerError(Exception):
    """The configured broker can't be had; the message says why, and what to do."""


class BatchError(Exception):
    """A batch cannot be what it was asked to be."""


class NoSuchBatch(BatchError):
    """There is no batch of this id, or it belongs to another tenant."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"there is no batch {batch_id}: it may have been deleted")
        self.batch_id = batch_id


class MoveRefused(BatchError):
    """The batch's state, or something else about it, does not allow the move."""

    def __init__(self, batch_id: str, state: State, move: Move, why: str = "") -> None:
        reason = why or f"it is {state.value}"
        super().__init__(f"batch {batch_id}: {move.value} is refused, {reason}")
        self.batch_id = batch_id
        self.state = state
        self.move = move


class NotADraft(BatchError):
    """Records can be added to a DRAFT only."""

    def __init__(self, batch_id: str, state: State) -> None:
        super().__init__(
            f"batch {batch_id} is {state.value} and takes no more records: make a new one"
        )
        self.batch_id = batch_id
        self.state = state


class OffsetMismatch(BatchError):
    """The file goes on at `offset`, in bytes."""

    def __init__(self, batch_id: str, offset: int) -> None:
        super().__init__(f"batch {batch_id} has {offset} bytes of its file: go on from there")
        self.batch_id = batch_id
        self.offset = offset


class RecordsMismatch(BatchError):
    """The batch has another number of records than who adds to it said."""

    def __init__(self, batch_id: str, records: int) -> None:
        super().__init__(f"batch {batch_id} has {records} records: go on behind those")
        self.batch_id = batch_id
        self.records = records


class IdempotencyConflict(BatchError):
    """The idempotency key was used for something else."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(
            f"the idempotency key was used for batch {batch_id}, and for something else:"
            " take a new key"
        )
        self.batch_id = batch_id


class BadCursor(BatchError):
    """The cursor is none that this store gave."""

    def __init__(self, cursor: str) -> None:
        super().__init__(f"{cursor!r} is no cursor of a list of batches: take one from an answer")
        self.cursor = cursor
