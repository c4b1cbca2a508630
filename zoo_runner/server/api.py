"""What every operation is given: the store, the settings, and of one request its workspace and its addresses."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import urlencode

from fastapi.concurrency import run_in_threadpool

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines import open_engine
from zoo_runner.engines.protocol import Engine
from zoo_runner.execution.context import Context
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.ids import file_name
from zoo_runner.model.workspace import Folders, Workspace
from zoo_runner.package.resolver import WarmResolver
from zoo_runner.server.documents import Link
from zoo_runner.server.following import Following
from zoo_runner.server.waiting import Endings
from zoo_runner.store.sql import SqlStore

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Api:
    """The server's own parts; one for the whole process. `wake` has the workers look at a job now."""

    store: SqlStore
    settings: ServerSettings
    configuration: Configuration
    context: Context
    endings: Endings = field(default_factory=Endings)
    following: Following = field(default_factory=Following)
    resolver: WarmResolver = field(default_factory=WarmResolver)
    wake: Callable[[str], None] = lambda _: None

    async def read(self, operation: Callable[Concatenate["Api", P], T], *given: P.args, **named: P.kwargs) -> T:
        """Run an operation that reads little: at once where the database is a file, else in a thread.

        SQLite keeps readers from nothing, and to change threads takes longer than to read a row.
        """
        if self.store.database.is_file:
            return operation(self, *given, **named)
        return await run_in_threadpool(operation, self, *given, **named)


@dataclass(frozen=True)
class Call:
    """Of one request: its workspace, the address under which the workspace's API lies, and whether it is a data hub's.

    `base` has no slash at its end; `query` are the parameters of the request. A data hub's platform adds inputs of its
    own, expects results as a STAC Collection, and learns of wrong inputs by a failed job.
    """

    workspace: str
    base: str
    hub: bool = False
    caller: str | None = None
    query: tuple[tuple[str, str], ...] = ()

    def link(self, *parts: str) -> str:
        """Return the address of something below the workspace's API."""
        return "/".join((self.base, *parts))

    def link_pages(self, name: str, cursor: str | None) -> list[Link]:
        """Build the links of a list to itself and to its next page, which keeps the parameters of the request."""
        href, words = self.link(name), [(key, value) for key, value in self.query if key not in ("cursor", "skip")]
        links: list[Link] = [{"href": href, "rel": "self", "type": "application/json"}]
        if cursor:
            following = f"{href}?{urlencode([*words, ('cursor', cursor)])}"
            links.append({"href": following, "rel": "next", "type": "application/json"})
        return links


def find_configuration(configuration: Configuration, name: str) -> Configuration:
    """Return what applies to a workspace: the server's own, and for any other one folders of its own below it."""
    own = configuration.workspace
    if name == own.name:
        return configuration
    part = file_name(name)
    folders = Folders(own.folders.temp / part, own.folders.state / f"ws-{part}", own.folders.scratch / f"ws-{part}")
    return replace(configuration, workspace=replace(own, name=name, namespace=None, folders=folders))


def open_context(store: SqlStore, settings: ServerSettings, configuration: Configuration) -> Context:
    """Open what it takes to work on the jobs of all workspaces."""

    lock = threading.Lock()

    @cache
    def open_once(name: str, workspace: str) -> Engine:
        found = find_configuration(configuration, workspace)
        # its jobs are in a database, where nobody could publish what was kept
        return open_engine(name, replace(found, workspace=replace(found.workspace, keeps_results=False)))

    def find_engine(name: str, workspace: Workspace) -> Engine:
        with lock:  # a local engine knows what it submitted: two of one name would not
            return open_once(name, workspace.name)

    keeper = Keeper(store.jobs, min(5.0, settings.lease_seconds / 3), settings.lease_seconds)
    return Context(
        store.jobs,
        store.events,
        lambda name: find_configuration(configuration, name).workspace,
        find_engine,
        keeper,
    )
