"""Find the jobs of a package by an index: old versions of processes are removed without a look through all jobs."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the index."""
    op.create_index("jobs_by_package", "jobs", ["package"])
