"""Add the tokens that steps of jobs have."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the table; where rows of an older schema are restored, it is there already."""
    if sa.inspect(op.get_bind()).has_table("step_tokens"):
        return
    op.create_table(
        "step_tokens",
        sa.Column("job_id", sorted_text(128), primary_key=True),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("expires", sorted_text(32), nullable=False),
        sa.Column("kept", sorted_text(32), nullable=False),
    )
