"""The tables of the store. The migrations make them; a test holds the two against each other.

Moments are whole milliseconds since 1970, UTC, of the clock that `batches.database` tells.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData()

batches = Table(
    "batches",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text),
    Column("state", Text, nullable=False),
    Column("pause_reason", Text),
    Column("retry_at", BigInteger),
    Column("priority", Integer, nullable=False),
    Column("weight", Float, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("start_after", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("chunks", BigInteger, nullable=False),
    Column("chunks_done", BigInteger, nullable=False),
    Column("row_errors", BigInteger, nullable=False),
    Column("file_offset", BigInteger, nullable=False),
    Column("cost_cap_millionths", BigInteger),
    Column("currency", Text, nullable=False),
    Column("webhook", Text),
    Column("sandbox", Boolean, nullable=False),
    Column("max_age_s", Float),
    Column("layout", LargeBinary, nullable=False),
    Column("given_kept", Boolean, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Column("spent", LargeBinary, nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", LargeBinary, nullable=False),
    # its data key, sealed with the master key of that id; without it nothing of it can be read
    Column("key_id", Text),
    Column("wrapped_key", LargeBinary),
    UniqueConstraint("tenant", "idempotency_key", name="batches_idempotency"),
    Index("batches_listed", "tenant", "created_at", "id"),
    Index("batches_by_state", "state", "finished_at"),
)

chunks = Table(
    "chunks",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("first_index", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # the fence: one more with each claim
    Column("token", BigInteger, nullable=False),
    Column("owner", Text),
    # of a HINTED one the end of its hint, of a RUNNING one the end of its lease
    Column("until", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    # names of statuses, with commas, whose records are open again
    Column("reopened", Text, nullable=False),
    # how many of its parts came before those were opened again
    Column("reopened_parts", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    # (version, results) for each time that results came
    Column("stamps", LargeBinary, nullable=False),
    # of a RUNNING one: what its worker may spend under a cost cap, and has not told of yet
    Column("aside_millionths", BigInteger, nullable=False, server_default=text("0")),
    Index(
        "chunks_open",
        "batch",
        "seq",
        sqlite_where=text("state = 'READY'"),
        postgresql_where=text("state = 'READY'"),
    ),
    Index(
        "chunks_under_way",
        "until",
        "batch",
        sqlite_where=text("until IS NOT NULL"),
        postgresql_where=text("until IS NOT NULL"),
    ),
    Index("chunks_changed", "batch", "version"),
)

given = Table(
    "given",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

results = Table(
    "results",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

flushed = Table(
    "flushed",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("blob", LargeBinary, nullable=False),
)

row_errors = Table(
    "row_errors",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("line", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
)

# How much each tenant was served, in records over weight; the tenant "" is the clock of turns.
turns = Table(
    "turns",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("priority", Integer, primary_key=True, autoincrement=False),
    Column("served", Float, nullable=False),
)

# What is to be told of a batch's changes: written in the transaction that changes it.
deliveries = Table(
    "deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("batch", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("snapshot", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # None: it was delivered, or given up
    Column("due_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("last_error", Text),
    Index("deliveries_due", "due_at"),
    Index("deliveries_of", "batch"),
)

# What is gone for everybody, and still to be removed: what was given of a batch, or all of it.
deletions = Table(
    "deletions",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("what", Text, primary_key=True),
    Column("deleted_at", BigInteger, nullable=False),
)

# Idempotency keys of retries: which statuses each has opened again.
retries = Table(
    "retries",
    METADATA,
    Column("batch", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("statuses", Text, nullable=False),
)

# Keys that callers have, of all tenants. Of their secrets only keyed digests are kept.
access_keys = Table(
    "access_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    # names of scopes, and networks, with spaces between
    Column("scopes", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("requests_per_second", Float),
    Column("records_per_day", BigInteger),
    Column("cost_per_day_millionths", BigInteger),
    Column("digest", LargeBinary, nullable=False),
    # the one before it is good until then
    Column("digest_before", LargeBinary),
    Column("before_until", BigInteger),
    Column("idempotency_key", Text),
    UniqueConstraint("tenant", "idempotency_key", name="access_keys_idempotency"),
    Index("access_keys_listed", "tenant", "created_at", "id"),
)

# What administrators did: who, what, to which object. Rows are removed when they are old.
audit = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index("audit_of", "tenant", "number"),
    sqlite_autoincrement=True,
)
