"""Packages in a database, each once by its digest."""

import json

from sqlalchemy import Connection, select

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.package import Package
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import PACKAGES


def keep_package(database: Database, connection: Connection, package: Package) -> None:
    """Store a package where it is not stored yet."""
    known = select(PACKAGES.c.digest).where(PACKAGES.c.digest == package.digest)
    if connection.execute(known).scalar() is None:
        values = {"digest": package.digest, "body": json.dumps(to_plain(package))}
        connection.execute(database.insert(PACKAGES).values(values).on_conflict_do_nothing())


def load_package(database: Database, digest: str) -> Package | None:
    """Return the package with this digest, None where there is none."""
    with database.reading() as connection:
        body = connection.execute(select(PACKAGES.c.body).where(PACKAGES.c.digest == digest)).scalar()
    return from_plain(Package, json.loads(body)) if body is not None else None
