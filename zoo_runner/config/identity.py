"""Settings of who may call the server: an OpenID Connect provider, what its tokens say, and a policy agent."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from zoo_runner.config.settings import read_fields, setting
from zoo_runner.model.errors import SettingsError

# asymmetric ones: a key that only verifies is no secret
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
_LONGEST_CACHE_SECONDS = 60
_LONGEST_SESSION_MINUTES = 1440
_LONGEST_TOKEN_DAYS = 3660
_LONGEST_CONFIRM_DAYS = 365
_SHORTEST_DEVELOPMENT_TOKEN = 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""The hosts of addresses that lead to the machine that asks."""


@dataclass(frozen=True)
class IdentitySettings:
    """Whose tokens are accepted, which of their claims have the name and the workspaces of a caller, and who decides.

    A claim inside of another is written with dots: `realm_access.roles`.
    """

    issuer: str = setting(
        "ZOO_RUNNER_OIDC_ISSUER",
        "",
        "Address of the OpenID Connect provider whose bearer tokens callers must send; unset: everyone may call.",
    )
    audience: str = setting(
        "ZOO_RUNNER_OIDC_AUDIENCE", "", "What tokens must name as their audience (`aud`); needed with an issuer."
    )
    algorithms: tuple[str, ...] = setting(
        "ZOO_RUNNER_OIDC_ALGORITHMS",
        ("RS256", "PS256", "ES256"),
        "Algorithms of signatures that are accepted, separated by commas; none with a shared secret.",
    )
    workspaces_claim: str = setting(
        "ZOO_RUNNER_OIDC_WORKSPACES_CLAIM",
        "workspaces",
        "Claim with the names of a caller's workspaces, a list; a leading slash, as of Keycloak's groups, is left out.",
    )
    name_claim: str = setting(
        "ZOO_RUNNER_OIDC_NAME_CLAIM",
        "preferred_username",
        "Claim with the name under which the jobs of a caller are recorded; tokens without it: `sub`.",
    )
    roles_claim: str = setting(
        "ZOO_RUNNER_OIDC_ROLES_CLAIM",
        "roles",
        "Claim with the roles of a caller, a list; `operator` may read the audit log of workspaces.",
    )
    leeway_seconds: int = setting(
        "ZOO_RUNNER_OIDC_LEEWAY", 30, "How far the clocks of provider and server may differ, in seconds."
    )
    client: str = setting(
        "ZOO_RUNNER_OIDC_CLIENT",
        "",
        "Name of this server as a client of the provider, by which people log in with a browser, and tokens for steps"
        " are exchanged; its redirect address there is …/login/callback. Needs https, or this machine. Unset: no login,"
        " programs send tokens.",
    )
    client_secret: str = setting(
        "ZOO_RUNNER_OIDC_CLIENT_SECRET", "", "Secret of that client. Unset: the provider knows it as a public one."
    )
    scopes: tuple[str, ...] = setting(
        "ZOO_RUNNER_OIDC_SCOPES", ("openid",), "Scopes that a login asks for, separated by commas; `openid` is needed."
    )
    session_minutes: float = setting(
        "ZOO_RUNNER_SESSION_MINUTES",
        60.0,
        "How long a login holds, at most 1440; the next one needs no password while the provider knows the person.",
    )
    token_days: float = setting(
        "ZOO_RUNNER_TOKEN_DAYS", 90.0, "Longest time for which a personal token may hold, in days, at most 3660."
    )
    token_confirm_days: float = setting(
        "ZOO_RUNNER_TOKEN_CONFIRM_DAYS",
        14.0,
        "A personal token is refused where its owner has not logged in or sent a token of the provider for so many"
        " days, until the owner does; at most 365.",
    )
    development_token: str = setting(
        "ZOO_RUNNER_DEVELOPMENT_TOKEN",
        "",
        "A bearer token of 20 characters or more by which a developer is let in, from this machine only, with or"
        " without a provider; a server that listens elsewhere does not start with it.",
    )
    development_workspaces: tuple[str, ...] = setting(
        "ZOO_RUNNER_DEVELOPMENT_WORKSPACES",
        (),
        "Workspaces of the developer beside that of the server, separated by commas.",
    )
    policy_url: str = setting(
        "ZOO_RUNNER_OPA_URL",
        "",
        "Address of the decision of an Open Policy Agent, such as http://127.0.0.1:8181/v1/data/zoo_runner/decision, by"
        " which every request is allowed or denied. Unset: members may do everything in their workspaces.",
    )
    policy_seconds: float = setting(
        "ZOO_RUNNER_OPA_CACHE", 2.0, "How long a decision holds for the same question, in seconds."
    )
    access: str = setting(
        "ZOO_RUNNER_ACCESS",
        "",
        "Address below which each workspace has an access document, <workspace>.json: s3://bucket/prefix or a folder."
        " They are read with the credentials of stage-out. Unset: nothing is public, but what the policy says.",
    )
    access_seconds: float = setting(
        "ZOO_RUNNER_ACCESS_INTERVAL", 30.0, "Access documents are read again after so many seconds."
    )

    @property
    def asks(self) -> bool:
        """Whether the server asks who calls."""
        return bool(self.issuer or self.development_token)


IDENTITY_SETTINGS = fields(IdentitySettings)
"""The documented settings, in order; `metadata` has `variable` and `meaning`."""


def load_identity_settings(environ: Mapping[str, str]) -> IdentitySettings:
    """Read the settings from an environment; an empty value counts as unset. Raises `SettingsError`."""
    settings = IdentitySettings(**read_fields(IDENTITY_SETTINGS, environ))
    _check_address("ZOO_RUNNER_OPA_URL", settings.policy_url)
    if settings.policy_seconds > _LONGEST_CACHE_SECONDS:
        wanted = f"at most {_LONGEST_CACHE_SECONDS}"
        raise _invalid("ZOO_RUNNER_OPA_CACHE", str(settings.policy_seconds), wanted)
    if settings.token_days > _LONGEST_TOKEN_DAYS:
        raise _invalid("ZOO_RUNNER_TOKEN_DAYS", str(settings.token_days), f"at most {_LONGEST_TOKEN_DAYS}")
    if settings.token_confirm_days > _LONGEST_CONFIRM_DAYS:
        raise _invalid(
            "ZOO_RUNNER_TOKEN_CONFIRM_DAYS", str(settings.token_confirm_days), f"at most {_LONGEST_CONFIRM_DAYS}"
        )
    if 0 < len(settings.development_token) < _SHORTEST_DEVELOPMENT_TOKEN:
        length = f"{len(settings.development_token)} characters"
        wanted = f"at least {_SHORTEST_DEVELOPMENT_TOKEN} random ones"
        raise _invalid("ZOO_RUNNER_DEVELOPMENT_TOKEN", length, wanted)
    if settings.issuer:
        _check_provider(settings)
    elif settings.client:
        raise SettingsError(
            f"ZOO_RUNNER_OIDC_CLIENT={settings.client!r} has no effect without ZOO_RUNNER_OIDC_ISSUER",
            "Set the issuer to the address of the provider at which people log in.",
        )
    return settings


def _check_provider(settings: IdentitySettings) -> None:
    _check_address("ZOO_RUNNER_OIDC_ISSUER", settings.issuer)
    if not settings.audience:
        raise SettingsError(
            "ZOO_RUNNER_OIDC_AUDIENCE is not set: tokens for any other service of the provider would be accepted",
            "Set it to the audience that the provider writes into tokens for this service.",
        )
    if not settings.algorithms or set(settings.algorithms) - set(_ALGORITHMS):
        names = ",".join(settings.algorithms)
        raise _invalid("ZOO_RUNNER_OIDC_ALGORITHMS", names, f"one or more of {', '.join(_ALGORITHMS)}")
    if not 0 <= settings.leeway_seconds <= 300:
        raise _invalid("ZOO_RUNNER_OIDC_LEEWAY", str(settings.leeway_seconds), "a number from 0 to 300")
    if "openid" not in settings.scopes:
        raise _invalid("ZOO_RUNNER_OIDC_SCOPES", ",".join(settings.scopes), "openid, and what else is needed")
    if settings.session_minutes > _LONGEST_SESSION_MINUTES:
        wanted = f"at most {_LONGEST_SESSION_MINUTES}"
        raise _invalid("ZOO_RUNNER_SESSION_MINUTES", str(settings.session_minutes), wanted)


def _check_address(variable: str, address: str) -> None:
    """Check that what is said there is kept from others on the way; raises `SettingsError`."""
    if not address:
        return
    try:
        parts = urlsplit(address)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        is_safe = False
    if not is_safe or not parts.hostname or parts.query or parts.fragment:
        raise _invalid(variable, address, "an https address; http on this machine only")


def _invalid(variable: str, value: str, wanted: str) -> SettingsError:
    return SettingsError(f"{variable}={value!r} is invalid", f"Write {wanted}.")
