"""Bearer tokens: what is forged, expired or meant for others is refused, and the reason is named."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.unit.messages import Check
from zoo_runner.config.identity import IdentitySettings, load_identity_settings
from zoo_runner.model import clock
from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.server.access.tokens import Caller, UnknownKeyError, ensure_member, read_caller

SETTINGS = IdentitySettings(issuer="https://login.example.org/realms/eo", audience="zoo-runner")
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True) for _ in range(2))
CURVE_KEY = ECKey.generate_key("P-256", auto_kid=True)
KEYS = KeySet.import_key_set(
    {"keys": [KEY.as_dict(private=False), OTHER_KEY.as_dict(private=False), CURVE_KEY.as_dict(private=False)]}
)
NOW = int(time.time())
CLAIMS = {
    "iss": SETTINGS.issuer,
    "aud": "zoo-runner",
    "sub": "3d1e",
    "iat": NOW,
    # longer than any run of the tests
    "exp": NOW + 3600,
    "preferred_username": "ada",
    "workspaces": ["/alpha", "beta"],
}


def sign(claims: Mapping[str, Any], key: Any = KEY, **header: Any) -> str:
    algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
    return jwt.encode({"alg": algorithm, "kid": key.kid, **header}, dict(claims), key, algorithms=["RS256", "ES256"])


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def write(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def confuse() -> str:
    """A token whose signature is made with the public key as if it were a shared secret."""
    text = f"{write({'alg': 'HS256', 'kid': KEY.kid})}.{write(CLAIMS)}"
    digest = hmac.new(KEY.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def bring_key() -> str:
    """A token that brings the key by which it is to be verified."""
    own = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "kid": KEY.kid, "jwk": own.as_dict(private=False)}, dict(CLAIMS), own)


def test_a_token_says_who_calls_and_for_which_workspaces() -> None:
    expected = Caller("ada", frozenset({"alpha", "beta"}))
    assert read_caller(sign(CLAIMS), KEYS, SETTINGS, NOW) == expected
    assert read_caller(sign(CLAIMS, CURVE_KEY), KEYS, SETTINGS, NOW) == expected
    assert read_caller(sign({**CLAIMS, "aud": ["account", "zoo-runner"]}), KEYS, SETTINGS, NOW) == expected
    assert read_caller(sign({**CLAIMS, "exp": NOW - 10}, typ="at+jwt"), KEYS, SETTINGS, NOW) == expected


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (sign({**CLAIMS, "exp": NOW - 60}), "identity.expired"),
        (sign({**CLAIMS, "nbf": NOW + 120}), "identity.claim"),
        (sign({**CLAIMS, "iat": NOW + 600}), "identity.claim"),
        (sign({**CLAIMS, "exp": str(NOW + 300)}), "identity.claim"),
        (sign(without("exp")), "identity.claim"),
        (sign(without("sub")), "identity.claim"),
        (sign({**CLAIMS, "preferred_username": "a\nb"}), "identity.claim"),
        (sign({**CLAIMS, "preferred_username": 7}), "identity.claim"),
        (sign({**CLAIMS, "aud": ["account"]}), "identity.audience"),
        (sign(without("aud")), "identity.audience"),
        (sign({**CLAIMS, "iss": "https://login.example.org/realms/others"}), "identity.issuer"),
        (sign({**CLAIMS, "typ": "ID"}), "identity.kind"),
        (sign({**CLAIMS, "typ": "Refresh"}), "identity.kind"),
        (sign(CLAIMS, typ="logout+jwt"), "identity.kind"),
        (f"{write({'alg': 'none'})}.{write(CLAIMS)}.", "identity.algorithm"),
        (confuse(), "identity.algorithm"),
        (sign(CLAIMS, OTHER_KEY, kid=KEY.kid), "identity.signature"),
        (sign(CLAIMS)[:-6] + "AAAAAA", "identity.signature"),
        (f"{sign(CLAIMS).rpartition('.')[0]}.", "identity.signature"),
        (bring_key(), "identity.token"),
        (sign(CLAIMS, KEY, kid=CURVE_KEY.kid), "identity.token"),
        (f"{write({'alg': 'RS256', 'kid': KEY.kid, 'crit': ['exp']})}.{write(CLAIMS)}.AA", "identity.token"),
        ("abc", "identity.token"),
        ("a.b.c", "identity.token"),
        ("é.ü.ß", "identity.token"),
        ("x" * 20_000, "identity.token"),
    ],
)
def test_a_token_that_is_not_for_this_service_is_refused_with_the_reason(token: str, code: str, check: Check) -> None:
    with pytest.raises(InputError) as caught:
        read_caller(token, KEYS, SETTINGS, NOW)
    assert token not in check(caught.value, code).cause


def test_a_key_that_is_not_known_is_reported_for_another_look() -> None:
    with pytest.raises(UnknownKeyError):
        read_caller(sign(CLAIMS, kid="new"), KEYS, SETTINGS, NOW)


def test_workspaces_are_read_where_the_settings_say() -> None:
    settings = IdentitySettings(
        SETTINGS.issuer, SETTINGS.audience, workspaces_claim="realm_access.roles", name_claim="email"
    )
    token = sign({**CLAIMS, "realm_access": {"roles": ["gamma", 7]}})
    assert read_caller(token, KEYS, settings, NOW) == Caller("3d1e", frozenset({"gamma"}))
    # of another shape it gives none: a text has every letter as a member
    assert read_caller(sign({**CLAIMS, "workspaces": "alpha"}), KEYS, SETTINGS, NOW).workspaces == frozenset()


def test_a_caller_uses_own_workspaces_only() -> None:
    ada = Caller("ada", frozenset({"alpha"}))
    ensure_member(ada, "alpha")
    ensure_member(None, "alpha")
    with pytest.raises(InputError) as caught:
        ensure_member(ada, "beta")
    assert caught.value.diagnosis.code == "identity.workspace"


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"ZOO_RUNNER_OIDC_ISSUER": "http://login.example.org"}, "ZOO_RUNNER_OIDC_ISSUER"),
        ({"ZOO_RUNNER_OIDC_ISSUER": "login.example.org"}, "ZOO_RUNNER_OIDC_ISSUER"),
        ({"ZOO_RUNNER_OIDC_ISSUER": "https://[bad"}, "ZOO_RUNNER_OIDC_ISSUER"),
        ({"ZOO_RUNNER_OIDC_AUDIENCE": ""}, "ZOO_RUNNER_OIDC_AUDIENCE"),
        ({"ZOO_RUNNER_OIDC_ALGORITHMS": "RS256,HS256"}, "HS256"),
        ({"ZOO_RUNNER_OIDC_ALGORITHMS": "none"}, "none"),
        ({"ZOO_RUNNER_OIDC_LEEWAY": "86400"}, "86400"),
        ({"ZOO_RUNNER_OPA_URL": "http://opa.example.org/v1/data/zoo_runner/decision"}, "ZOO_RUNNER_OPA_URL"),
        ({"ZOO_RUNNER_OPA_CACHE": "3600"}, "3600"),
    ],
)
def test_settings_that_would_accept_too_much_are_refused(variables: Mapping[str, str], word: str) -> None:
    usual = {"ZOO_RUNNER_OIDC_ISSUER": SETTINGS.issuer, "ZOO_RUNNER_OIDC_AUDIENCE": "zoo-runner"}
    assert load_identity_settings(usual) == SETTINGS
    with pytest.raises(SettingsError, match=word):
        load_identity_settings({**usual, **variables})


def test_a_caller_has_when_the_token_was_issued_and_without_the_claim_no_workspace() -> None:
    path = SETTINGS.workspaces_claim
    for claims, issued, workspaces in (
        ({}, clock.format_time(datetime.fromtimestamp(NOW, timezone.utc)), {"alpha", "beta"}),
        ({"iat": None, path: []}, None, set()),
        ({path: None}, clock.format_time(datetime.fromtimestamp(NOW, timezone.utc)), set()),
    ):
        sent = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
        found = read_caller(sign(sent), KEYS, SETTINGS, NOW)
        assert (found.issued, set(found.workspaces)) == (issued, workspaces)
