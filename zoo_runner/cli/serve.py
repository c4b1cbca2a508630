"""Commands of the HTTP server: serve, and a separate worker."""

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.show import print_message, read_version
from zoo_runner.engines.hidden import hide_process

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration

ReadConfiguration = Callable[..., "Configuration"]


def add_server(cli: click.Group, read_configuration: ReadConfiguration) -> None:
    """Add the commands to the command line."""
    read = partial(read_configuration, for_service=True)

    @cli.command()
    @click.option("--host", default="127.0.0.1", help="Address to listen on. [default: 127.0.0.1]")
    @click.option("--port", type=click.IntRange(0, 65535), default=8080, help="Port to listen on. [default: 8080]")
    def serve(host: str, port: int) -> None:
        """Serve OGC API - Processes over HTTP; jobs are kept in a database and run by workers.

        There is no authentication: listen on loopback, or behind something that has it.
        """
        from zoo_runner.config.extras import extra
        from zoo_runner.config.server import load_server_settings

        with extra("uvicorn"), extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.serving import serve as run

        environ = dict(os.environ)  # noqa: TID251 the command's one place
        hide_process()
        print_message(f"serving at http://{host}:{port}/")
        run(load_server_settings(environ), _check(read()), environ, (host, port), read_version() or "0")

    @cli.command()
    @click.option("--stdin", "listens", is_flag=True, help="Stop when standard input ends, as under `serve`.")
    def worker(listens: bool) -> None:
        """Run the jobs of a server's database, until SIGTERM or Ctrl-C; the job that runs then is finished first."""
        from zoo_runner.config.extras import extra
        from zoo_runner.config.server import load_server_settings

        with extra("uvicorn"), extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.serving import work

        environ = dict(os.environ)  # noqa: TID251
        hide_process()
        work(load_server_settings(environ), _check(read()), sys.stdin if listens else None, sys.stdout)


def _check(configuration: "Configuration") -> "Configuration":
    """Return a configuration whose engine can be opened: its settings are checked now and not with the first job."""
    from zoo_runner.engines import open_engine

    open_engine(configuration.settings.engine, configuration)
    return configuration
