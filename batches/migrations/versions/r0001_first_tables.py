"""The first tables."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

READY = "state = 'READY'"
UNDER_WAY = "until IS NOT NULL"


def upgrade() -> None:
    """Make the tables."""
    _batches()
    _chunks()
    _blobs()
    _rest()


def _batches() -> None:
    op.create_table(
        "batches",
        Column("id", Text(), nullable=False),
        Column("tenant", Text(), nullable=False),
        Column("name", Text(), nullable=True),
        Column("state", Text(), nullable=False),
        Column("pause_reason", Text(), nullable=True),
        Column("retry_at", BigInteger(), nullable=True),
        Column("priority", Integer(), nullable=False),
        Column("weight", Float(), nullable=False),
        Column("created_at", BigInteger(), nullable=False),
        Column("start_after", BigInteger(), nullable=True),
        Column("started_at", BigInteger(), nullable=True),
        Column("finished_at", BigInteger(), nullable=True),
        Column("updated_at", BigInteger(), nullable=False),
        Column("version", BigInteger(), nullable=False),
        Column("records", BigInteger(), nullable=False),
        Column("chunks", BigInteger(), nullable=False),
        Column("chunks_done", BigInteger(), nullable=False),
        Column("row_errors", BigInteger(), nullable=False),
        Column("file_offset", BigInteger(), nullable=False),
        Column("cost_cap_millionths", BigInteger(), nullable=True),
        Column("currency", Text(), nullable=False),
        Column("webhook", Text(), nullable=True),
        Column("sandbox", Boolean(), nullable=False),
        Column("max_age_s", Float(), nullable=True),
        Column("layout", LargeBinary(), nullable=False),
        Column("given_kept", Boolean(), nullable=False),
        Column("counts", LargeBinary(), nullable=False),
        Column("spent", LargeBinary(), nullable=False),
        Column("idempotency_key", Text(), nullable=True),
        Column("fingerprint", LargeBinary(), nullable=False),
        Column("key_id", Text(), nullable=True),
        Column("wrapped_key", LargeBinary(), nullable=True),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("tenant", "idempotency_key", name="batches_idempotency"),
    )
    op.create_index("batches_by_state", "batches", ["state", "finished_at"], unique=False)
    op.create_index("batches_listed", "batches", ["tenant", "created_at", "id"], unique=False)


def _chunks() -> None:
    op.create_table(
        "chunks",
        Column("batch", Text(), nullable=False),
        Column("seq", Integer(), autoincrement=False, nullable=False),
        Column("first_index", BigInteger(), nullable=False),
        Column("records", Integer(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("token", BigInteger(), nullable=False),
        Column("owner", Text(), nullable=True),
        Column("until", BigInteger(), nullable=True),
        Column("attempts", Integer(), nullable=False),
        Column("parts", Integer(), nullable=False),
        Column("counts", LargeBinary(), nullable=False),
        Column("reopened", Text(), nullable=False),
        Column("reopened_parts", Integer(), nullable=False),
        Column("version", BigInteger(), nullable=False),
        Column("stamps", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("batch", "seq"),
    )
    op.create_index("chunks_changed", "chunks", ["batch", "version"], unique=False)
    op.create_index(
        "chunks_open",
        "chunks",
        ["batch", "seq"],
        unique=False,
        sqlite_where=text(READY),
        postgresql_where=text(READY),
    )
    op.create_index(
        "chunks_under_way",
        "chunks",
        ["until", "batch"],
        unique=False,
        sqlite_where=text(UNDER_WAY),
        postgresql_where=text(UNDER_WAY),
    )


def _blobs() -> None:
    op.create_table(
        "flushed",
        Column("batch", Text(), nullable=False),
        Column("seq", Integer(), autoincrement=False, nullable=False),
        Column("part", Integer(), autoincrement=False, nullable=False),
        Column("blob", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("batch", "seq", "part"),
    )
    op.create_table(
        "given",
        Column("batch", Text(), nullable=False),
        Column("seq", Integer(), autoincrement=False, nullable=False),
        Column("blob", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("batch", "seq"),
    )
    op.create_table(
        "results",
        Column("batch", Text(), nullable=False),
        Column("seq", Integer(), autoincrement=False, nullable=False),
        Column("blob", LargeBinary(), nullable=False),
        PrimaryKeyConstraint("batch", "seq"),
    )


def _rest() -> None:
    op.create_table(
        "deletions",
        Column("batch", Text(), nullable=False),
        Column("what", Text(), nullable=False),
        Column("deleted_at", BigInteger(), nullable=False),
        PrimaryKeyConstraint("batch", "what"),
    )
    op.create_table(
        "deliveries",
        Column("id", Text(), nullable=False),
        Column("batch", Text(), nullable=False),
        Column("version", BigInteger(), nullable=False),
        Column("url", Text(), nullable=False),
        Column("snapshot", LargeBinary(), nullable=False),
        Column("created_at", BigInteger(), nullable=False),
        Column("due_at", BigInteger(), nullable=True),
        Column("attempts", Integer(), nullable=False),
        Column("state", Text(), nullable=False),
        Column("last_error", Text(), nullable=True),
        PrimaryKeyConstraint("id"),
    )
    op.create_index("deliveries_due", "deliveries", ["due_at"], unique=False)
    op.create_index("deliveries_of", "deliveries", ["batch"], unique=False)
    op.create_table(
        "row_errors",
        Column("batch", Text(), nullable=False),
        Column("place", Integer(), autoincrement=False, nullable=False),
        Column("line", BigInteger(), nullable=False),
        Column("why", Text(), nullable=False),
        PrimaryKeyConstraint("batch", "place"),
    )
    op.create_table(
        "turns",
        Column("tenant", Text(), nullable=False),
        Column("priority", Integer(), autoincrement=False, nullable=False),
        Column("served", Float(), nullable=False),
        PrimaryKeyConstraint("tenant", "priority"),
    )
