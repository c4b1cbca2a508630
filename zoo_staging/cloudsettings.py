"""Settings of object stores other than S3: Google Cloud Storage (`gs:`) and Azure Blob Storage (`az:`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from zoo_staging.settings import Setting


@dataclass(frozen=True)
class CloudOptions:
    """How to reach Google's and Azure's object stores; anonymous where there is no key.

    `google_key_file` is a service account's key file, `google_endpoint` and `azure_endpoint` another address of the
    service (None: the provider's). The instance's own identity, which a metadata address gives, is never asked for.
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
