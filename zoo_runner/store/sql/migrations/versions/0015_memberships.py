"""Keep what the provider said last of the workspaces of people."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the table; where rows of an older schema are restored, it is there already."""
    if sa.inspect(op.get_bind()).has_table("memberships"):
        return
    op.create_table(
        "memberships",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("workspaces", sa.Text, nullable=False),
        sa.Column("seen", sorted_text(32), nullable=False),
    )
