"""Add what lists of jobs are narrowed by: start and end, and indexes by workspace with status and process."""

import json

import sqlalchemy as sa
from alembic import op

from zoo_runner.model import clock

revision = "0002"
down_revision = "0001"

_LISTED = ["workspace", "created", "id", "status", "process_id", "started", "finished"]


def upgrade() -> None:
    """Add the columns with the values of the jobs that there are, and the indexes."""
    op.add_column("jobs", sa.Column("started", sa.Double))
    op.add_column("jobs", sa.Column("finished", sa.Double))
    _fill()
    op.drop_index("jobs_of_workspace", "jobs")
    op.create_index("jobs_of_workspace", "jobs", _LISTED)
    op.create_index("jobs_by_status", "jobs", ["workspace", "status", "created", "id"])
    op.create_index("jobs_by_process", "jobs", ["workspace", "process_id", "created", "id"])


def _fill() -> None:
    connection = op.get_bind()
    jobs = sa.table("jobs", *map(sa.column, ("id", "body", "started", "finished")))
    last = ""
    while rows := connection.execute(
        sa.select(jobs.c.id, jobs.c.body).where(jobs.c.id > last).order_by(jobs.c.id).limit(1000)
    ).all():
        for row in rows:
            body = json.loads(row.body)
            times = {name: clock.to_seconds(body[name]) for name in ("started", "finished") if body.get(name)}
            if times:
                connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(times))
        last = rows[-1].id
