"""Callers have keys, and what administrators do is kept."""

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, Text, UniqueConstraint

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "access_keys",
        Column("id", Text(), primary_key=True),
        Column("tenant", Text(), nullable=False),
        Column("name", Text(), nullable=False),
        Column("scopes", Text(), nullable=False),
        Column("networks", Text(), nullable=False),
        Column("created_at", BigInteger(), nullable=False),
        Column("expires_at", BigInteger()),
        Column("revoked_at", BigInteger()),
        Column("requests_per_second", Float()),
        Column("records_per_day", BigInteger()),
        Column("cost_per_day_millionths", BigInteger()),
        Column("digest", LargeBinary(), nullable=False),
        Column("digest_before", LargeBinary()),
        Column("before_until", BigInteger()),
        Column("idempotency_key", Text()),
        UniqueConstraint("tenant", "idempotency_key", name="access_keys_idempotency"),
    )
    op.create_index("access_keys_listed", "access_keys", ["tenant", "created_at", "id"])
    op.create_table(
        "audit",
        Column("number", Integer(), primary_key=True, autoincrement=True),
        Column("tenant", Text(), nullable=False),
        Column("at", BigInteger(), nullable=False),
        Column("actor", Text(), nullable=False),
        Column("act", Text(), nullable=False),
        Column("target", Text(), nullable=False),
        Column("details", Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_of", "audit", ["tenant", "number"])
