"""Packages in a database, each once by its digest."""

from sqlalchemy import Connection, delete, select

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.package import Package
from zoo_runner.model.written import read_json, write_json
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import JOBS, PACKAGES, VERSIONS

AT_ONCE = 1000
"""How many rows are read at the same time."""


def keep_package(database: Database, connection: Connection, package: Package) -> None:
    """Store a package where it is not stored yet; it is not removed before this transaction has ended."""
    known = select(PACKAGES.c.digest).where(PACKAGES.c.digest == package.digest)
    if connection.execute(known.with_for_update(read=True, key_share=True)).scalar() is None:
        values = {"digest": package.digest, "body": write_json(to_plain(package))}
        connection.execute(database.insert(PACKAGES).values(values).on_conflict_do_nothing())


def remove_unused_packages(database: Database, at_once: int = AT_ONCE) -> int:
    """Remove the packages of no version of a process and of no job; returns how many.

    One that is about to be used stays: its row is locked then, and skipped.
    """
    used = (select(VERSIONS.c.package), select(JOBS.c.package))
    unused = [PACKAGES.c.digest.not_in(digests) for digests in used]
    locked = select(PACKAGES.c.digest).where(*unused).limit(at_once).with_for_update(skip_locked=True)
    removed, is_full = 0, True
    while is_full:
        with database.writing() as connection:
            found = connection.execute(locked).scalars().all()
            # looked at again: a use that was stored before the row was locked is seen by this statement only
            again = delete(PACKAGES).where(PACKAGES.c.digest.in_(found), *unused)
            removed += connection.execute(again).rowcount if found else 0
        is_full = len(found) == at_once
    return removed


def load_package(database: Database, digest: str) -> Package | None:
    """Return the package with this digest, None where there is none."""
    with database.reading() as connection:
        body = connection.execute(select(PACKAGES.c.body).where(PACKAGES.c.digest == digest)).scalar()
    return from_plain(Package, read_json(body)) if body is not None else None
