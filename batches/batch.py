"""What a batch is, the states that it goes through, and the moves between them. Pure."""

from datetime import datetime
from enum import Enum

from msgspec import UNSET, Struct, UnsetType

from batches.counts import Counts, Spent
from providers.priority import TENANT


class State(Enum):
    """Where a batch stands."""

    DRAFT = "DRAFT"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CAPPED = "CAPPED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class PauseReason(Enum):
    """Why a batch is paused."""

    REQUESTED = "REQUESTED"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    OUT_OF_CREDIT = "OUT_OF_CREDIT"
    PROVIDER_REFUSED = "PROVIDER_REFUSED"


class Move(Enum):
    """What may change a batch's state.

    CLAIM is the first chunk that is begun, COMPLETE the last that is done, END the last that is
    let go after CANCEL.
    """

    START = "START"
    CLAIM = "CLAIM"
    COMPLETE = "COMPLETE"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CAP = "CAP"
    CANCEL = "CANCEL"
    END = "END"
    RETRY = "RETRY"
    FAIL = "FAIL"


# A move that is not here is refused. A client may say again what it said before: a request whose
# answer got lost changes nothing the second time.
MOVES: dict[State, dict[Move, State]] = {
    State.DRAFT: {
        Move.START: State.QUEUED,
        Move.CAP: State.CAPPED,
        Move.CANCEL: State.CANCELLED,
        Move.FAIL: State.FAILED,
    },
    State.QUEUED: {
        Move.START: State.QUEUED,
        Move.RESUME: State.QUEUED,
        Move.CLAIM: State.RUNNING,
        Move.COMPLETE: State.COMPLETED,
        Move.PAUSE: State.PAUSED,
        Move.CAP: State.CAPPED,
        Move.CANCEL: State.CANCELLING,
        Move.FAIL: State.FAILED,
    },
    State.RUNNING: {
        Move.START: State.RUNNING,
        Move.RESUME: State.RUNNING,
        Move.CLAIM: State.RUNNING,
        Move.COMPLETE: State.COMPLETED,
        Move.PAUSE: State.PAUSED,
        Move.CAP: State.CAPPED,
        Move.CANCEL: State.CANCELLING,
        Move.FAIL: State.FAILED,
    },
    # Chunks that were begun before the pause are finished or let go; with the last it completes.
    State.PAUSED: {
        Move.PAUSE: State.PAUSED,
        Move.RESUME: State.QUEUED,
        Move.COMPLETE: State.COMPLETED,
        Move.CAP: State.CAPPED,
        Move.CANCEL: State.CANCELLING,
        Move.FAIL: State.FAILED,
    },
    State.CAPPED: {
        Move.START: State.QUEUED,
        Move.COMPLETE: State.COMPLETED,
        Move.CAP: State.CAPPED,
        Move.CANCEL: State.CANCELLING,
        Move.FAIL: State.FAILED,
    },
    State.CANCELLING: {
        Move.CANCEL: State.CANCELLING,
        Move.END: State.CANCELLED,
        Move.FAIL: State.FAILED,
    },
    State.CANCELLED: {Move.CANCEL: State.CANCELLED},
    State.COMPLETED: {Move.RETRY: State.QUEUED},
    State.FAILED: {},
}
assert set(MOVES) == set(State), "every state has its moves"

WORKED = frozenset({State.QUEUED, State.RUNNING})
"""States in which chunks are handed out."""
ENDED = frozenset({State.CANCELLED, State.COMPLETED, State.FAILED})
"""States in which nothing happens by itself any more."""
IDLE = frozenset({State.DRAFT, State.CAPPED, State.PAUSED})
"""States in which somebody has to act; a pause may also end by itself, when it says so."""
assert all(not MOVES[state].keys() & {Move.CLAIM, Move.COMPLETE, Move.END} for state in ENDED)


def after(state: State, move: Move) -> State | None:
    """Return the state that `move` leads to, None when it is refused in `state`."""
    return MOVES[state].get(move)


class NewBatch(Struct, frozen=True, kw_only=True):
    """What a batch is made of. The fields are those of `Batch`.

    `idempotency_key` makes it once for each tenant: whoever sends it again gets the batch that was
    made, if `fingerprint`, a digest of all that was asked for, is the same.
    """

    tenant: str = TENANT
    name: str | None = None
    priority: int = 0
    weight: float = 1.0
    start_after: datetime | None = None
    cost_cap_millionths: int | None = None
    currency: str = ""
    webhook: str | None = None
    sandbox: bool = False
    max_age_s: float | None = None
    layout: bytes = b""
    idempotency_key: str | None = None
    fingerprint: bytes = b""


class Batch(Struct, frozen=True, kw_only=True, gc=False):
    """A batch as the store has it now.

    `priority`: the greater goes first. `weight`: its part among tenants, in times the usual one.
    `version` grows with every change. `records`, `chunks` and `row_errors` are what was taken in;
    `offset` is how many bytes of the client's file that was. `layout` says how the records stand
    in their chunks (columns, mapping), as `batches.given` packs it. `max_age_s`: how old, in
    seconds, an outcome may be. `given_kept`: whether what the client gave is still there.
    `counts` are of results, `spent` of calls. Times are UTC.
    """

    id: str
    tenant: str
    name: str | None
    state: State
    pause_reason: PauseReason | None
    retry_at: datetime | None
    priority: int
    weight: float
    created_at: datetime
    start_after: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    version: int
    records: int
    chunks: int
    chunks_done: int
    row_errors: int
    offset: int
    cost_cap_millionths: int | None
    currency: str
    webhook: str | None
    sandbox: bool
    max_age_s: float | None
    layout: bytes
    given_kept: bool
    counts: Counts
    spent: Spent

    @property
    def ended(self) -> bool:
        """Whether nothing will happen by itself any more."""
        return self.state in ENDED


class Created(Struct, frozen=True):
    """A batch, and whether this call made it: False when its idempotency key had made it before."""

    batch: Batch
    anew: bool


class Page(Struct, frozen=True):
    """Batches of a list, the newest first; where the next page goes on, None behind the last."""

    batches: tuple[Batch, ...]
    after: str | None


class Amendment(Struct, frozen=True, kw_only=True):
    """What changes of a batch; what is left out stays. The fields are those of `Batch`."""

    name: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    weight: float | UnsetType = UNSET
    cost_cap_millionths: int | UnsetType | None = UNSET
    start_after: datetime | UnsetType | None = UNSET
    webhook: str | UnsetType | None = UNSET
    layout: bytes | UnsetType = UNSET
