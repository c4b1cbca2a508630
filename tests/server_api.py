"""The parts of a server, opened in a folder without listening."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.server import ServerSettings
from zoo_runner.server.api import Api
from zoo_runner.server.installation import open_context
from zoo_runner.store.sql import open_sql_store


@contextmanager
def opened_api(folder: Path, workspaces: Path | None = None) -> Iterator[Api]:
    """Open a server with SQLite whose database, records and results lie in a folder."""
    store = open_sql_store(f"sqlite:///{folder / 'runner.db'}")
    configuration = load_configuration({"ZOO_RUNNER_STATE": str(folder / "state")})
    settings = ServerSettings(results=folder / "results", workspaces=workspaces)
    yield Api(store, settings, configuration, open_context(store, settings, configuration))
    store.close()
