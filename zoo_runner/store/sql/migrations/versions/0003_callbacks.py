"""Add the callbacks of jobs."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "callbacks",
        sa.Column("job_id", sorted_text(128), primary_key=True),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("hub", sa.Boolean, nullable=False),
        sa.Column("addresses", sa.Text, nullable=False),
        sa.Column("known", sa.String(16), nullable=False),
        sa.Column("tried", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.Double, nullable=False),
    )
    op.create_index("callbacks_due", "callbacks", ["due"])
