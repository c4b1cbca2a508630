"""Commands of credentials that a server keeps for its workspaces: personal tokens, secrets."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.show import print_json, print_message
from zoo_runner.config.extras import extra

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.server.vault import Vault
    from zoo_runner.store.sql import SqlStore

ReadConfiguration = Callable[..., "Configuration"]
_workspace = click.argument("workspace")


def add_credentials(cli: click.Group, read: ReadConfiguration) -> None:
    """Add the commands to the command line."""
    _add_tokens(cli, read)
    _add_secrets(cli, read)


def _add_tokens(cli: click.Group, read: ReadConfiguration) -> None:
    @cli.group()
    def tokens() -> None:
        """Make, list or revoke personal tokens at a server, with its settings; people do so by its API."""

    @tokens.command()
    @_workspace
    @click.argument("owner")
    @click.option("--scope", "scopes", multiple=True, required=True, help="Action of policies, or job.*; repeatable.")
    @click.option("--title", default="", help="What it is for.")
    @click.option("--days", type=float, help="How long it holds. [default: ZOO_RUNNER_TOKEN_DAYS]")
    def create(workspace: str, owner: str, scopes: tuple[str, ...], title: str, days: float | None) -> None:
        """Make a token of OWNER for WORKSPACE, and print it: it is shown once."""
        from zoo_runner.config.identity import load_identity_settings

        with extra("fastapi"):
            from zoo_runner.server.access.personal_tokens import MOST_OF_AN_OWNER, build_token

        most = load_identity_settings(dict(os.environ)).token_days  # noqa: TID251
        request = {"title": title, "scopes": list(scopes), "days": most if days is None else days}
        token, text, digest = build_token(workspace, owner, request, most)
        with _open(read) as store:
            store.tokens.add(digest, replace(token, by_operator=True), MOST_OF_AN_OWNER)
            _record(store, "token.create", workspace, token.id)
        click.echo(text)
        print_message(f"token {token.id} of {owner} for {workspace}, until {token.expires}")

    @tokens.command("list")
    @click.option("--workspace", help="Only those of a workspace. [default: all]")
    @click.option("--owner", help="Only those of a person. [default: all]")
    def list_all(workspace: str | None, owner: str | None) -> None:
        """Print tokens as JSON, without their texts, which nobody has but their owners."""
        with extra("fastapi"):
            from zoo_runner.server.access.personal_tokens import describe_token

        with _open(read) as store:
            found = store.tokens.list_all(workspace, owner)
        print_json({"tokens": [{**describe_token(token), "workspace": token.workspace} for token in found]})

    @tokens.command()
    @click.argument("token_id", metavar="ID")
    def revoke(token_id: str) -> None:
        """Revoke the token of an id: no request is let in by it any more."""
        with _open(read) as store:
            token = store.tokens.remove(token_id)
            _record(store, "token.revoke", token.workspace, token.id)
        print_message(f"token {token.id} of {token.owner} for {token.workspace} is revoked")


def _add_secrets(cli: click.Group, read: ReadConfiguration) -> None:
    @cli.group()
    def secrets() -> None:
        """Set, list or remove secrets of a workspace at a server, with its settings; members do so by its API."""

    @secrets.command("set")
    @_workspace
    @click.argument("name")
    def put(workspace: str, name: str) -> None:
        """Set the secret NAME of WORKSPACE: its value is read from standard input, or asked for on a terminal."""
        given = click.prompt(name, hide_input=True) if sys.stdin.isatty() else sys.stdin.read().strip("\r\n")
        with _open(read) as store:
            _open_vault(store).put(workspace, name, given, None)
            _record(store, "secret.put", workspace, secret=name)
        print_message(f"{name} of {workspace} is set")

    @secrets.command("list")
    @_workspace
    def list_all(workspace: str) -> None:
        """Print the names of the secrets of WORKSPACE as JSON; nobody gets their values."""
        with _open(read) as store:
            found = store.secrets.list_all(workspace)
        print_json({"secrets": [{"name": one.name, "changed": one.changed, "caller": one.caller} for one in found]})

    @secrets.command()
    @_workspace
    @click.argument("name")
    def remove(workspace: str, name: str) -> None:
        """Remove the secret NAME of WORKSPACE."""
        with _open(read) as store:
            store.secrets.remove(workspace, name)
            _record(store, "secret.remove", workspace, secret=name)
        print_message(f"{name} of {workspace} is removed")

    @secrets.command()
    def rotate() -> None:
        """Encrypt all secrets, and tokens of steps, with the first key; the others may be removed then."""
        with _open(read) as store:
            print_message(f"{_open_vault(store).rotate()} secrets and tokens are encrypted with the first key")


def _open_vault(store: "SqlStore") -> "Vault":
    from zoo_runner.config.server import load_server_settings

    with extra("cryptography"):
        from zoo_runner.server.vault import open_vault

    return open_vault(store.secrets, load_server_settings(dict(os.environ)))  # noqa: TID251


def _record(
    store: "SqlStore", action: str, workspace: str, token: str | None = None, secret: str | None = None
) -> None:
    from zoo_runner.model import clock
    from zoo_runner.model.audit import COMMAND_LINE, AuditEntry

    store.audit.add(AuditEntry(clock.now(), workspace, COMMAND_LINE, action, 200, token=token, secret=secret))


@contextmanager
def _open(read: ReadConfiguration) -> "Iterator[SqlStore]":
    """Open the database of a server."""
    from zoo_runner.config.server import load_server_settings

    with extra("sqlalchemy"), extra("fastapi"), extra("uvicorn"):
        from zoo_runner.server.installation import open_store

    with closing(open_store(load_server_settings(dict(os.environ)), read())) as store:  # noqa: TID251
        yield store
