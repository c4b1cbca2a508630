"""Sessions of people who have logged in: a secret in a cookie, of which the database keeps the digest.

A cookie comes with every request that a page has a browser send, also one of another site: who changes something by it
has to be a page of this server (`ensure_same_origin`).
Sources: RFC 6265bis (`__Host-`, SameSite), W3C Fetch Metadata Request Headers.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.security import APIKeyCookie
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_runner.model import clock
from zoo_runner.model.errors import InputError
from zoo_runner.model.session import Session
from zoo_runner.server.access.login import is_path
from zoo_runner.server.access.memberships import build_membership, limit_session
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api
from zoo_runner.server.cross_site import ensure_same_origin
from zoo_runner.server.pages.frame import LOGIN_STATE, LoginState

LOGIN = "/login"
_SAFE = ("GET", "HEAD", "OPTIONS")
# what is done with GET and is no reading
_CHANGING = frozenset({"execute_by_address"})
_SECONDS_PER_MINUTE = 60

FindBase = Callable[[Request], str]
"""Returns the address under which a request reaches the server."""


def build_login_address(request: Request, base: str) -> str:
    """Build the address of a login that leads back to the page of a request."""
    path = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return f"{base}{LOGIN}?{urlencode({'next': path if is_path(path) else '/'})}"


class Sessions:
    """The sessions of the server; their cookie is for this host only, and with https never sent without it."""

    def __init__(self, api: Api, find_base: FindBase, *, is_secure: bool) -> None:
        self._api, self.find_base, self.is_secure = api, find_base, is_secure
        self.scheme = APIKeyCookie(
            name=self.name("session"),
            scheme_name="session",
            description="The session of a person who has logged in at /login.",
            auto_error=False,
        )

    def name(self, part: str) -> str:
        """Return what a cookie is called; of these names browsers take them from this host only."""
        return f"{'__Host-' if self.is_secure else ''}zoo-runner-{part}"

    def set_cookie(self, response: Response, part: str, value: str, seconds: float) -> None:
        """Have the browser keep a value for so long, and send it to this host only."""
        response.set_cookie(self.name(part), value, int(seconds), secure=self.is_secure, httponly=True, samesite="lax")

    def delete_cookie(self, response: Response, part: str) -> None:
        """Have the browser forget a value."""
        response.delete_cookie(self.name(part), secure=self.is_secure, httponly=True, samesite="lax")

    def begin(self, caller: Caller) -> tuple[str, float]:
        """Begin the session of a person; returns its secret, and for how many seconds it holds."""
        secret, seconds = secrets.token_urlsafe(32), self._api.identity.session_minutes * _SECONDS_PER_MINUTE
        membership = build_membership(caller)
        self._api.store.memberships.put(membership)
        session = Session(
            caller.name,
            membership.workspaces,
            tuple(sorted(caller.roles)),
            membership.seen,
            clock.after(seconds),
        )
        self._api.store.sessions.add(_digest(secret), session)
        return secret, seconds

    def end(self, secret: str | None) -> str | None:
        """End a session; returns whose it was, None: it had ended already."""
        if not secret:
            return None
        session = self._api.store.sessions.find(_digest(secret), clock.now())
        self._api.store.sessions.remove(_digest(secret))
        return session.name if session else None

    async def find(self, secret: str) -> Caller:
        """Return whose session it is; raises `InputError` (`identity.session`)."""
        session = await self._api.read(lambda api: api.store.sessions.find(_digest(secret), clock.now()))
        if session is None:
            raise InputError("the session has ended", "Log in again at /login.", code="identity.session")
        caller = Caller(session.name, frozenset(session.workspaces), frozenset(session.roles), "session")
        membership = await self._api.read(lambda api: api.store.memberships.find(caller.name))
        return replace(caller, workspaces=limit_session(caller, session.begun, membership))

    def ensure_own(self, request: Request) -> None:
        """Refuse a request that changes something and that no page of this server sent; raises `InputError`."""
        route = request.scope.get("route")
        if request.method not in _SAFE or (route is not None and route.name in _CHANGING):
            ensure_same_origin(request, self.find_base(request))


def _digest(secret: str) -> str:
    # the secret is random, so that a slow digest with salt would make it no harder to guess
    return sha256(secret.encode()).hexdigest()


class Personal:
    """ASGI middleware: answers to who has a session are for this browser alone, and no cache in between keeps them."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions, self._sign = app, sessions, f"{sessions.name('session')}="

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_personal = self._sign in Headers(scope=scope).get("cookie", "")
        request = Request(scope)
        base = self._sessions.find_base(request)
        scope[LOGIN_STATE] = LoginState(base, build_login_address(request, base), is_personal)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Cookie")
                if is_personal:
                    headers.setdefault("Cache-Control", "private")
            await send(message)

        await self._app(scope, receive, send_marked)
