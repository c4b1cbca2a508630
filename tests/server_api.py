"""The parts of a server, opened in a folder without listening."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.server import ServerSettings
from zoo_runner.server.api import Api
from zoo_runner.server.installation import open_context
from zoo_runner.store.sql import SqlStore, open_sql_store


@contextmanager
def opened_api(folder: Path, workspaces: Path | None = None) -> Iterator[Api]:
    """Open a server with SQLite whose database, records and results lie in a folder."""
    with closing(open_sql_store(f"sqlite:///{folder / 'runner.db'}")) as store:
        yield build_api(store, folder, workspaces)


def build_api(store: SqlStore, folder: Path, workspaces: Path | None = None) -> Api:
    """Build the parts of a server over a store; records and results lie in a folder."""
    configuration = load_configuration({"ZOO_RUNNER_STATE": str(folder / "state")})
    settings = ServerSettings(results=folder / "results", workspaces=workspaces)
    return Api(store, settings, configuration, open_context(store, settings, configuration))
