"""Create the first schema: packages, processes with their versions, jobs with leases, events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import VARCHAR

revision = "0001"
down_revision = None


def sorted_text(length: int) -> sa.String:
    """Return the type of a text that is ordered byte by byte."""
    return sa.String(length).with_variant(VARCHAR(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "packages",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "processes",
        sa.Column("workspace", sa.String(255), primary_key=True),
        sa.Column("id", sorted_text(255), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("deployed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "process_versions",
        sa.Column("workspace", sa.String(255), primary_key=True),
        sa.Column("id", sorted_text(255), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("package", sa.String(64), sa.ForeignKey("packages.digest"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    _create_jobs()
    op.create_table(
        "events",
        sa.Column("job_id", sa.String(128), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sorted_text(128), primary_key=True),
        sa.Column("workspace", sa.String(255), nullable=False),
        sa.Column("process_id", sa.String(255), nullable=False),
        sa.Column("engine", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created", sorted_text(32), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("package", sa.String(64), sa.ForeignKey("packages.digest"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(255)),
        sa.Column("lease_expires", sa.Double),
        sa.Column("event_count", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("jobs_newest", "jobs", ["created", "id"])
    op.create_index("jobs_of_workspace", "jobs", ["workspace", "created", "id"])
    unfinished = sa.text("status IN ('accepted', 'running')")
    op.create_index(
        "jobs_unfinished", "jobs", ["priority", "created"], postgresql_where=unfinished, sqlite_where=unfinished
    )
