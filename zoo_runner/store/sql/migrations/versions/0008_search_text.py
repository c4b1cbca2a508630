"""Keep beside each job the text that lists are searched for, in the index that lists are read from."""

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0008"
down_revision = "0007"

_LISTED = ["workspace", "created", "id", "status", "process_id", "started", "finished", "search_text"]


def upgrade() -> None:
    """Add the column with the text of the jobs that there are, and build the index anew."""
    op.add_column("jobs", sa.Column("search_text", sorted_text(384), nullable=False, server_default=sa.text("''")))
    jobs = sa.table("jobs", *map(sa.column, ("id", "process_id", "search_text")))
    # ids are ASCII: databases write them in lower case as Python does
    names = sa.func.lower(jobs.c.id.concat("\n").concat(jobs.c.process_id))
    op.get_bind().execute(sa.update(jobs).values(search_text=names))
    op.drop_index("jobs_of_workspace", "jobs")
    op.create_index("jobs_of_workspace", "jobs", _LISTED)
