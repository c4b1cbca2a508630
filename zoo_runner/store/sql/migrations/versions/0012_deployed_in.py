"""Keep beside each job the workspace of its process: lists are narrowed by it without a look into records."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_LISTED = ["workspace", "created", "id", "status", "process_id", "started", "finished", "deployed_in", "search_text"]
_AT_ONCE = 1000


def upgrade() -> None:
    """Add the column with the workspaces of the jobs that there are, and build the index anew."""
    op.add_column("jobs", sa.Column("deployed_in", sa.String(255), nullable=False, server_default=sa.text("''")))
    jobs = sa.table("jobs", *map(sa.column, ("id", "workspace", "deployed_in", "body")))
    connection = op.get_bind()
    connection.execute(sa.update(jobs).values(deployed_in=jobs.c.workspace))
    # the few of a process of another workspace; records are read here, as databases do not take every one as JSON
    named = sa.select(jobs.c.id, jobs.c.body).where(jobs.c.body.like('%"deployed_in": "%'))
    rows = connection.execute(named.execution_options(yield_per=_AT_ONCE))
    found = [(row.id, json.loads(row.body).get("deployed_in")) for row in rows]
    for job_id, workspace in found:
        if workspace:
            connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(deployed_in=workspace))
    op.drop_index("jobs_of_workspace", "jobs")
    op.create_index("jobs_of_workspace", "jobs", _LISTED)
