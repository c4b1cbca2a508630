"""The caller of a request: reads the bearer token, or finds nobody where the server asks for none.

Source: RFC 6750, the bearer token in the header `Authorization` and the challenge of a refusal.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from zoo_runner.model.errors import InputError
from zoo_runner.server.access.provider import Provider
from zoo_runner.server.access.tokens import REFUSALS, Caller

_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="An access token of the OpenID Connect provider of this server.",
    auto_error=False,
)
_CHALLENGES = {"identity.missing": "Bearer", **dict.fromkeys(REFUSALS, 'Bearer error="invalid_token"')}


@dataclass(frozen=True)
class Identity:
    """Finds who sends a request: as a dependency of FastAPI, or of a request. None: anybody, without a provider.

    Both raise `InputError` without a token that is accepted, and what `Provider` raises.
    """

    depend: Callable[..., Awaitable[Caller | None]]
    find: Callable[[Request], Awaitable[Caller | None]]


def build_identity(provider: Provider | None) -> Identity:
    """Build what identifies by a provider; without one it finds nobody."""

    async def depend_on_nobody() -> None:
        return None

    async def find_nobody(_: Request) -> None:
        return None

    async def identify(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Caller:
        assert provider is not None
        if sent is None:
            raise InputError(
                "the request has no bearer token, and this server asks for one",
                "Send the header `Authorization: Bearer …` with an access token of its OpenID Connect provider.",
                code="identity.missing",
            )
        return await provider.identify(sent.credentials)

    async def find(request: Request) -> Caller:
        return await identify(await _BEARER(request))

    return Identity(depend_on_nobody, find_nobody) if provider is None else Identity(identify, find)


def find_challenge(code: str) -> str | None:
    """Return the value of `WWW-Authenticate` for an error of a request; None where it needs none."""
    return _CHALLENGES.get(code)
