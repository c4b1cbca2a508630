"""Add what harvests and messages have deployed."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the tables; where rows of an older schema are restored, that of the holders is there already."""
    op.create_table(
        "harvest_records",
        sa.Column("key", sorted_text(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("changed", sorted_text(32), nullable=False),
    )
    op.create_table(
        "harvest_attempts",
        sa.Column("message", sorted_text(1024), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("begun", sa.Double, nullable=False),
    )
    if sa.inspect(op.get_bind()).has_table("harvest_holders"):
        return
    op.create_table(
        "harvest_holders",
        sa.Column("part", sa.String(16), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
    )
