"""Keep beside each job what it may take at once, which quotas of workspaces count."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns; of jobs that there are nothing is known."""
    for name in ("needs_cores", "needs_memory_mib"):
        op.add_column("jobs", sa.Column(name, sa.Double, nullable=False, server_default=sa.text("0")))
