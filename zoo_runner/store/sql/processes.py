"""Deployed packages in a database: one row says which version of a process is deployed, further rows keep them all."""

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, select, update

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import ProcessNotFoundError
from zoo_runner.model.package import Package
from zoo_runner.model.process import Process
from zoo_runner.store.cursors import read_cursor, write_cursor
from zoo_runner.store.errors import build_process_exists
from zoo_runner.store.protocol import ProcessPage
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.packages import keep_package, load_package
from zoo_runner.store.sql.schema import PROCESSES, VERSIONS

_SAME = and_(VERSIONS.c.workspace == PROCESSES.c.workspace, VERSIONS.c.id == PROCESSES.c.id)
_CURRENT = and_(_SAME, VERSIONS.c.number == PROCESSES.c.number)


class SqlProcesses:
    """A `ProcessStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deploy(self, process: Process, package: Package) -> Process:
        """Keep a new process; raises `ProcessExistsError` where the id is taken. An undeployed one is numbered on."""
        insert = self._database.insert(PROCESSES)
        values = insert.values(workspace=process.workspace, id=process.id, number=1, deployed=True)
        statement = values.on_conflict_do_update(
            index_elements=["workspace", "id"],
            set_={"number": PROCESSES.c.number + 1, "deployed": True},
            where=PROCESSES.c.deployed.is_(False),
        ).returning(PROCESSES.c.number)
        with self._database.writing() as connection:
            number = connection.execute(statement).scalar()
            if number is None:
                raise build_process_exists(process.id)
            return self._keep(connection, replace(process, number=number), package)

    def replace(self, process: Process, package: Package) -> Process:
        """Put another package in the place of a deployed one; raises `ProcessNotFoundError`."""
        which = _is_deployed(process.workspace, process.id)
        statement = update(PROCESSES).where(which).values(number=PROCESSES.c.number + 1)
        with self._database.writing() as connection:
            number = connection.execute(statement.returning(PROCESSES.c.number)).scalar()
            if number is None:
                raise _not_found(process.id)
            return self._keep(connection, replace(process, number=number), package)

    def _keep(self, connection: Connection, process: Process, package: Package) -> Process:
        keep_package(self._database, connection, package)
        values = {
            "workspace": process.workspace,
            "id": process.id,
            "number": process.number,
            "package": process.package,
            "body": json.dumps(to_plain(process)),
        }
        connection.execute(VERSIONS.insert().values(values))
        return process

    def undeploy(self, workspace: str, process_id: str) -> None:
        """Take a process out of the list; raises `ProcessNotFoundError`."""
        statement = update(PROCESSES).where(_is_deployed(workspace, process_id)).values(deployed=False)
        with self._database.writing() as connection:
            if not connection.execute(statement).rowcount:
                raise _not_found(process_id)

    def get(self, workspace: str, process_id: str, number: int | None = None) -> Process:
        """Return a deployed process, or one of its earlier versions; raises `ProcessNotFoundError`."""
        version = _CURRENT if number is None else and_(_SAME, VERSIONS.c.number == number)
        statement = select(VERSIONS.c.body).join(PROCESSES, version)
        with self._database.reading() as connection:
            body = connection.execute(statement.where(_is_deployed(workspace, process_id))).scalar()
        if body is None:
            raise _not_found(process_id)
        return from_plain(Process, json.loads(body))

    def find(self, workspace: str, limit: int = 100, cursor: str | None = None) -> ProcessPage:
        """List the deployed processes of a workspace by id; raises `InputError` for an invalid cursor."""
        conditions = [PROCESSES.c.workspace == workspace, PROCESSES.c.deployed.is_(True)]
        if cursor is not None:
            conditions.append(PROCESSES.c.id > read_cursor(cursor, 1)[0])
        statement = select(VERSIONS.c.body).join(PROCESSES, _CURRENT).where(*conditions).order_by(PROCESSES.c.id)
        with self._database.reading() as connection:
            bodies = connection.execute(statement.limit(limit + 1)).scalars().all()
        found = tuple(from_plain(Process, json.loads(body)) for body in bodies[:limit])
        return ProcessPage(found, write_cursor(found[-1].id) if len(bodies) > limit and found else None)

    def load_package(self, digest: str) -> Package:
        """Return a package; raises `ProcessNotFoundError` where none has this digest."""
        package = load_package(self._database, digest)
        if package is None:
            raise ProcessNotFoundError(f"no package has the digest {digest}", "Check the digest.")
        return package


def _is_deployed(workspace: str, process_id: str) -> Any:
    return and_(PROCESSES.c.workspace == workspace, PROCESSES.c.id == process_id, PROCESSES.c.deployed.is_(True))


def _not_found(process_id: str) -> ProcessNotFoundError:
    return ProcessNotFoundError(f"no process {process_id!r} is deployed", "Check the id; /processes lists them.")
