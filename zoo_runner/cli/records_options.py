"""The options of `harvest` and `ingest` that say where it is kept what they have deployed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo_runner.cli.show import print_message

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.harvest.records import Records

_Command = TypeVar("_Command", bound=Callable[..., Any])


def add_records_options(command: _Command) -> _Command:
    """Add the options to a command."""
    command = click.option(
        "--take-over",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Add the records of this folder to the database first, where it has none of these sources.",
    )(command)
    return click.option(
        "--records",
        metavar="FOLDER|URL",
        help="Where it is kept what was deployed: a folder, or a database, sqlite:////path/to/file or"
        " postgresql://user@host/name. [default: ZOO_RUNNER_RECORDS, else a folder in ZOO_RUNNER_STATE]",
    )(command)


@contextmanager
def opening_records(
    configuration: "Configuration", part: str, given: str | None, old: Path | None
) -> "Iterator[Records]":
    """Open the records of a part where the options, or else the settings, say."""
    from zoo_runner.config.extras import extra
    from zoo_runner.config.server import load_server_settings

    with extra("dulwich"):
        from zoo_runner.harvest.record_places import open_records

    settings = load_server_settings(dict(os.environ))  # noqa: TID251
    place = given or settings.records or str(configuration.workspace.folders.harvests)
    with open_records(place, part, configuration.settings.cache, old) as (records, taken):
        if old is not None:
            print_message(f"{taken} records of {old} were taken over; the folder is needed no more")
        yield records
