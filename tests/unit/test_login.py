"""Logins and sessions without a provider: what a browser is sent with, what it may come back with, and its cookies."""

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import Request, Response

from tests.unit.messages import Check
from tests.unit.test_tokens import CLAIMS, KEYS, NOW, sign
from zoo_runner.config.identity import IdentitySettings, load_identity_settings
from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.server.access.login import (
    Attempt,
    begin_attempt,
    build_address,
    read_attempt,
    read_code,
    write_attempt,
)
from zoo_runner.server.access.sessions import Sessions, build_login_address
from zoo_runner.server.access.tokens import ensure_login
from zoo_runner.server.api import Api
from zoo_runner.server.cross_site import ensure_same_origin

ISSUER = "https://login.example.org/realms/eo"
SETTINGS = IdentitySettings(issuer=ISSUER, audience="zoo-runner", client="pages")
ATTEMPT = Attempt("state", "nonce", "verifier", "/jobs")
OF_A_LOGIN = {**CLAIMS, "aud": "pages", "nonce": "nonce"}


def build_request(headers: Mapping[str, str], method: str = "POST") -> Request:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/", "headers": pairs, "query_string": b""})


def test_a_login_sends_a_challenge_and_keeps_its_verifier() -> None:
    attempt = begin_attempt("/jobs?status=failed")
    address = build_address(
        "https://login.example.org/auth?a=b", SETTINGS, attempt, "https://eo.example.org/login/callback"
    )
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    digest = base64.urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
    assert query == {
        "a": "b",
        "response_type": "code",
        "client_id": "pages",
        "redirect_uri": "https://eo.example.org/login/callback",
        "scope": "openid",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": digest,
        "code_challenge_method": "S256",
    }
    assert attempt.verifier not in address
    # RFC 7636, section 4.1
    assert 43 <= len(attempt.verifier) <= 128
    assert read_attempt(write_attempt(attempt)) == attempt
    assert begin_attempt("/") != begin_attempt("/")


@pytest.mark.parametrize(
    "path", ["", "jobs", "https://evil.example.org", ".evil.example.org", "/\\evil", "/a\nb", "/a b"]
)
def test_a_login_leads_to_a_path_of_this_server(path: str, check: Check) -> None:
    with pytest.raises(InputError) as caught:
        begin_attempt(path)
    check(caught.value, "request.invalid", repr(path))
    assert read_attempt(write_attempt(Attempt("s", "n", "v", path))) is None


@pytest.mark.parametrize(
    "cookie", [None, "", "!", "e30", "W10", base64.b64encode(b'{"state": 1}').decode(), "a" * 5000]
)
def test_a_cookie_that_is_not_ours_is_no_login(cookie: str | None) -> None:
    assert read_attempt(cookie) is None


@pytest.mark.parametrize(
    ("query", "attempt", "code"),
    [
        ({"state": "state", "code": "c"}, None, "login.state"),
        ({"state": "other", "code": "c"}, ATTEMPT, "login.state"),
        ({"code": "c"}, ATTEMPT, "login.state"),
        ({"state": "statée", "code": "c"}, ATTEMPT, "login.state"),
        ({"state": "state", "code": "c", "iss": "https://other.example.org"}, ATTEMPT, "login.state"),
        ({"state": "state", "error": "access_denied", "error_description": "no"}, ATTEMPT, "login.denied"),
        ({"state": "state"}, ATTEMPT, "login.denied"),
    ],
)
def test_a_browser_that_comes_back_otherwise_is_refused(
    query: dict[str, str], attempt: Attempt | None, code: str, check: Check
) -> None:
    with pytest.raises(InputError) as caught:
        read_code(query, attempt, ISSUER)
    check(caught.value, code)


def test_a_browser_comes_back_with_a_code() -> None:
    query = {"state": "state", "code": "c", "iss": ISSUER}
    assert read_code(query, ATTEMPT, ISSUER) == (ATTEMPT, "c")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({**OF_A_LOGIN, "nonce": "other"}, "identity.claim"),
        ({name: value for name, value in OF_A_LOGIN.items() if name != "nonce"}, "identity.claim"),
        ({**OF_A_LOGIN, "aud": "zoo-runner"}, "identity.audience"),
        ({**OF_A_LOGIN, "aud": ["pages", "other"], "azp": "other"}, "identity.audience"),
        ({**OF_A_LOGIN, "iss": "https://other.example.org"}, "identity.issuer"),
        ({**OF_A_LOGIN, "exp": NOW - 60}, "identity.expired"),
    ],
)
def test_an_id_token_of_another_login_is_refused(claims: Mapping[str, Any], code: str) -> None:
    with pytest.raises(InputError) as caught:
        ensure_login(sign(claims), KEYS, SETTINGS, "nonce", NOW)
    assert caught.value.diagnosis.code == code


def test_the_id_token_of_this_login_is_accepted() -> None:
    ensure_login(sign(OF_A_LOGIN), KEYS, SETTINGS, "nonce", NOW)
    ensure_login(sign({**OF_A_LOGIN, "azp": "pages"}), KEYS, SETTINGS, "nonce", NOW)


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://eo.example.org"}, True),
        ({"Origin": "https://EO.example.org"}, True),
        ({"Origin": "https://evil.example.org", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://eo.example.org", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "http://eo.example.org"}, False),
        ({"Origin": "https://eo.example.org:8443"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Referer": "https://eo.example.org/"}, False),
        ({}, False),
    ],
)
def test_a_page_of_this_server_is_known_by_what_its_browser_says(
    headers: dict[str, str], is_own: bool, check: Check
) -> None:
    request = build_request(headers)
    if is_own:
        ensure_same_origin(request, "https://eo.example.org/ogc")
        return
    with pytest.raises(InputError) as caught:
        ensure_same_origin(request, "https://eo.example.org/ogc")
    check(caught.value, "request.cross-site")


@pytest.mark.parametrize("is_secure", [True, False])
def test_cookies_are_for_this_host_and_no_script(is_secure: bool) -> None:
    sessions, response = Sessions(cast(Api, None), lambda _: "", is_secure=is_secure), Response()
    sessions.set_cookie(response, "session", "secret", 60.9)
    value = response.headers["set-cookie"].lower()
    assert value.startswith(f"{'__host-' if is_secure else ''}zoo-runner-session=secret;")
    assert {"httponly", "samesite=lax", "path=/", "max-age=60"} <= set(value.split("; "))
    assert ("secure" in value.split("; ")) == is_secure
    assert "domain" not in value


@pytest.mark.parametrize(
    "settings",
    [
        {"ZOO_RUNNER_OIDC_CLIENT": "pages"},
        {"ZOO_RUNNER_OIDC_CLIENT": "pages", "ZOO_RUNNER_OIDC_SCOPES": "email"},
        {"ZOO_RUNNER_SESSION_MINUTES": "1441"},
    ],
)
def test_settings_of_logins_that_cannot_be_are_refused(settings: dict[str, str]) -> None:
    provider = {"ZOO_RUNNER_OIDC_ISSUER": ISSUER, "ZOO_RUNNER_OIDC_AUDIENCE": "zoo-runner"}
    given = settings if len(settings) == 1 and "ZOO_RUNNER_OIDC_CLIENT" in settings else provider | settings
    with pytest.raises(SettingsError) as caught:
        load_identity_settings(given)
    assert list(settings)[-1] in caught.value.diagnosis.cause


def test_an_attempt_is_worth_nothing_in_another_form() -> None:
    extra = base64.urlsafe_b64encode(json.dumps({**ATTEMPT.__dict__, "more": "x"}).encode()).decode()
    assert read_attempt(extra) is None


@pytest.mark.parametrize(
    ("path", "expected"), [("/jobs/1/logs/step one.log", "/jobs/1/logs/step%20one.log"), ("/" * 2002, "/")]
)
def test_a_login_leads_back_to_any_page(path: str, expected: str) -> None:
    scope = {"type": "http", "path": path, "query_string": b"", "headers": [], "server": ("eo.example", 80)}
    address = build_login_address(Request({**scope, "scheme": "http", "method": "GET"}), "http://eo.example")
    assert parse_qs(urlsplit(address).query)["next"] == [expected]
