"""Keep beside each job who asked for it, and all that it is searched for."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

from zoo_runner.store.sql.schema import sorted_text

revision = "0019"
down_revision = "0018"

_AT_ONCE = 1000
_LENGTHS = {"caller": 255, "search_text": 600, "input_text": 400}
_LONGEST_TITLE, _LONGEST_VALUE, _MOST_VALUES = 200, 200, 100
_LISTED = ["workspace", "created", "id", "status", "process_id", "started", "finished", "deployed_in", *_LENGTHS]
_HAS_CALLER = sa.text("caller <> ''")


def upgrade() -> None:
    """Add the columns, with what the jobs that there are have, and build the indexes."""
    op.drop_index("jobs_of_workspace", "jobs")
    op.drop_column("jobs", "search_text")
    for name, length in _LENGTHS.items():
        op.add_column("jobs", sa.Column(name, sorted_text(length), nullable=False, server_default=sa.text("''")))
    _fill()
    op.create_index("jobs_of_workspace", "jobs", _LISTED)
    columns = ["workspace", "caller", "created", "id", "status"]
    op.create_index("jobs_by_caller", "jobs", columns, postgresql_where=_HAS_CALLER, sqlite_where=_HAS_CALLER)


def _fill() -> None:
    jobs = sa.table("jobs", *map(sa.column, ("id", "package", "body", *_LENGTHS)))
    packages = sa.table("packages", *map(sa.column, ("digest", "body")))
    connection, titles = op.get_bind(), dict[str, str]()
    change = (
        sa.update(jobs)
        .where(jobs.c.id == sa.bindparam("job"))
        .values({name: sa.bindparam(f"new_{name}") for name in (*_LENGTHS, "body")})
    )
    every, last = sa.select(jobs.c.id, jobs.c.package, jobs.c.body).order_by(jobs.c.id), ""
    # in pages that end before they are changed: a cursor of SQLite that reads what is written may not
    while found := connection.execute(every.where(jobs.c.id > last).limit(_AT_ONCE)).all():
        last = found[-1].id
        if unknown := {row.package for row in found} - titles.keys():
            known = sa.select(packages.c.digest, packages.c.body).where(packages.c.digest.in_(unknown))
            titles |= dict.fromkeys(unknown, "")
            titles |= {digest: _read_title(body) for digest, body in connection.execute(known)}
        connection.execute(change, [_build_row(row.id, row.body, titles[row.package]) for row in found])


def _build_row(job_id: str, body: str, title: str) -> dict[str, str]:
    job = json.loads(body)
    diagnosis = (job.get("outcome") or {}).get("diagnosis")
    words = [job_id, job.get("process_id", ""), title]
    if diagnosis:
        words += [diagnosis.get("code", ""), diagnosis.get("step") or "", diagnosis.get("cause", "")]
    else:
        words.append(job.get("message") or "")
    values = [value[:_LONGEST_VALUE] for value in islice(_list_values(job.get("inputs")), _MOST_VALUES)]
    # as text: numbers of a record keep their form
    kept = f'{body.rstrip()[:-1]}, "title": {json.dumps(title)}}}' if title and "title" not in job else body
    return {
        "job": job_id,
        "new_caller": _cut(job.get("caller") or "", "caller"),
        "new_search_text": _cut("\n".join(word for word in words if word).lower(), "search_text"),
        "new_input_text": _cut("\n".join(values).lower(), "input_text"),
        "new_body": kept,
    }


def _cut(text: str, name: str) -> str:
    whole = text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.encode()[: _LENGTHS[name]].decode("utf-8", "ignore")


def _list_values(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, member in node.items():
            if name != "class":
                yield from _list_values(member)
    elif isinstance(node, list):
        for member in node:
            yield from _list_values(member)
    elif isinstance(node, str | int | float) and not isinstance(node, bool):
        yield str(node)


def _read_title(body: str) -> str:
    package = json.loads(body)
    document, entry = package.get("document", {}), str(package.get("entry", "")).lstrip("#")
    for process in document.get("$graph", [document]):
        if str(process.get("id", entry)).lstrip("#") == entry:
            label = process.get("label") or ""
            title = "\n".join(map(str, label)) if isinstance(label, list) else str(label)
            return title.strip().replace("\0", "\ufffd")[:_LONGEST_TITLE]
    return ""
