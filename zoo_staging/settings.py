"""Settings that stage-in and stage-out share: how to reach S3, Google Cloud Storage and Azure Blob Storage."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A documented setting: its environment variable, its default, what it means."""

    variable: str
    default: Any
    meaning: str


PAYERS = ("requester", "true")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEY_ID, _PAYER = "AWS_ACCESS_KEY_ID", "AWS_REQUEST_PAYER"
S3_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
S3_VARIABLES = (*_ENDPOINTS, *_REGIONS, _KEY_ID, *S3_SECRETS, _PAYER)
"""The names that the provider's own programs read; those of a stager win over them."""


@dataclass(frozen=True)
class S3Options:
    """How to reach an S3 service: any endpoint, signed with keys or anonymous when there is no key.

    `endpoint` is a URL (None: AWS); a plain `http:` one is accepted as the operator wrote it. `request_payer`:
    the owner of the keys pays for requests to buckets that require it (requester pays).
    """

    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    request_payer: bool = False

    @property
    def anonymous(self) -> bool:
        """Whether requests go out unsigned."""
        return not self.access_key_id

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be shown."""
        return tuple(value for value in (self.secret_access_key, self.session_token) if value)


def load_s3_options(environ: Mapping[str, str], prefix: str) -> S3Options:
    """Read S3 settings from `<prefix>_AWS_…` (as platforms name them), each falling back to `AWS_…`.

    Keys fall back as a whole: a key id of the prefix is never paired with another's secret or token.
    """

    def read(*names: str) -> str | None:
        return next((environ[name] for name in names if environ.get(name)), None)

    own = f"{prefix}_" if environ.get(f"{prefix}_{_KEY_ID}") else ""
    secret, token = S3_SECRETS
    return S3Options(
        endpoint=read(f"{prefix}_AWS_SERVICEURL", *_ENDPOINTS),
        region=read(f"{prefix}_AWS_REGION", *_REGIONS) or "us-east-1",
        access_key_id=read(f"{own}{_KEY_ID}"),
        secret_access_key=read(f"{own}{secret}"),
        session_token=read(f"{own}{token}"),
        request_payer=(read(f"{prefix}_{_PAYER}", _PAYER) or "").lower() in PAYERS,
    )


def build_s3_settings(prefix: str) -> tuple[Setting, ...]:
    """The documented S3 settings of the program whose variables begin with `prefix`."""
    return tuple(
        Setting(f"{prefix}_AWS_{name}", default, meaning)
        for name, default, meaning in (
            ("SERVICEURL", None, "URL of the S3 service; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS itself."),
            ("REGION", "us-east-1", "Region; else AWS_REGION, AWS_DEFAULT_REGION."),
            ("ACCESS_KEY_ID", None, "Access key; else AWS_ACCESS_KEY_ID; with neither, requests are anonymous."),
            ("SECRET_ACCESS_KEY", None, "Secret of the access key; else AWS_SECRET_ACCESS_KEY."),
            ("SESSION_TOKEN", None, "Session token of temporary keys; else AWS_SESSION_TOKEN."),
            ("REQUEST_PAYER", None, "requester: pay for requests to buckets that want it; else AWS_REQUEST_PAYER."),
        )
    )


@dataclass(frozen=True)
class CloudOptions:
    """How to reach Google's and Azure's object stores; anonymous where there is no key.

    `google_key_file` is a service account's key file, `google_endpoint` and `azure_endpoint` another address of the
    service (None: the provider's). The instance's own identity (from a metadata address) is never requested.
    """

    google_key_file: str | None = None
    google_endpoint: str | None = None
    azure_account: str | None = None
    azure_key: str | None = field(default=None, repr=False)
    azure_sas_token: str | None = field(default=None, repr=False)
    azure_endpoint: str | None = None


_VARIABLES = {
    "google_key_file": ("GOOGLE_APPLICATION_CREDENTIALS", "Key file of a Google service account, for gs: addresses."),
    "google_endpoint": ("STORAGE_EMULATOR_HOST", "URL of the service for gs: addresses; unset: Google's."),
    "azure_account": ("AZURE_STORAGE_ACCOUNT", "Storage account of az:<container>/<name> addresses."),
    "azure_key": ("AZURE_STORAGE_KEY", "Key of that account; with neither key nor token, requests are anonymous."),
    "azure_sas_token": ("AZURE_STORAGE_SAS_TOKEN", "Shared access signature for that account, in place of a key."),
    "azure_endpoint": ("AZURE_STORAGE_ENDPOINT", "URL of the service for az: addresses; unset: the account's."),
}
CLOUD_VARIABLES = tuple(variable for variable, _ in _VARIABLES.values())
CLOUD_SECRETS = tuple(_VARIABLES[one.name][0] for one in fields(CloudOptions) if not one.repr)


def load_cloud_options(environ: Mapping[str, str], prefix: str) -> CloudOptions:
    """Read each setting from `<prefix>_<name>`, falling back to the name that the provider's own programs read."""
    found = {
        name: environ.get(f"{prefix}_{variable}") or environ.get(variable) for name, (variable, _) in _VARIABLES.items()
    }
    return CloudOptions(**{name: value for name, value in found.items() if value})


def build_cloud_settings(prefix: str) -> tuple[Setting, ...]:
    """The documented settings of the program whose variables begin with `prefix`."""
    return tuple(
        Setting(f"{prefix}_{variable}", None, f"{meaning} Else {variable}.")
        for variable, meaning in _VARIABLES.values()
    )


_ADDRESSES = {"s3": "AWS_SERVICEURL", "gs": "STORAGE_EMULATOR_HOST", "az": "AZURE_STORAGE_ENDPOINT"}
# without the stager's prefix, it is the variable that all S3 programs read
_PLAIN_ADDRESSES = {"s3": "AWS_ENDPOINT_URL"}
_KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "az": ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"),
}


def name_address(prefix: str, scheme: str) -> str:
    """The setting with the address of the service; `prefix` is the stager's, `scheme` one of `s3`, `gs`, `az`."""
    return f"{prefix}_{_ADDRESSES[scheme]} (or {_PLAIN_ADDRESSES.get(scheme, _ADDRESSES[scheme])})"


def name_keys(prefix: str, scheme: str) -> str:
    """The settings with the credentials for the service, enumerated."""
    *others, last = (f"{prefix}_{key}" for key in _KEYS[scheme])
    enumerated = f"{', '.join(others)} and {last}" if others else last
    return f"{enumerated} (or the same without {prefix}_)"


def parse_bool(text: str) -> bool:
    """Read a setting that is true or false; raises `ValueError`."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError("must be true or false")
    return words[text.lower()]
