"""Which environment variables the stagers read: code that passes an environment on takes the names from here."""

from collections.abc import Mapping

from zoo_staging.settings import CLOUD_SECRETS, CLOUD_VARIABLES, S3_SECRETS, S3_VARIABLES

PREFIXES = ("STAGEIN_", "STAGEOUT_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# the names that libcurl and Python read, first
PROXY_VARIABLES = (*_PROXIES, *(name.lower() for name in _PROXIES))

_SHARED = frozenset((*S3_VARIABLES, *CLOUD_VARIABLES, *PROXY_VARIABLES))
_SECRETS = frozenset((*S3_SECRETS, *CLOUD_SECRETS))
_KEY_FILE, KEY_ID = "GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID"

FILE_VARIABLES = (
    "STAGEIN_BUCKETS_FILE",
    "STAGEIN_HOSTS_FILE",
    _KEY_FILE,
    *(f"{prefix}{_KEY_FILE}" for prefix in PREFIXES),
)
"""Those that name a file of credentials."""


CREDENTIAL_VARIABLES = frozenset(
    f"{prefix}{name}" for prefix in ("", *PREFIXES) for name in (*S3_SECRETS, *CLOUD_SECRETS, KEY_ID)
)
"""Keys, tokens and ids of keys; no files and no addresses."""


def is_staging_variable(name: str) -> bool:
    """Whether a stager may read a variable."""
    return name.startswith(PREFIXES) or name in _SHARED


def is_secret_variable(name: str) -> bool:
    """Whether the value of a stager's variable must never be shown."""
    return name.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1]) in _SECRETS


def drop_credentials(variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out all by which somebody is let in: keys with their ids, tokens, files of credentials."""
    return {
        name: text
        for name, text in variables.items()
        if not (is_secret_variable(name) or name in FILE_VARIABLES or name.endswith(KEY_ID))
    }


def pick_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Select the stagers' variables from an environment; an empty one counts as unset.

    In a CGI program `HTTP_PROXY` is a header of the request and is left out (https://httpoxy.org).
    """
    header = "HTTP_PROXY" if "REQUEST_METHOD" in environ else None
    return {name: text for name, text in environ.items() if text and is_staging_variable(name) and name != header}
