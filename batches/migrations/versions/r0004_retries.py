"""Each retry of a batch that was asked for with an idempotency key, so that it is made once."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "retries",
        Column("batch", Text(), primary_key=True),
        Column("key", Text(), primary_key=True),
        Column("statuses", Text(), nullable=False),
    )
