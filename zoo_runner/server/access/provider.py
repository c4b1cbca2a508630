"""The OpenID Connect provider: finds its keys, keeps them, and takes new ones when it changes them; exchanges codes.

Sources: OpenID Connect Discovery 1.0, sections 3 and 4.3 (the issuer of the document is compared); OpenID Connect Core
1.0, sections 3.1.3 (exchange of a code) and 10.1.1 (a key id that is unknown is a reason to look again).
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic, time
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from zoo_runner.config.identity import IdentitySettings
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.server.access.fetching import FORM, JSON, Service
from zoo_runner.server.access.tokens import Caller, UnknownKeyError, ensure_login, read_caller, refuse
from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.proxies import NO_PROXIES, Proxies

FRESH_SECONDS = 600.0
"""For so long keys are used without a look at the provider."""
LONGEST_SECONDS = 3600.0
"""For so long keys are used while the provider does not answer."""
PAUSE_SECONDS = 10.0
"""At most once in so many seconds a request has the provider asked: anybody can send tokens with unknown keys."""
_ANSWER_SECONDS = 10.0

T = TypeVar("T")


class Read(Protocol):
    """Reads the document at an address, or the answer to a body; raises `StagingError`."""

    async def __call__(
        self, address: str, body: bytes | None = None, media_type: str = JSON, headers: tuple[str, ...] = ()
    ) -> bytes:
        """Return its bytes."""
        ...


@dataclass(frozen=True)
class Endpoints:
    """Where the provider has its keys, where people log in and out, and where tokens are revoked.

    None and empty: it does not say.
    """

    keys: str
    authorization: str = ""
    token: str = ""
    end_session: str | None = None
    revocation: str = ""


@dataclass(frozen=True)
class _Known:
    """What the provider publishes."""

    endpoints: Endpoints
    keys: KeySet


class Provider:
    """Identifies callers by the provider's keys; one for the whole server, used in its event loop only."""

    def __init__(self, settings: IdentitySettings, read: Read, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._read, self._clock = settings, read, clock
        self._known: _Known | None = None
        self._failure: EngineError | None = None
        # when the keys came, and when they were last asked for
        self._came, self._asked = 0.0, -PAUSE_SECONDS
        self._lock = asyncio.Lock()

    @property
    def client(self) -> str:
        """What this server is called at the provider."""
        return self._settings.client

    async def identify(self, token: str) -> Caller:
        """Return who sent a token.

        Raises `InputError` where it is not accepted, and `EngineError` (`identity.provider`) where that cannot be
        judged, because the keys cannot be read.
        """
        return await self._judge(lambda keys: read_caller(token, keys, self._settings, time()))

    async def find_endpoints(self) -> Endpoints:
        """Return where people log in; raises `EngineError` (`identity.provider`)."""
        endpoints = (await self._find_known()).endpoints
        if not (endpoints.authorization and endpoints.token):
            raise _unavailable(self._settings.issuer, "its document has no addresses with https for logins")
        return endpoints

    async def find_place(self, name: Literal["token", "revocation"]) -> str:
        """Return the address at which tokens are issued or revoked; raises `EngineError` (`identity.provider`)."""
        endpoints = (await self._find_known()).endpoints
        place = endpoints.token if name == "token" else endpoints.revocation
        if not place:
            raise EngineError(
                f"the document of {self._settings.issuer} has no {name}_endpoint with https",
                "Check what the provider publishes below …/.well-known/openid-configuration.",
                code="identity.provider",
            )
        return place

    async def ask(self, name: Literal["token", "revocation"], fields: Mapping[str, str]) -> bytes:
        """Send a form there, as the client that this server is at the provider, and return the answer.

        Raises `StagingError`, `asyncio.TimeoutError`, `EngineError` (`identity.provider`).
        """
        place = await self.find_place(name)
        return await self._read(place, urlencode(fields).encode(), FORM, _authorize(self._settings))

    async def exchange(self, code: str, verifier: str, redirect: str, nonce: str) -> Caller:
        """Return who has logged in, for the code that the browser has brought to the address `redirect`.

        Raises `InputError` (`login.exchange`, and as `identify` does), `EngineError` (`identity.provider`).
        """
        await self.find_endpoints()
        try:
            found = json.loads(await self.ask("token", _build_exchange(self._settings, code, verifier, redirect)))
            identity, access = (found[name] for name in ("id_token", "access_token"))
        except StagingError as error:
            is_away = isinstance(error, RetryableError) or error.kind in (Kind.UNREACHABLE, Kind.TIMEOUT)
            raise (
                _unavailable(self._settings.issuer, error.reason) if is_away else _refuse_code(error.reason)
            ) from error
        except asyncio.TimeoutError as error:
            raise _unavailable(self._settings.issuer, "it did not answer in time") from error
        except (ValueError, KeyError, TypeError) as error:
            raise _refuse_code(f"its answer has no tokens ({type(error).__name__})") from error
        await self._judge(lambda keys: ensure_login(str(identity), keys, self._settings, nonce, time()))
        return await self.identify(str(access))

    async def _judge(self, judge: Callable[[KeySet], T]) -> T:
        known = await self._find_known()
        try:
            return judge(known.keys)
        except UnknownKeyError:
            known = await self._renew(known)
        try:
            return judge(known.keys)
        except UnknownKeyError as error:
            raise refuse("identity.key", "no key of the provider has the id that it names") from error

    async def _find_known(self) -> _Known:
        known, age = self._known, self._clock() - self._came
        if known is not None and age < FRESH_SECONDS:
            return known
        try:
            return await self._renew(known)
        except EngineError:
            if known is None or age > LONGEST_SECONDS:
                raise
            return known

    async def _renew(self, known: _Known | None) -> _Known:
        """Ask the provider what it publishes, unless that was done just now; raises `EngineError`."""
        async with self._lock:
            if self._known is None or self._known is known:
                await self._ask()
            if self._failure is not None:
                raise self._failure
            assert self._known is not None
            return self._known

    async def _ask(self) -> None:
        if self._clock() - self._asked < PAUSE_SECONDS:
            return
        self._asked, self._failure = self._clock(), None
        try:
            self._known = await self._fetch()
            self._came = self._asked
        except EngineError as error:
            self._failure = error

    async def _fetch(self) -> _Known:
        issuer = self._settings.issuer
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            endpoints = _read_endpoints(await self._read(address), issuer)
            # a key of a kind that is unknown here is left out
            keys: KeySet = KeySet.import_key_set(json.loads(await self._read(endpoints.keys)))
        except StagingError as error:
            raise _unavailable(issuer, error.reason) from error
        except (ValueError, KeyError, TypeError, JoseError, asyncio.TimeoutError) as error:
            raise _unavailable(issuer, f"{type(error).__name__}: {error}") from error
        return _Known(endpoints, keys)


def _read_endpoints(data: bytes, issuer: str) -> Endpoints:
    """Read the provider's document; raises `ValueError`. Addresses that are not as safe as its own are left out."""
    found = json.loads(data)
    document: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if (named := document.get("issuer")) != issuer:
        raise ValueError(f"its document names another issuer: {str(named)[:200]!r}")

    def read(name: str) -> str:
        place = document.get(name)
        is_safe = isinstance(place, str) and urlsplit(place).scheme in ("https", urlsplit(issuer).scheme)
        return str(place) if is_safe else ""

    if not (keys := read("jwks_uri")):
        raise ValueError("its document has no jwks_uri with https")
    end_session = read("end_session_endpoint") or None
    authorization, token, revocation = (read(f"{name}_endpoint") for name in ("authorization", "token", "revocation"))
    return Endpoints(keys, authorization, token, end_session, revocation)


def _build_exchange(settings: IdentitySettings, code: str, verifier: str, redirect: str) -> dict[str, str]:
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect}
    return fields if settings.client_secret else {**fields, "client_id": settings.client}


def _authorize(settings: IdentitySettings) -> tuple[str, ...]:
    """Build the header by which a confidential client says who it is (RFC 6749, section 2.3.1)."""
    if not settings.client_secret:
        return ()
    words = f"{quote_plus(settings.client)}:{quote_plus(settings.client_secret)}"
    return (f"Authorization: Basic {base64.b64encode(words.encode()).decode()}",)


def _refuse_code(why: str) -> InputError:
    return InputError(
        f"the login did not succeed, as the provider gave no tokens for its code: {why}",
        "Log in again. Operators: compare ZOO_RUNNER_OIDC_CLIENT, its secret and its redirect address with the"
        " provider's.",
        code="login.exchange",
    )


def _unavailable(issuer: str, why: str) -> EngineError:
    return EngineError(
        f"tokens cannot be verified, as the keys of {issuer} cannot be read: {why}",
        "Check that the provider runs and that ZOO_RUNNER_OIDC_ISSUER is its address; then send the request again.",
        code="identity.provider",
    )


@asynccontextmanager
async def using_provider(settings: IdentitySettings, proxies: Proxies = NO_PROXIES) -> AsyncIterator[Provider]:
    """Give the provider of the settings for a block, with connections of its own, in any event loop."""
    service = Service(settings.issuer, _ANSWER_SECONDS, proxies)
    try:
        yield Provider(settings, service.read)
    finally:
        await service.close()


def open_provider(settings: IdentitySettings, proxies: Proxies = NO_PROXIES) -> Provider:
    """Open the provider of the settings; nothing is asked yet."""
    # the place of its keys is the provider's word
    return Provider(settings, Service(settings.issuer, _ANSWER_SECONDS, proxies).read)
