"""Logging in with a browser: where it is sent, and what it has to come back with; pure.

Sources: RFC 6749, section 4.1 (authorization code), RFC 7636 (PKCE, S256), RFC 9207 (`iss` in the answer), OpenID
Connect Core 1.0, section 3.1 (`nonce`).
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from urllib.parse import urlencode

from zoo_runner.config.identity import IdentitySettings
from zoo_runner.model import base64url
from zoo_runner.model.errors import InputError
from zoo_runner.server.invalid_requests import build_invalid

# a path of this server, which is put behind its address
_PATH = re.compile(r"/[^\x00-\x20\\\x7f]{0,2000}")
_MOST_CHARACTERS = 4096


@dataclass(frozen=True)
class Attempt:
    """A login that a browser has begun, which keeps this in a cookie until it comes back; `path` is where it goes then.

    The provider only gets to know digests or values that are worth nothing without the cookie.
    """

    state: str
    nonce: str
    verifier: str
    path: str


def is_path(path: str) -> bool:
    """Whether a login may lead there: a path of this server."""
    return _PATH.fullmatch(path) is not None


def begin_attempt(path: str) -> Attempt:
    """Begin a login; raises `InputError` (`request.invalid`) for what is no path of this server."""
    if not is_path(path):
        raise build_invalid(f"next is {path[:200]!r}", "Give a path of this server, such as /jobs.")
    return Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), path)


def write_attempt(attempt: Attempt) -> str:
    """Write an attempt as the value of a cookie."""
    return base64url.encode(json.dumps(asdict(attempt)).encode())


def read_attempt(cookie: str | None) -> Attempt | None:
    """Read the cookie of an attempt; None for one that is missing, or not ours."""
    if not cookie or len(cookie) > _MOST_CHARACTERS:
        return None
    try:
        found = json.loads(base64url.decode(cookie))
        attempt = Attempt(**found)
    except (ValueError, TypeError):
        return None
    texts = all(isinstance(value, str) and value for value in asdict(attempt).values())
    return attempt if texts and is_path(attempt.path) else None


def build_address(endpoint: str, settings: IdentitySettings, attempt: Attempt, redirect: str) -> str:
    """Build the address at the provider to which a browser is sent."""
    challenge = base64url.encode(sha256(attempt.verifier.encode()).digest())
    query = {
        "response_type": "code",
        "client_id": settings.client,
        "redirect_uri": redirect,
        "scope": " ".join(settings.scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def read_code(query: Mapping[str, str], attempt: Attempt | None, issuer: str) -> tuple[Attempt, str]:
    """Read with what a browser comes back from the provider: the attempt that it has begun, and a code for it.

    Raises `InputError` (`login.state`, `login.denied`).
    """
    if attempt is None or not secrets.compare_digest(query.get("state", "").encode(), attempt.state.encode()):
        raise _refuse_state("this browser has begun no login, or another one since then")
    if query.get("iss", issuer) != issuer:
        raise _refuse_state(f"it came from another provider ({query['iss'][:200]!r})")
    if "error" in query or not query.get("code"):
        said = " ".join(query[name][:200] for name in ("error", "error_description") if name in query)
        raise InputError(
            f"the provider has not let the person log in: {said or 'it gave no code'}",
            "Log in again, or ask the operator of the provider.",
            code="login.denied",
        )
    return attempt, query["code"]


def _refuse_state(why: str) -> InputError:
    return InputError(f"the login cannot go on: {why}", "Log in again, in one tab.", code="login.state")
