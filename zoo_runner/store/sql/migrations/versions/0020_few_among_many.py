"""Find the few jobs that nobody started, and those that ended lately, by an index among millions of others."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_UNSTARTED, _UNFINISHED = sa.text("status = 'created'"), sa.text("status IN ('accepted', 'running')")


def upgrade() -> None:
    """Add the indexes, and order the one of unfinished jobs as they are read."""
    op.drop_index("jobs_by_status", "jobs")
    op.create_index("jobs_by_status", "jobs", ["workspace", "status", "created", "id", "process_id"])
    op.drop_index("jobs_unfinished", "jobs")
    op.create_index(
        "jobs_unfinished", "jobs", ["created", "id"], postgresql_where=_UNFINISHED, sqlite_where=_UNFINISHED
    )
    op.create_index("jobs_unstarted", "jobs", ["created", "id"], postgresql_where=_UNSTARTED, sqlite_where=_UNSTARTED)
    op.create_index("jobs_by_end", "jobs", ["finished"])
