"""Add personal tokens."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table; where rows of an older schema are restored, it is there already."""
    if sa.inspect(op.get_bind()).has_table("tokens"):
        return
    op.create_table(
        "tokens",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("workspace", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("expires", sorted_text(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("tokens_of_workspace", "tokens", ["workspace", "owner"])
    op.create_index("tokens_by_end", "tokens", ["expires"])
