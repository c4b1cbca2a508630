"""A token for those who develop against a server on their own machine: it is accepted from there only."""

import ipaddress
import secrets
from dataclasses import dataclass

from fastapi import Request

from zoo_runner.config.identity import LOOPBACK, IdentitySettings
from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.server.access.tokens import Caller

NAME = "developer"


@dataclass(frozen=True)
class DevelopmentToken:
    """The token of the settings, and the workspaces that it is for."""

    text: str
    workspaces: frozenset[str]

    def matches(self, text: str) -> bool:
        """Whether a token is this one."""
        return secrets.compare_digest(text.encode(), self.text.encode())

    def identify(self, request: Request) -> Caller:
        """Return the developer; raises `InputError` (`identity.development`) for a request of another machine."""
        client = request.client.host if request.client else ""
        if not _is_loopback(client):
            raise InputError(
                f"the development token is for this machine only, and the request comes from {client or 'elsewhere'}",
                "Use a token of the provider. Operators: unset ZOO_RUNNER_DEVELOPMENT_TOKEN where others can call.",
                code="identity.development",
            )
        return Caller(NAME, self.workspaces, by="development-token")


def open_development_token(settings: IdentitySettings, workspace: str) -> DevelopmentToken | None:
    """Open the token of the settings for the server's own workspace, and for those that they name."""
    if not settings.development_token:
        return None
    return DevelopmentToken(settings.development_token, frozenset({workspace, *settings.development_workspaces}))


def ensure_on_this_machine(settings: IdentitySettings, host: str) -> None:
    """Refuse to listen elsewhere with a development token; raises `SettingsError`."""
    if settings.development_token and not (host in LOOPBACK or _is_loopback(host)):
        raise SettingsError(
            f"ZOO_RUNNER_DEVELOPMENT_TOKEN is for this machine only, and the server would listen at {host}",
            "Listen at 127.0.0.1, or unset it and use a provider (ZOO_RUNNER_OIDC_ISSUER).",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
