"""Add the files that clients send."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("workspace", sa.String(255), nullable=False),
        sa.Column("expires", sorted_text(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("uploads_of_workspace", "uploads", ["workspace", "size_bytes"])
    op.create_index("uploads_by_end", "uploads", ["expires"])
