"""Commands for people who run Hera workflows: their configuration."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.cli.show import print_json, print_message

if TYPE_CHECKING:
    from zoo_runner.hera.configuration import HeraConfiguration

_FILES = ("hera.bash", "hera.config")


def add_hera(cli: click.Group) -> None:
    """Add the command group to the command line."""

    @cli.group()
    def hera() -> None:
        """Run Hera scripts and Argo workflows with one configuration (docs/hera.md)."""

    @hera.command()
    @configured
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="[default: text]")
    def config(configuration: "HeraConfiguration", form: str) -> None:
        """Print each value, where it came from and what it overrode; secrets are masked."""
        described = configuration.describe()
        print_json(described) if form == "json" else _show_configuration(described)

    @hera.command()
    @click.argument("kind", type=click.Choice(_FILES), default="hera.bash")
    @click.option("--force", is_flag=True, help="Replace a file that exists.")
    def init(kind: str, force: bool) -> None:
        """Write a configuration file to fill in: hera.bash (default) or hera.config, in this folder."""
        _write_template(Path(kind), force)


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of the configuration, and the configuration as its first argument."""

    @click.option(
        "--set", "words", multiple=True, metavar="NAME=VALUE", help="A value of the configuration; repeatable."
    )
    @click.option("--env-file", type=click.Path(path_type=Path), help="File of KEY=value lines. [default: ./hera.bash]")
    @click.option("--allow-insecure", is_flag=True, help="Accept ARGO_INSECURE_SKIP_VERIFY=true.")
    @wraps(command)
    def call(*args: Any, words: tuple[str, ...], env_file: Path | None, allow_insecure: bool, **options: Any) -> None:
        from zoo_runner.hera.configuration import load_hera_configuration

        configuration = load_hera_configuration(
            os.environ,  # noqa: TID251 the door
            Path.cwd(),
            given=read_words(words, "--set"),
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


def _show_configuration(described: dict[str, Any]) -> None:
    for value in described["values"]:
        click.echo(f"{value['name']:26} {value['value'] or '-':40} {value['source']}")
        for old in value["overrode"]:
            click.echo(f"{'':26}   instead of {old['value']} from {old['source']}")
    for file in described["files"]:
        click.echo(f"{'read' if file['exists'] else 'not there':26} {file['path']}")
    for one in described["unknown"]:
        print_message(f"warning: {one['source']}: {one['key']} is not a value of this toolkit; your script may use it")


def _write_template(path: Path, force: bool) -> None:
    from zoo_runner.hera.configuration import build_template

    if path.exists() and not force:
        raise click.UsageError(f"{path} exists; use --force to replace it")
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(build_template(path.name))
    print_message(f"{path} written; fill it in and look at it with `zoo-runner hera config`")
