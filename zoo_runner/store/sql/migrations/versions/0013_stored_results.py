"""Keep what the results of each job take, until they are removed."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import VARCHAR

revision = "0013"
down_revision = "0012"

_AT_ONCE = 1000


def _sorted_text(length: int) -> sa.String:
    return sa.String(length).with_variant(VARCHAR(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table, with the results that there are: of these, files count, and folders do not."""
    columns = (
        sa.Column("job_id", _sorted_text(128), primary_key=True),
        sa.Column("workspace", sa.String(255), nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("stored", _sorted_text(32), nullable=False),
    )
    table = op.create_table("stored_results", *columns)
    op.create_index("stored_results_of_workspace", "stored_results", ["workspace", "size_bytes"])
    op.create_index("stored_results_by_time", "stored_results", ["stored"])
    jobs = sa.table("jobs", *map(sa.column, ("status", "body")))
    connection = op.get_bind()
    ended = sa.select(jobs.c.body).where(jobs.c.status == "successful")
    # in pages: a client of PostgreSQL gets all rows at once otherwise
    found = connection.execute(ended.execution_options(yield_per=_AT_ONCE)).scalars()
    for bodies in found.partitions():
        rows = [row for row in map(_build_row, bodies) if row]
        if rows:
            connection.execute(sa.insert(table), rows)


def _build_row(body: str) -> dict[str, Any] | None:
    job = json.loads(body)
    results = (job.get("outcome") or {}).get("results")
    if not results:
        return None
    size = sum(_list_sizes(results.get("outputs") or {}))
    named = {name: job[name] for name in ("workspace", "destination")}
    return {"job_id": job["id"], **named, "size_bytes": size, "stored": job.get("finished") or job["updated"]}


def _list_sizes(node: Any) -> Iterator[int]:
    if isinstance(node, dict):
        size = node.get("size")
        if node.get("class") == "File" and isinstance(size, int):
            yield size
        yield from (size for value in node.values() for size in _list_sizes(value))
    elif isinstance(node, list):
        yield from (size for value in node for size in _list_sizes(value))
