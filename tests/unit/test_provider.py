"""The keys of the OpenID Connect provider: kept, renewed when they change, and not asked for by everybody."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable

import pytest

from tests.unit.test_tokens import CLAIMS, KEY, OTHER_KEY, SETTINGS, sign
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.server.access.provider import FRESH_SECONDS, LONGEST_SECONDS, PAUSE_SECONDS, Provider
from zoo_staging.errors import Kind, StagingError

DOCUMENT = f"{SETTINGS.issuer}/.well-known/openid-configuration"
PLACE = "https://login.example.org/keys"


class Site:
    """A provider on the web, with its clock; the addresses that were asked for are counted."""

    def __init__(self) -> None:
        self.now, self.is_away = 1000.0, False
        self.asked: Counter[str] = Counter()
        self.keys = [KEY]
        self.document = {"issuer": SETTINGS.issuer, "jwks_uri": PLACE}
        self.provider = Provider(SETTINGS, self.read, lambda: self.now)

    async def read(self, address: str) -> bytes:
        self.asked[address] += 1
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
