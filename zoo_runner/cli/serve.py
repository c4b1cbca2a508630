"""Commands of the HTTP server: serve, and a separate worker."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.metrics_option import METRICS, write_metrics_option
from zoo_runner.cli.show import print_message, read_version
from zoo_runner.engines.hidden import hide_process

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.server.backup import Manifest

ReadConfiguration = Callable[..., "Configuration"]


_LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    help="Form of what is logged. [default: auto]",
)


def _read_environ(log_format: str | None) -> dict[str, str]:
    """Read the environment, for this process and its workers; the option wins."""
    environ = dict(os.environ)  # noqa: TID251 the commands' one place
    return environ | ({"ZOO_RUNNER_LOG_FORMAT": log_format} if log_format else {})


def add_server(cli: click.Group, read_configuration: ReadConfiguration) -> None:
    """Add the commands to the command line."""
    read = partial(read_configuration, for_service=True)

    @cli.command()
    @click.option("--host", default="127.0.0.1", help="Address to listen on. [default: 127.0.0.1]")
    @click.option("--port", type=click.IntRange(0, 65535), default=8080, help="Port to listen on. [default: 8080]")
    @_LOG_FORMAT
    def serve(host: str, port: int, log_format: str | None) -> None:
        """Serve OGC API - Processes over HTTP; jobs are kept in a database and run by workers.

        With ZOO_RUNNER_OIDC_ISSUER, clients need a token of that OpenID Connect provider. Without, everyone may call:
        listen on loopback, or behind something that asks who calls.
        """
        from zoo_runner.config.extras import extra
        from zoo_runner.config.identity import load_identity_settings
        from zoo_runner.config.server import load_server_settings

        with extra("uvicorn"), extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.serving import serve as run

        environ = _read_environ(log_format)
        hide_process()
        identity = load_identity_settings(environ)
        address, version = (host, port), read_version() or "0"
        run(load_server_settings(environ), _check(read()), environ, address, version, identity)

    @cli.command()
    @click.option("--stdin", "listens", is_flag=True, help="Stop when standard input ends, as under `serve`.")
    @METRICS
    @_LOG_FORMAT
    def worker(listens: bool, metrics: tuple[str, int] | None, log_format: str | None) -> None:
        """Run the jobs of a server's database, until SIGTERM or Ctrl-C.

        A local job that runs then is finished first; jobs on a cluster go on, and another worker follows them.
        """
        from zoo_runner.config.extras import extra
        from zoo_runner.config.server import load_server_settings

        with extra("uvicorn"), extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.working import End, work

        environ = _read_environ(log_format)
        hide_process()
        source = sys.stdin if listens else None
        end = work(load_server_settings(environ), _check(read()), source, sys.stdout, metrics)
        if end is End.WORN:
            # the same process with a new program: whoever watches or feeds it notices nothing
            words = [*(["--stdin"] if listens else []), *write_metrics_option(metrics)]
            os.execve(sys.executable, [sys.executable, "-m", "zoo_runner", "worker", *words], environ)
        if end is End.LEFT:
            # threads that still follow a job must not act for it any more: it may be another worker's by now
            os._exit(0)

    _add_backup(cli, read)


def _add_backup(cli: click.Group, read: ReadConfiguration) -> None:
    overwrites = click.option("--overwrite", is_flag=True, help="Replace what is there.")
    archive = click.argument("file", type=click.Path(path_type=Path))

    @cli.command()
    @archive
    @overwrites
    @click.option("--records-only", is_flag=True, help="Leave logs and results where they lie.")
    def backup(file: Path, overwrite: bool, records_only: bool) -> None:
        """Write a backup of a server into FILE, while it runs.

        It has processes with all versions, jobs, events, results and callbacks, and the logs and results that lie on
        this machine, but no setting: keep those, and the credentials among them, elsewhere. Inputs are in it as clients
        gave them: keep it as private as the database.
        """
        from zoo_runner.config.extras import extra
        from zoo_runner.config.server import load_server_settings

        with extra("uvicorn"), extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.serving import backup as run

        settings = load_server_settings(dict(os.environ))  # noqa: TID251
        manifest = run(settings, read(), file, files=not records_only, overwrite=overwrite)
        print_message(f"backup of {_summarize(manifest)}: {file}")
        if manifest.left_out:
            print_message(f"left out: {manifest.left_out} callbacks whose addresses hold a password or a token")
        if manifest.files_elsewhere:
            elsewhere = f"left out: {manifest.files_elsewhere} files of jobs in folders that the settings do not name"
            print_message(f"{elsewhere}: save them by another way, or set STAGEOUT_OUTPUT or the profile as it was")

    @cli.command()
    @archive
    @overwrites
    def restore(file: Path, overwrite: bool) -> None:
        """Restore a backup from FILE into the database and the folders of the settings.

        No server and no worker may run. Jobs that had not ended are taken up when they start again: those on a cluster
        are followed, local ones have ended with their worker. The archive is checked first.
        """
        from zoo_runner.config.extras import extra
        from zoo_runner.config.server import load_server_settings

        with extra("uvicorn"), extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.serving import restore as run

        settings = load_server_settings(dict(os.environ))  # noqa: TID251
        manifest = run(settings, read(), file, overwrite=overwrite)
        print_message(f"restored {_summarize(manifest)}, as of {manifest.created}")


def _summarize(manifest: "Manifest") -> str:
    jobs, processes = manifest.count("jobs"), manifest.count("processes")
    return f"{jobs} jobs, {processes} processes and {manifest.files} files"


def _check(configuration: "Configuration") -> "Configuration":
    """Return a configuration whose engine can be opened: its settings are checked now and not with the first job."""
    from zoo_runner.engines import open_engine

    open_engine(configuration.settings.engine, configuration)
    return configuration
