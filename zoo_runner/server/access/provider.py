"""The OpenID Connect provider: finds its keys, keeps them, and takes new ones when it changes them.

Sources: OpenID Connect Discovery 1.0, sections 3 and 4.3 (the issuer of the document is compared); OpenID Connect Core
1.0, section 10.1.1 (a key id that is unknown is a reason to look again).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import monotonic, time
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from zoo_runner.config.identity import IdentitySettings
from zoo_runner.model.errors import EngineError
from zoo_runner.server.access.fetching import Service
from zoo_runner.server.access.tokens import Caller, UnknownKeyError, read_caller, refuse
from zoo_staging.errors import StagingError
from zoo_staging.proxies import NO_PROXIES, Proxies

FRESH_SECONDS = 600.0
"""For so long keys are used without a look at the provider."""
LONGEST_SECONDS = 3600.0
"""For so long keys are used while the provider does not answer."""
PAUSE_SECONDS = 10.0
"""At most once in so many seconds a request has the provider asked: anybody can send tokens with unknown keys."""
_ANSWER_SECONDS = 10.0

Read = Callable[[str], Awaitable[bytes]]
"""Reads the document at an address; raises `StagingError`."""


class Provider:
    """Identifies callers by the provider's keys; one for the whole server, used in its event loop only."""

    def __init__(self, settings: IdentitySettings, read: Read, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._read, self._clock = settings, read, clock
        self._keys: KeySet | None = None
        self._failure: EngineError | None = None
        # when the keys came, and when they were last asked for
        self._came, self._asked = 0.0, -PAUSE_SECONDS
        self._lock = asyncio.Lock()

    async def identify(self, token: str) -> Caller:
        """Return who sent a token.

        Raises `InputError` where it is not accepted, and `EngineError` (`identity.provider`) where that cannot be
        judged, because the keys cannot be read.
        """
        keys = await self._find_keys()
        try:
            return read_caller(token, keys, self._settings, time())
        except UnknownKeyError:
            keys = await self._renew(keys)
        try:
            return read_caller(token, keys, self._settings, time())
        except UnknownKeyError as error:
            raise refuse("identity.key", "no key of the provider has the id that it names") from error

    async def _find_keys(self) -> KeySet:
        keys, age = self._keys, self._clock() - self._came
        if keys is not None and age < FRESH_SECONDS:
            return keys
        try:
            return await self._renew(keys)
        except EngineError:
            if keys is None or age > LONGEST_SECONDS:
                raise
            return keys

    async def _renew(self, known: KeySet | None) -> KeySet:
        """Ask the provider for its keys, unless that was done just now; raises `EngineError`."""
        async with self._lock:
            if self._keys is None or self._keys is known:
                await self._ask()
            if self._failure is not None:
                raise self._failure
            assert self._keys is not None
            return self._keys

    async def _ask(self) -> None:
        if self._clock() - self._asked < PAUSE_SECONDS:
            return
        self._asked, self._failure = self._clock(), None
        try:
            self._keys = await self._fetch()
            self._came = self._asked
        except EngineError as error:
            self._failure = error

    async def _fetch(self) -> KeySet:
        issuer = self._settings.issuer
        address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            place = _read_place(await self._read(address), issuer)
            # a key of a kind that is unknown here is left out
            keys: KeySet = KeySet.import_key_set(json.loads(await self._read(place)))
        except StagingError as error:
            raise _unavailable(issuer, error.reason) from error
        except (ValueError, KeyError, TypeError, JoseError, asyncio.TimeoutError) as error:
            raise _unavailable(issuer, f"{type(error).__name__}: {error}") from error
        return keys


def _read_place(data: bytes, issuer: str) -> str:
    """Read the address of the keys out of the provider's document; raises `ValueError`."""
    document = json.loads(data)
    named, place = (document.get(name) if isinstance(document, dict) else None for name in ("issuer", "jwks_uri"))
    if named != issuer:
        raise ValueError(f"its document names another issuer: {str(named)[:200]!r}")
    if not isinstance(place, str) or urlsplit(place).scheme not in ("https", urlsplit(issuer).scheme):
        raise ValueError("its document has no jwks_uri with https")
    return place


def _unavailable(issuer: str, why: str) -> EngineError:
    return EngineError(
        f"tokens cannot be verified, as the keys of {issuer} cannot be read: {why}",
        "Check that the provider runs and that ZOO_RUNNER_OIDC_ISSUER is its address; then send the request again.",
        code="identity.provider",
    )


def open_provider(settings: IdentitySettings, proxies: Proxies = NO_PROXIES) -> Provider:
    """Open the provider of the settings; nothing is asked yet."""
    # the place of its keys is the provider's word
    return Provider(settings, Service(settings.issuer, _ANSWER_SECONDS, proxies).read)
