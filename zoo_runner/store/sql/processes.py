"""Deployed packages in a database: one row says which version of a process is deployed, further rows keep them all."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, exists, select, tuple_, update

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import ProcessNotFoundError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.model.process import Process
from zoo_runner.store.cursors import read_cursor, write_cursor
from zoo_runner.store.errors import build_process_changed, build_process_exists
from zoo_runner.store.protocol import ProcessPage
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.packages import AT_ONCE, keep_package, load_package, remove_unused_packages
from zoo_runner.store.sql.schema import JOBS, PROCESSES, VERSIONS

_SAME = and_(VERSIONS.c.workspace == PROCESSES.c.workspace, VERSIONS.c.id == PROCESSES.c.id)
_CURRENT = and_(_SAME, VERSIONS.c.number == PROCESSES.c.number)
# descriptions are what clients read most: their statements are built once
_DEPLOYED = and_(PROCESSES.c.workspace == bindparam("workspace"), PROCESSES.c.deployed.is_(True))
_ONE = and_(_DEPLOYED, PROCESSES.c.id == bindparam("id"))
_SELECT_CURRENT = select(VERSIONS.c.body).join(PROCESSES, _CURRENT).where(_ONE)
_SELECT_NUMBER = select(PROCESSES.c.number).where(_ONE)
_SELECT_VERSION = select(VERSIONS.c.body).join(PROCESSES, _SAME).where(_ONE, VERSIONS.c.number == bindparam("number"))
_SELECT_PAGE = (
    select(VERSIONS.c.body)
    .join(PROCESSES, _CURRENT)
    .where(_DEPLOYED, PROCESSES.c.id > bindparam("after"))
    .order_by(PROCESSES.c.id)
    .limit(bindparam("most"))
)
_MOST_IN_MEMORY = 256


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

    def replace(self, process: Process, package: Package, number: int | None = None) -> Process:
        """Put another package in the place of a deployed one, or of that `number`; raises as its protocol says."""
        which = _is_deployed(process.workspace, process.id, number)
        statement = update(PROCESSES).where(which).values(number=PROCESSES.c.number + 1)
        with self._database.writing() as connection:
            following = connection.execute(statement.returning(PROCESSES.c.number)).scalar()
            if following is None:
                raise _explain_no_change(connection, process.workspace, process.id)
            return self._keep(connection, replace(process, number=following), package)

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

    def undeploy(self, workspace: str, process_id: str, number: int | None = None) -> None:
        """Take a process out of the list, or that `number` of it; raises as its protocol says."""
        statement = update(PROCESSES).where(_is_deployed(workspace, process_id, number)).values(deployed=False)
        with self._database.writing() as connection:
            if not connection.execute(statement).rowcount:
                raise _explain_no_change(connection, workspace, process_id)

    def get(self, workspace: str, process_id: str, number: int | None = None) -> Process:
        """Return a deployed process, or one of its earlier versions; raises `ProcessNotFoundError`."""
        values: dict[str, str | int] = {"workspace": workspace, "id": process_id}
        if number is None:
            rows = self._database.read_rows(_SELECT_CURRENT, values)
        else:
            rows = self._database.read_rows(_SELECT_VERSION, {**values, "number": number})
        if not rows:
            raise _not_found(process_id)
        return _read(rows[0][0])

    def get_number(self, workspace: str, process_id: str) -> int:
        """Return the number of what is deployed under an id now; raises `ProcessNotFoundError`."""
        rows = self._database.read_rows(_SELECT_NUMBER, {"workspace": workspace, "id": process_id})
        if not rows:
            raise _not_found(process_id)
        return int(rows[0][0])

    def find(self, workspace: str, limit: int = 100, cursor: str | None = None) -> ProcessPage:
        """List the deployed processes of a workspace by id; raises `InputError` for an invalid cursor."""
        after = "" if cursor is None else read_cursor(cursor, 1)[0]
        rows = self._database.read_rows(_SELECT_PAGE, {"workspace": workspace, "after": after, "most": limit + 1})
        found = tuple(_read(body) for body, *_ in rows[:limit])
        return ProcessPage(found, write_cursor(found[-1].id) if len(rows) > limit and found else None)

    def remove_versions(self, until: str, at_once: int = AT_ONCE) -> int:
        """Remove versions that are not deployed, that no job runs, and that were deployed at a time or before.

        With them go packages that nothing refers to any more. They are read in pages of `at_once`. Returns how many
        versions.
        """
        current = exists().where(_CURRENT, PROCESSES.c.deployed.is_(True))
        run = exists().where(JOBS.c.package == VERSIONS.c.package)
        removable = and_(~current, ~run)
        removed = 0
        for workspace, process_id, number, body in self._iterate_versions(removable, at_once):
            # read apart from those that are in use, which stay in memory
            if json.loads(body)["updated"] <= until:
                one = (VERSIONS.c.workspace == workspace, VERSIONS.c.id == process_id, VERSIONS.c.number == number)
                with self._database.writing() as connection:
                    removed += connection.execute(delete(VERSIONS).where(*one, removable)).rowcount
        remove_unused_packages(self._database, at_once)
        return removed

    def _iterate_versions(self, which: ColumnElement[bool], at_once: int) -> Iterator[Sequence[Any]]:
        """Read the key and the record of versions, in pages."""
        key = VERSIONS.c.workspace, VERSIONS.c.id, VERSIONS.c.number
        wanted = passed = select(*key, VERSIONS.c.body).where(which).order_by(*key).limit(at_once)
        while page := self._read_page(passed):
            yield from page
            passed = wanted.where(tuple_(*key) > tuple(page[-1][:3]))

    def _read_page(self, statement: Select[Any]) -> Sequence[Any]:
        with self._database.reading() as connection:
            return connection.execute(statement).all()

    def load_package(self, digest: str) -> Package:
        """Return a package; raises `ProcessNotFoundError` where none has this digest."""
        package = load_package(self._database, digest)
        if package is None:
            raise ProcessNotFoundError(f"no package has the digest {digest}", "Check the digest.")
        return package


@lru_cache(maxsize=_MOST_IN_MEMORY)
def _read(body: str) -> Process:
    return from_plain(Process, json.loads(body))


def _is_deployed(workspace: str, process_id: str, number: int | None = None) -> Any:
    one = and_(PROCESSES.c.workspace == workspace, PROCESSES.c.id == process_id, PROCESSES.c.deployed.is_(True))
    return one if number is None else and_(one, PROCESSES.c.number == number)


def _explain_no_change(connection: Connection, workspace: str, process_id: str) -> RunnerError:
    """Return why a process could not be changed: it is not deployed, or in another version."""
    found = connection.execute(select(PROCESSES.c.number).where(_is_deployed(workspace, process_id))).first()
    return build_process_changed(process_id) if found else _not_found(process_id)


def _not_found(process_id: str) -> ProcessNotFoundError:
    return ProcessNotFoundError(f"no process {process_id!r} is deployed", "Check the id; /processes lists them.")
