"""A chunk: the slice of a batch that is one unit of work, and what its worker says and hears."""

from enum import Enum

from msgspec import Struct

from batches.batch import Batch
from batches.counts import Counts
from verdicts.verdict import Status

RECORDS_MIN = 200
RECORDS_USUAL = 1000
RECORDS_MAX = 1000
"""Records of a chunk; the last of a file, and those of a small addition, have fewer."""
ATTEMPTS_MAX = 5
"""Times that a chunk may fail its worker before its open records are given up."""
LAST_RITES_MAX = 3
"""Times more that giving them up may itself fail; then the chunk is DEAD."""


class ChunkState(Enum):
    """Where a chunk stands: open, told to the broker, being worked on, done, or given up."""

    READY = "READY"
    HINTED = "HINTED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    DEAD = "DEAD"


class Granted(Struct, frozen=True):
    """How many prices a batch's cap had room for, and whether more room may come back.

    It does where somebody who works on the batch has set aside what he may not need.
    """

    prices: int
    may_grow: bool = False


class Standing(Enum):
    """What a worker hears of a chunk that it works on.

    HELD: go on. STOPPING: its batch is to be worked on no more (paused, capped, cancelled): let
    what is being asked come back, flush, release. LOST: the chunk is somebody else's now, or its
    batch is deleted: nothing more of it will be taken.
    """

    HELD = "HELD"
    STOPPING = "STOPPING"
    LOST = "LOST"


class NewChunk(Struct, frozen=True):
    """Records as they go into the store: how many, and they themselves as `batches.given` packs."""

    records: int
    given: bytes


class RowError(Struct, frozen=True, array_like=True):
    """Why a row of the client's file is not in the batch. `why` holds no value of the row."""

    line: int
    why: str


class ChunkRef(Struct, frozen=True, array_like=True):
    """Which chunk: what a broker's message says."""

    batch: str
    seq: int


class Claim(Struct, frozen=True):
    """The right to work on a chunk. `token` is greater for each later claim of the same chunk."""

    batch: str
    seq: int
    token: int
    owner: str

    @property
    def ref(self) -> ChunkRef:
        """Which chunk it is."""
        return ChunkRef(self.batch, self.seq)


class Claimed(Struct, frozen=True, kw_only=True):
    """A chunk to work on.

    `given`: its records, as they came in `NewChunk`. What is decided already, in the order in which
    it was: `results`, then the `parts` that were flushed; of `results` and of the first
    `reopened_parts` without records of a status in `reopened`. `attempts`: how often it failed its
    worker. `given_up`: that was too often, so nothing is to be asked; what is open becomes UNKNOWN.
    """

    claim: Claim
    batch: Batch
    first_index: int
    records: int
    given: bytes
    results: bytes | None
    reopened: frozenset[Status]
    reopened_parts: int
    parts: tuple[bytes, ...]
    attempts: int

    @property
    def given_up(self) -> bool:
        """Whether open records are to become UNKNOWN without being asked about."""
        return self.attempts >= ATTEMPTS_MAX


class ChunkResults(Struct, frozen=True, kw_only=True):
    """What a reader gets of a chunk; its results stand as in `Claimed`.

    `given` is None when it is kept no longer. `seen`: of the results so decided, from the first
    on, so many are not newer than what the reader asked for. `version`: its batch's when the last
    of them came; `opened`: when the first came or, later, when some were opened again. Under
    another `opened` the results are others, and what was counted of them is void.
    """

    seq: int
    first_index: int
    records: int
    state: ChunkState
    given: bytes | None
    results: bytes | None
    reopened: frozenset[Status]
    reopened_parts: int
    parts: tuple[bytes, ...]
    counts: Counts
    version: int
    opened: int
    seen: int


class Written(Struct, frozen=True):
    """The blobs of a chunk: what was given, its results, and the parts that were flushed."""

    given: bytes | None
    results: bytes | None
    parts: tuple[bytes, ...]


class Swept(Struct, frozen=True):
    """What a sweep set right: leases and hints that had run out, chunks given up for dead.

    `resumed` are batches whose pause was over, `ended` those that had nothing left to do.
    """

    leases: int
    hints: int
    dead: int
    resumed: tuple[str, ...]
    ended: tuple[str, ...]


class Expired(Struct, frozen=True):
    """What retention removed: what was given, of so many chunks; so many batches in whole.

    `more`: the bound of one call was reached, and there is more to remove.
    """

    given: int
    batches: int
    more: bool
