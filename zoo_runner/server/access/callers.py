"""The caller of a request: reads the bearer token or the session, or finds nobody where the server asks for none.

Source: RFC 6750, the bearer token in the header `Authorization` and the challenge of a refusal.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from zoo_runner.model.errors import InputError
from zoo_runner.server.access.provider import Provider
from zoo_runner.server.access.sessions import Sessions
from zoo_runner.server.access.tokens import REFUSALS, Caller

_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="An access token of the OpenID Connect provider of this server.",
    auto_error=False,
)
_CHALLENGES = {
    **dict.fromkeys(("identity.missing", "identity.session"), "Bearer"),
    **dict.fromkeys(REFUSALS, 'Bearer error="invalid_token"'),
}


@dataclass(frozen=True)
class Identity:
    """Finds who sends a request: as a dependency of FastAPI, or of a request. None: anybody, without a provider.

    Both raise `InputError` without a token that is accepted, and what `Provider` raises.
    """

    depend: Callable[..., Awaitable[Caller | None]]
    find: Callable[[Request], Awaitable[Caller | None]]


def build_identity(provider: Provider | None, sessions: Sessions | None = None) -> Identity:
    """Build what identifies by a provider, and by sessions where there are some; without a provider it finds nobody."""

    async def depend_on_nobody() -> None:
        return None

    async def find_nobody(_: Request) -> None:
        return None

    if provider is None:
        return Identity(depend_on_nobody, find_nobody)

    async def identify(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Caller:
        if sent is None:
            raise InputError(
                "the request has no bearer token, and this server asks for one",
                "Send the header `Authorization: Bearer …` with an access token of its OpenID Connect provider.",
                code="identity.missing",
            )
        return await provider.identify(sent.credentials)

    async def find(request: Request) -> Caller:
        return await identify(await _BEARER(request))

    return Identity(identify, find) if sessions is None else _build_with_sessions(identify, sessions)


def _build_with_sessions(
    identify: Callable[[HTTPAuthorizationCredentials | None], Awaitable[Caller]], sessions: Sessions
) -> Identity:
    """Build what identifies by a session where a request has no token."""

    async def depend(
        request: Request,
        sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        secret: Annotated[str | None, Depends(sessions.scheme)],
    ) -> Caller:
        if sent is not None or not secret:
            return await identify(sent)
        sessions.ensure_own(request)
        return await sessions.find(secret)

    async def find(request: Request) -> Caller:
        return await depend(request, await _BEARER(request), await sessions.scheme(request))

    return Identity(depend, find)


def find_challenge(code: str) -> str | None:
    """Return the value of `WWW-Authenticate` for an error of a request; None where it needs none."""
    return _CHALLENGES.get(code)
