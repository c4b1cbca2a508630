"""Add the secrets of workspaces."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "secrets",
        sa.Column("workspace", sa.String(255), primary_key=True),
        sa.Column("name", sorted_text(128), primary_key=True),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("changed", sorted_text(32), nullable=False),
        sa.Column("caller", sa.String(255)),
    )
