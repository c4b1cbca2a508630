"""Who sends a request: what a bearer token says, once its signature and its claims hold; pure.

joserfc does the cryptography (JWS and JWT, RFC 7515 and 7519). Keys come from the provider only: those that a token
names or brings itself (`jku`, `jwk`, `x5u`, `x5c`) are not looked at.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import KeySet

from zoo_runner.config.identity import IdentitySettings
from zoo_runner.model import clock
from zoo_runner.model.errors import InputError

By = Literal["access-token", "session", "personal-token", "development-token"]
OPERATOR = "operator"
"""The role of those who operate the server."""
MOST_CHARACTERS = 16384
"""Longest token; as long as the headers of a request may be."""
# what providers issue beside access tokens; these name the client as their audience too
_OTHER_KINDS = ("ID", "Refresh", "Offline", "Logout")
_ACCESS_TYPES = ("", "jwt", "at+jwt", "application/at+jwt")


@dataclass(frozen=True)
class Caller:
    """Who sends a request, the workspaces that this caller may use, and the roles that this caller has.

    `by` is what the request has to show that; a personal token has an id (`token`) and the actions that it is for
    (`scopes`; None: all). Of a token of the provider, `issued` is when (a stored time; None where it does not say), and
    `text` the token itself.
    """

    name: str
    workspaces: frozenset[str]
    roles: frozenset[str] = frozenset()
    by: By = "access-token"
    scopes: frozenset[str] | None = None
    token: str | None = None
    issued: str | None = field(default=None, compare=False)
    text: str | None = field(default=None, compare=False, repr=False)


class UnknownKeyError(Exception):
    """No key of the provider has the id that a token names: it may be new."""


def read_caller(token: str, keys: KeySet, settings: IdentitySettings, now: float) -> Caller:
    """Verify a token and read who sent it; `now` is in seconds since 1970.

    Raises `InputError`, whose code (one of `REFUSALS`) and words say what is wrong, and `UnknownKeyError`.
    """
    decoded = _verify(token, keys, settings, settings.audience, now)
    _ensure_access_token(decoded.header, decoded.claims)
    return _build_caller(decoded.claims, settings)


def ensure_login(token: str, keys: KeySet, settings: IdentitySettings, nonce: str, now: float) -> None:
    """Verify the ID token of a login: it is for this server, and for the login with this nonce.

    Raises as `read_caller` does. Source: OpenID Connect Core 1.0, section 3.1.3.7.
    """
    claims = _verify(token, keys, settings, settings.client, now).claims
    if claims.get("nonce") != nonce:
        raise refuse("identity.claim", "it is of another login (nonce)")
    if claims.get("azp", settings.client) != settings.client:
        raise refuse("identity.audience", f"it was issued to another client, expected {settings.client!r}")


def _verify(token: str, keys: KeySet, settings: IdentitySettings, audience: str, now: float) -> jwt.Token:
    if len(token) > MOST_CHARACTERS:
        raise refuse("identity.token", f"it has {len(token)} characters, and at most {MOST_CHARACTERS} are read")
    try:
        decoded = jwt.decode(token, keys, algorithms=list(settings.algorithms))
        _build_registry(settings, audience, now).validate(decoded.claims)
    except InvalidKeyIdError as error:
        raise UnknownKeyError from error
    except ClaimError as error:
        raise _refuse_claim(error, settings.issuer, audience) from error
    # joserfc raises the other two for some keys and values that do not fit their algorithm
    except (JoseError, ValueError, TypeError) as error:
        raise _refuse_form(error, settings) from error
    return decoded


REFUSALS = (
    *("identity.token", "identity.algorithm", "identity.key", "identity.signature", "identity.kind"),
    *("identity.issuer", "identity.audience", "identity.expired", "identity.claim"),
    *("identity.revoked", "identity.owner"),
)
"""The codes of a token that is not accepted: its form, who signed it and how, what it is for."""


def refuse(code: str, why: str) -> InputError:
    """Build the error of a token that is not accepted."""
    return InputError(
        f"the token of the request is not accepted: {why}",
        "Get a new token for this service from the provider, and send it as `Authorization: Bearer …`.",
        code=code,
    )


def ensure_member(caller: Caller | None, workspace: str) -> None:
    """Refuse a caller who is not one of a workspace; raises `InputError`. None is anybody, where nobody is asked."""
    if caller is not None and workspace not in caller.workspaces:
        raise InputError(
            f"{caller.name} may not use the workspace {workspace}",
            "Use a workspace of your own, or ask its owner to let you in; then get a new token.",
            code="identity.workspace",
        )


def is_operator(caller: Caller) -> bool:
    """Whether a caller operates this server."""
    return OPERATOR in caller.roles


def ensure_operator(caller: Caller, action: str) -> None:
    """Refuse a caller who does not operate this server; raises `InputError` (`identity.role`)."""
    if not is_operator(caller):
        raise InputError(
            f"{caller.name} lacks the role {OPERATOR}, which this requires ({action})",
            "Ask an operator of this server.",
            code="identity.role",
        )


def _build_registry(settings: IdentitySettings, audience: str, now: float) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=settings.leeway_seconds,
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        sub={"essential": True},
    )


def _ensure_access_token(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Refuse what is signed by the same keys and is no access token (RFC 9068, section 4; Keycloak's claim `typ`)."""
    named = str(header.get("typ", "")).lower()
    if named not in _ACCESS_TYPES:
        raise refuse("identity.kind", f"it is of the type {named[:40]!r}, and not an access token")
    if claims.get("typ") in _OTHER_KINDS:
        raise refuse("identity.kind", f"it is of the kind {claims['typ']!r}, and not an access token")


def _refuse_claim(error: ClaimError, issuer: str, audience: str) -> InputError:
    if isinstance(error, ExpiredTokenError):
        return refuse("identity.expired", "it has expired")
    wanted = {"iss": ("identity.issuer", issuer), "aud": ("identity.audience", audience)}
    code, value = wanted.get(error.claim, ("identity.claim", ""))
    return refuse(code, f"{error.description}".rstrip(".") + (f", expected {value!r}" if value else ""))


def _refuse_form(error: Exception, settings: IdentitySettings) -> InputError:
    if isinstance(error, BadSignatureError):
        return refuse("identity.signature", "its signature is not that of the provider's key")
    if isinstance(error, UnsupportedAlgorithmError):
        return refuse("identity.algorithm", f"its algorithm is not one of {', '.join(settings.algorithms)}")
    return refuse("identity.token", "it is not a signed JSON Web Token")


def _build_caller(claims: Mapping[str, Any], settings: IdentitySettings) -> Caller:
    name = _find(claims, settings.name_claim) or claims["sub"]
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or not name.isprintable():
        raise refuse("identity.claim", f"its claim {settings.name_claim} is not a name")
    return Caller(
        name,
        # one who is in no group may have no such claim at all, as at Keycloak
        _read_names(_find(claims, settings.workspaces_claim)),
        _read_names(_find(claims, settings.roles_claim)),
        issued=_read_time(claims.get("iat")),
    )


def _read_time(claim: Any) -> str | None:
    """Read a time in seconds, as a stored time; none for another value: the claim `iat` is not required here."""
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    with suppress(ValueError, OverflowError, OSError):
        return clock.format_time(datetime.fromtimestamp(claim, timezone.utc))
    return None


def _read_names(claim: Any) -> frozenset[str]:
    """Read a list of names; a claim of another shape gives none rather than a wrong one."""
    return frozenset(
        one.removeprefix("/") for one in (claim if isinstance(claim, list) else ()) if isinstance(one, str)
    )


def _find(claims: Mapping[str, Any], path: str) -> Any:
    """Find a claim by its name, else inside of others by its parts; None where there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
