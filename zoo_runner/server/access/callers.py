"""The caller of a request: reads the bearer token or the session, or finds nobody where the server asks for none.

Source: RFC 6750, the bearer token in the header `Authorization` and the challenge of a refusal.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from zoo_runner.model.errors import InputError
from zoo_runner.server.access.development import DevelopmentToken
from zoo_runner.server.access.memberships import Memberships
from zoo_runner.server.access.personal_tokens import PREFIX, find_owner
from zoo_runner.server.access.provider import Provider
from zoo_runner.server.access.sessions import Sessions
from zoo_runner.server.access.tokens import REFUSALS, Caller, refuse
from zoo_runner.server.api import Api

_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="An access token of the OpenID Connect provider of this server, or a personal token.",
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


@dataclass(frozen=True)
class Means:
    """By what callers are known; None: not by that."""

    api: Api
    provider: Provider | None = None
    development: DevelopmentToken | None = None
    sessions: Sessions | None = None

    async def identify(self, request: Request, sent: HTTPAuthorizationCredentials | None) -> Caller:
        """Return who sends a token; raises `InputError`, and what `Provider` raises."""
        if sent is None:
            raise InputError(
                "the request has no bearer token, and this server asks for one",
                "Send the header `Authorization: Bearer …` with an access token of its OpenID Connect provider.",
                code="identity.missing",
            )
        text = sent.credentials
        if text.startswith(PREFIX):
            return await find_owner(self.api, text)
        if self.development and self.development.matches(text):
            return self.development.identify(request)
        if self.provider is None:
            raise refuse("identity.token", "this server accepts its development token and personal tokens only")
        caller = await self.provider.identify(text)
        await self.memberships.note(caller)
        return replace(caller, text=text)

    @cached_property
    def memberships(self) -> Memberships:
        """What the provider says of callers, for their personal tokens and sessions."""
        return Memberships(self.api)


def build_identity(means: Means | None) -> Identity:
    """Build what identifies callers; without a provider and a development token it finds nobody."""

    async def depend_on_nobody() -> None:
        return None

    async def find_nobody(_: Request) -> None:
        return None

    if means is None or (means.provider is None and means.development is None):
        return Identity(depend_on_nobody, find_nobody)

    async def identify(
        request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> Caller:
        return await means.identify(request, sent)

    async def find(request: Request) -> Caller:
        return await means.identify(request, await _BEARER(request))

    return Identity(identify, find) if means.sessions is None else _build_with_sessions(means, means.sessions)


def _build_with_sessions(means: Means, sessions: Sessions) -> Identity:
    """Build what identifies by a session where a request has no token."""

    async def depend(
        request: Request,
        sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        secret: Annotated[str | None, Depends(sessions.scheme)],
    ) -> Caller:
        if sent is not None or not secret:
            return await means.identify(request, sent)
        sessions.ensure_own(request)
        return await sessions.find(secret)

    async def find(request: Request) -> Caller:
        return await depend(request, await _BEARER(request), await sessions.scheme(request))

    return Identity(depend, find)


def find_challenge(code: str) -> str | None:
    """Return the value of `WWW-Authenticate` for an error of a request; None where it needs none."""
    return _CHALLENGES.get(code)
