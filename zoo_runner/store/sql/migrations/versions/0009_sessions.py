"""Add the sessions of people who have logged in."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table; where rows of an older schema are restored, it is there already."""
    if sa.inspect(op.get_bind()).has_table("sessions"):
        return
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires", sorted_text(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("sessions_by_end", "sessions", ["expires"])
