"""The caller of a request: the dependency that reads the bearer token, or nobody where the server asks for none.

Source: RFC 6750, the bearer token in the header `Authorization` and the challenge of a refusal.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
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

Identify = Callable[..., Awaitable[Caller | None]]
"""Finds who sends a request; a dependency of FastAPI. None: anybody, as the server has no provider."""


def build_identify(provider: Provider | None) -> Identify:
    """Build the dependency; it raises `InputError` without a token that is accepted, and what `Provider` raises."""

    async def find_nobody() -> None:
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

    return find_nobody if provider is None else identify


def find_challenge(code: str) -> str | None:
    """Return the value of `WWW-Authenticate` for an error of a request; None where it needs none."""
    return _CHALLENGES.get(code)
