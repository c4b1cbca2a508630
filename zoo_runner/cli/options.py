"""What the command line reads: the options of a run, and the configuration."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration

CONTAINERS = click.Choice(["auto", "podman", "docker", "sandbox", "none"])
ISOLATION = click.Choice(["trusted", "isolated"])
TIME_LIMIT = click.FloatRange(min=0, min_open=True)


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked for: its package and inputs, the place of its results, and settings of this run alone."""

    package: str
    job_file: str | None
    words: tuple[str, ...]
    destination: str | None
    engine: str | None
    containers: str | None
    isolation: str | None
    time_limit: float | None
    job_id: str | None
    strict: bool


_PARAMETERS = (
    click.argument("package"),
    click.argument("job_file", required=False),
    click.option(
        "-i", "--input", "words", multiple=True, metavar="NAME=VALUE", help="One input; repeat it for arrays."
    ),
    click.option(
        "-o",
        "--output",
        "destination",
        metavar="FOLDER|URL",
        help="Where the results go: a folder, or below s3:, gs: or az:, where a cluster needs it."
        " [default: ./<workflow-id>-<job-id>]",
    ),
    click.option("--engine", metavar="NAME", help="local, calrissian or argo: what runs the CWL. [default: local]"),
    click.option("--containers", type=CONTAINERS, help="Containers of the local engine."),
    click.option(
        "--isolation",
        type=ISOLATION,
        help="Local engine; isolated: each step in a container or sandbox, or the job is refused. [default: trusted]",
    ),
    click.option(
        "--time-limit",
        type=TIME_LIMIT,
        metavar="SECONDS",
        help="Stop the job after that.",
    ),
    click.option("--job-id", metavar="ID", help="Id of the job. [default: a random UUID]"),
    click.option("--strict", is_flag=True, help="Refuse inputs that the package does not have; else a warning."),
)


def add_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options of a run, which it gets as one `RunOptions`, its first argument."""

    @wraps(command)
    def call(**values: Any) -> None:
        command(RunOptions(**{one.name: values.pop(one.name) for one in fields(RunOptions)}), **values)

    decorated: Callable[..., None] = call
    for add in reversed(_PARAMETERS):
        decorated = add(decorated)
    return decorated


def read_configuration(
    engine: str | None = None,
    containers: str | None = None,
    time_limit: float | None = None,
    isolation: str | None = None,
    *,
    for_service: bool = False,
) -> "Configuration":
    """Read the environment once; options of the command line win. Raises `SettingsError`."""
    from zoo_runner.config.configuration import load_configuration
    from zoo_runner.config.service import load_service_configuration

    chosen = {
        "ZOO_RUNNER_ENGINE": engine,
        "ZOO_RUNNER_CONTAINERS": containers,
        "ZOO_RUNNER_ISOLATION": isolation,
        "ZOO_RUNNER_TIME_LIMIT": str(time_limit) if time_limit else None,
    }
    options = {name: text for name, text in chosen.items() if text}
    load = load_service_configuration if for_service else load_configuration
    return load({**os.environ, **options})  # noqa: TID251 the command line's one place
