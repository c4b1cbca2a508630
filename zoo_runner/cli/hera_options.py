"""The configuration of the commands for Hera workflows, as options that each of them has."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoo_runner.hera.argo_server import ArgoServer
    from zoo_runner.hera.configuration import HeraConfiguration


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the configuration, and the configuration as its first argument."""

    @click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A value of the configuration; repeatable."
    )
    @click.option("--env-file", type=click.Path(path_type=Path), help="File of KEY=value lines. [default: ./hera.bash]")
    @click.option("--allow-insecure", is_flag=True, help="Accept ARGO_INSECURE_SKIP_VERIFY=true.")
    @wraps(command)
    def call(
        *args: Any, settings: tuple[str, ...], env_file: Path | None, allow_insecure: bool, **options: Any
    ) -> None:
        from zoo_runner.hera.configuration import load_hera_configuration

        configuration = load_hera_configuration(
            os.environ,  # noqa: TID251 entry point
            Path.cwd(),
            given=read_words(settings, "--set"),
            variables_file=env_file,
            allow_insecure=allow_insecure,
        )
        command(*args, configuration, **options)

    return call


def read_words(words: tuple[str, ...], option: str) -> dict[str, str]:
    """Read options of the form NAME=VALUE."""
    for word in words:
        if "=" not in word:
            raise click.UsageError(f"{option} {word!r}: expected NAME=VALUE")
    return dict((word.partition("=")[0], word.partition("=")[2]) for word in words)


def open_server(configuration: "HeraConfiguration") -> "ArgoServer":
    """Return the Argo server of a configuration."""
    from zoo_runner.hera.argo_server import ArgoServer
    from zoo_runner.hera.tokens import Tokens

    return ArgoServer(configuration, Tokens(configuration))
