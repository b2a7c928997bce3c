"""What workers have set aside under a cost cap stands with their chunks, for all to see."""

from alembic import op
from sqlalchemy import BigInteger, Column, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    column = Column("aside_millionths", BigInteger(), nullable=False, server_default=text("0"))
    op.add_column("chunks", column)
