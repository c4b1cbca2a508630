"""Keep beside each job why it ended, so that failures are counted by cause."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_AT_ONCE = 1000
_LONGEST_CODE, _LONGEST_STEP = 64, 255
_HAS_CAUSE = sa.text("cause_code <> ''")


def upgrade() -> None:
    """Add the columns, with the causes of the jobs that there are."""
    for name, length in (("cause_code", _LONGEST_CODE), ("cause_step", _LONGEST_STEP)):
        op.add_column("jobs", sa.Column(name, sa.String(length), nullable=False, server_default=sa.text("''")))
    jobs = sa.table("jobs", *map(sa.column, ("id", "status", "body", "cause_code", "cause_step")))
    connection = op.get_bind()
    ended = sa.select(jobs.c.id, jobs.c.body).where(jobs.c.status.in_(["failed", "dismissed"])).order_by(jobs.c.id)
    change = (
        sa.update(jobs)
        .where(jobs.c.id == sa.bindparam("job"))
        .values(cause_code=sa.bindparam("code"), cause_step=sa.bindparam("step"))
    )
    last = ""
    # in pages that end before they are changed: a cursor of SQLite that reads what is written may not
    while found := connection.execute(ended.where(jobs.c.id > last).limit(_AT_ONCE)).all():
        last = found[-1].id
        if causes := [cause for row in found if (cause := _read_cause(row.id, row.body))]:
            connection.execute(change, causes)
    columns = ["workspace", "cause_code", "cause_step", "created", "id"]
    op.create_index("jobs_by_cause", "jobs", columns, postgresql_where=_HAS_CAUSE, sqlite_where=_HAS_CAUSE)


def _read_cause(job_id: str, body: str) -> dict[str, str] | None:
    diagnosis = (json.loads(body).get("outcome") or {}).get("diagnosis")
    if not diagnosis:
        return None
    step = (diagnosis.get("step") or "").replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return {"job": job_id, "code": diagnosis.get("code", "")[:_LONGEST_CODE], "step": step[:_LONGEST_STEP]}
