"""Move whom to call back from the callback into the request of its job, so that both change at once."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MEMBERS = {"successful": "successUri", "running": "inProgressUri", "failed": "failedUri"}


def upgrade() -> None:
    """Move the addresses."""
    connection = op.get_bind()
    jobs = sa.table("jobs", *map(sa.column, ("id", "body")))
    callbacks = sa.table("callbacks", *map(sa.column, ("job_id", "addresses")))
    found = sa.select(jobs.c.id, jobs.c.body, callbacks.c.addresses).join(callbacks, callbacks.c.job_id == jobs.c.id)
    for row in connection.execute(found).all():
        body, addresses = json.loads(row.body), json.loads(row.addresses)
        subscriber = {member: addresses[status] for status, member in _MEMBERS.items() if status in addresses}
        if subscriber:
            body["request"] = {**(body.get("request") or {}), "subscriber": subscriber}
            connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(body=json.dumps(body)))
    op.drop_column("callbacks", "addresses")
