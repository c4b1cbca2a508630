"""Commands of what a server keeps for its workspaces: access documents, the audit log."""

import json
import os
import re
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.show import print_json, print_message
from zoo_runner.config.extras import extra

if TYPE_CHECKING:
    from zoo_runner.access_documents import DocumentStore
    from zoo_runner.config.configuration import Configuration

ReadConfiguration = Callable[..., "Configuration"]

_workspace = click.argument("workspace")


def add_access(cli: click.Group, read: ReadConfiguration) -> None:
    """Add the commands to the command line."""
    _add_audit(cli, read)

    @cli.group()
    def access() -> None:
        """Show or change what a workspace publishes: its access document below ZOO_RUNNER_ACCESS."""

    @access.command()
    @_workspace
    def show(workspace: str) -> None:
        """Print the access document of WORKSPACE; what is not in it is private."""
        import asyncio

        from zoo_runner.access_documents import read_document

        print_json({"workflows": asyncio.run(read_document(_open(read), workspace)).workflows})

    @access.command("set")
    @_workspace
    @click.argument("process")
    @click.argument("kind", type=click.Choice(["private", "public", "user-service"]))
    def set_kind(workspace: str, process: str, kind: str) -> None:
        """Say who may use PROCESS of WORKSPACE.

        private: its members. public: everybody, and it runs in the workspace of its caller. user-service: everybody,
        and it runs in WORKSPACE, with inputs and outputs of its caller. Servers notice within
        ZOO_RUNNER_ACCESS_INTERVAL seconds.
        """
        import asyncio

        from zoo_runner.access_documents import Kind, change_document

        asyncio.run(change_document(_open(read), workspace, {process: Kind(kind)}))
        print_message(f"{process} of {workspace} is {kind}")


def _add_audit(cli: click.Group, read: ReadConfiguration) -> None:
    @cli.command()
    @click.option("--workspace", help="Only what was done there. [default: all]")
    @click.option("--since", help="From a time on, such as 2026-01-31T00:00:00Z.")
    def audit(workspace: str | None, since: str | None) -> None:
        """Print the audit log of a server, one JSON object a line, oldest first."""
        from zoo_runner.config.server import load_server_settings
        from zoo_runner.model.audit import SINCE
        from zoo_runner.model.codec import to_plain

        with extra("sqlalchemy"), extra("fastapi"), extra("uvicorn"):
            from zoo_runner.server.installation import open_store

        if since and not re.fullmatch(SINCE, since):
            raise click.BadParameter(
                f"{since!r} is not a time of UTC such as 2026-01-31T00:00:00Z", param_hint="--since"
            )
        settings = load_server_settings(dict(os.environ))  # noqa: TID251
        with closing(open_store(settings, read())) as store:
            for entry in store.audit.read(workspace, since):
                click.echo(json.dumps(to_plain(entry)))


def _open(read: ReadConfiguration) -> "DocumentStore":
    from zoo_runner.access_documents import DocumentStore
    from zoo_runner.config.identity import load_identity_settings
    from zoo_runner.model.errors import SettingsError

    address = load_identity_settings(dict(os.environ)).access  # noqa: TID251
    if not address:
        raise SettingsError(
            "ZOO_RUNNER_ACCESS is not set: there is no place for access documents",
            "Set it to the address that the server reads them from.",
        )
    return DocumentStore(address, read().workspace.storage)
