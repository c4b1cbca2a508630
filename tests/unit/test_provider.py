"""The keys of the OpenID Connect provider: kept, renewed when they change, and not asked for by everybody."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from tests.unit.test_tokens import CLAIMS, KEY, OTHER_KEY, SETTINGS, sign
from zoo_runner.config.identity import IdentitySettings
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.server.access.provider import FRESH_SECONDS, LONGEST_SECONDS, PAUSE_SECONDS, Provider
from zoo_staging.errors import Kind, StagingError

DOCUMENT = f"{SETTINGS.issuer}/.well-known/openid-configuration"
PLACE = "https://login.example.org/keys"
TOKENS = "https://login.example.org/token"


class Site:
    """A provider on the web, with its clock; the addresses that were asked for are counted."""

    def __init__(self, settings: IdentitySettings = SETTINGS) -> None:
        self.now, self.is_away = 1000.0, False
        self.asked: Counter[str] = Counter()
        self.keys = [KEY]
        self.tokens: dict[str, str] = {}
        self.sent: list[tuple[dict[str, str], tuple[str, ...]]] = []
        self.document = {"issuer": SETTINGS.issuer, "jwks_uri": PLACE}
        self.provider = Provider(settings, self.read, lambda: self.now)

    async def read(
        self, address: str, body: bytes | None = None, media_type: str = "", headers: tuple[str, ...] = ()
    ) -> bytes:
        self.asked[address] += 1
        if body is not None:
            self.sent.append((dict(parse_qsl(body.decode())), headers))
            return json.dumps(self.tokens).encode()
        # others get their turn, as they do while an answer comes
        await asyncio.sleep(0)
        if self.is_away:
            raise StagingError(Kind.UNREACHABLE, address, "no connection", "Look whether it runs.")
        keys = {"keys": [*(key.as_dict(private=False) for key in self.keys), {"kty": "of-tomorrow"}]}
        return json.dumps(self.document if address == DOCUMENT else keys).encode()


def run(*steps: Awaitable[object]) -> list[object]:
    async def gather() -> list[object]:
        return list(await asyncio.gather(*steps, return_exceptions=True))

    return asyncio.run(gather())


def test_many_requests_at_once_ask_for_the_keys_once() -> None:
    site = Site()
    callers = run(*(site.provider.identify(sign(CLAIMS)) for _ in range(20)))
    assert {str(caller) for caller in callers} == {str(callers[0])}
    assert site.asked == {DOCUMENT: 1, PLACE: 1}


def test_a_new_key_is_found_and_unknown_ones_do_not_have_the_provider_asked_again_and_again() -> None:
    site = Site()

    async def change() -> None:
        await site.provider.identify(sign(CLAIMS))
        site.keys = [OTHER_KEY]
        site.now += PAUSE_SECONDS
        assert (await site.provider.identify(sign(CLAIMS, OTHER_KEY))).name == "ada"
        for _ in range(50):
            with pytest.raises(InputError) as caught:
                await site.provider.identify(sign(CLAIMS, kid="forged"))
            assert caught.value.diagnosis.code == "identity.key"
        # the key that was taken back is no key any more
        with pytest.raises(InputError):
            await site.provider.identify(sign(CLAIMS))

    asyncio.run(change())
    assert site.asked[PLACE] == 2


def test_known_keys_outlive_a_provider_that_is_away_for_a_time() -> None:
    site = Site()

    async def leave() -> None:
        await site.provider.identify(sign(CLAIMS))
        site.is_away = True
        site.now += FRESH_SECONDS + 1
        assert (await site.provider.identify(sign(CLAIMS))).name == "ada"
        site.now += LONGEST_SECONDS
        with pytest.raises(EngineError) as caught:
            await site.provider.identify(sign(CLAIMS))
        assert caught.value.diagnosis.code == "identity.provider"

    asyncio.run(leave())


def test_a_provider_that_is_away_from_the_start_is_asked_once_in_a_while() -> None:
    site = Site()
    site.is_away = True
    errors = run(*(site.provider.identify(sign(CLAIMS)) for _ in range(20)))
    assert {type(error) for error in errors} == {EngineError}
    assert site.asked[DOCUMENT] == 1
    site.is_away = False
    site.now += PAUSE_SECONDS
    assert [str(caller) for caller in run(site.provider.identify(sign(CLAIMS)))] != [str(errors[0])]


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://login.example.org/realms/others", "jwks_uri": PLACE},
        {"issuer": SETTINGS.issuer},
        {"issuer": SETTINGS.issuer, "jwks_uri": "http://login.example.org/keys"},
        {"issuer": SETTINGS.issuer, "jwks_uri": "file:///etc/keys"},
    ],
)
def test_a_document_that_is_not_the_issuers_gives_no_keys(document: dict[str, str]) -> None:
    site = Site()
    site.document = document
    (error,) = run(site.provider.identify(sign(CLAIMS)))
    assert isinstance(error, EngineError)
    assert error.diagnosis.code == "identity.provider"


@pytest.mark.parametrize("secret", ["", "s:ecret"])
def test_a_code_is_exchanged_by_a_client_with_or_without_a_secret(secret: str) -> None:
    site = Site(replace(SETTINGS, client="pages", client_secret=secret))
    site.document |= {"authorization_endpoint": "https://login.example.org/auth", "token_endpoint": TOKENS}
    identity = sign({**CLAIMS, "aud": "pages", "nonce": "n"})
    site.tokens = {"id_token": identity, "access_token": sign(CLAIMS)}
    (caller,) = run(site.provider.exchange("c", "v", "https://eo.example.org/login/callback", "n"))
    assert getattr(caller, "name", None) == "ada", caller
    ((fields, headers),) = site.sent
    shown = {"grant_type": "authorization_code", "code": "c", "code_verifier": "v"}
    shown["redirect_uri"] = "https://eo.example.org/login/callback"
    assert fields == (shown if secret else {**shown, "client_id": "pages"})
    assert headers == (("Authorization: Basic cGFnZXM6cyUzQWVjcmV0",) if secret else ())


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        ({}, "login.exchange"),
        ({"id_token": sign({**CLAIMS, "aud": "pages", "nonce": "n"})}, "login.exchange"),
        ({"id_token": sign({**CLAIMS, "aud": "pages", "nonce": "m"}), "access_token": sign(CLAIMS)}, "identity.claim"),
        ({"id_token": sign({**CLAIMS, "aud": "pages", "nonce": "n"}), "access_token": "opaque"}, "identity.token"),
    ],
)
def test_an_exchange_without_the_tokens_of_this_login_lets_nobody_in(tokens: dict[str, str], code: str) -> None:
    site = Site(replace(SETTINGS, client="pages"))
    site.document |= {"authorization_endpoint": "https://login.example.org/auth", "token_endpoint": TOKENS}
    site.tokens = tokens
    (error,) = run(site.provider.exchange("c", "v", "https://eo.example.org/login/callback", "n"))
    assert isinstance(error, InputError)
    assert error.diagnosis.code == code


def test_a_provider_whose_addresses_for_logins_are_not_safe_has_none() -> None:
    site = Site(replace(SETTINGS, client="pages"))
    site.document |= {
        "authorization_endpoint": "https://login.example.org/auth",
        "token_endpoint": "http://a.example.org",
    }
    (error,) = run(site.provider.find_endpoints())
    assert isinstance(error, EngineError)
    assert error.diagnosis.code == "identity.provider"
