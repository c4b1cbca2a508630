"""Object stores other than S3 that the same library reaches: Google Cloud Storage (`gs:`) and Azure Blob (`az:`)."""

import json
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore

from zoo_staging.cloudsettings import CloudOptions
from zoo_staging.errors import Kind, StagingError

if TYPE_CHECKING:
    # the vendor offers these to type checkers only
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig

CloudStore = GCSStore | AzureStore

# a service account that asks nobody for a token: with `skip_signature` alone the library still asks the metadata
# address for the machine's identity before it writes or deletes
_NOBODY = json.dumps({"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True})
_REMEDY = "Check the settings of the service: its address, the account and its key."


def open_container(
    scheme: str, name: str, options: CloudOptions, client: "ClientConfig", retries: "RetryConfig"
) -> CloudStore:
    """Open a bucket of Google's (`gs`) or a container of Azure's (`az`); nothing is requested yet.

    Raises `StagingError` (settings) where a key or an address is none.
    """
    href = f"{scheme}://{name}"
    if scheme == "az" and not options.azure_account:
        raise StagingError(Kind.SETTINGS, href, "no storage account is named (AZURE_STORAGE_ACCOUNT)", _REMEDY)
    endpoint = (_complete(options.google_endpoint) if scheme == "gs" else options.azure_endpoint) or ""
    client = {**client, "allow_http": endpoint.startswith("http:")}
    try:
        if scheme == "gs":
            config = _build_google(options, endpoint)
            return GCSStore(name, config=config, client_options=client, retry_config=retries)
        azure = _build_azure(options, endpoint)
        return AzureStore(name, config=azure, client_options=client, retry_config=retries)
    except (BaseError, ValueError) as error:
        # the first line names a file or what is wrong with a key; the address, which may have a secret, comes last
        why = str(error).partition("\n")[0].partition(" Url:")[0].partition("error: ")[2]
        reason = f"the settings of this service cannot be used: {why or 'no more is known'}"
        raise StagingError(Kind.SETTINGS, href, reason, _REMEDY) from error


def _complete(endpoint: str | None) -> str | None:
    """Write out an address of the form `localhost:9000`, as Google's own programs take it."""
    return f"http://{endpoint}" if endpoint and "://" not in endpoint else endpoint


def _build_google(options: CloudOptions, endpoint: str) -> "GCSConfig":
    config: GCSConfig = {"base_url": endpoint} if endpoint else {}
    if options.google_key_file:
        return {**config, "application_credentials": options.google_key_file}
    return {**config, "service_account_key": _NOBODY, "skip_signature": True}


def _build_azure(options: CloudOptions, endpoint: str) -> "AzureConfig":
    config: AzureConfig = {"account_name": options.azure_account or ""}
    if endpoint:
        config["endpoint"] = endpoint
    if options.azure_key:
        config["account_key"] = options.azure_key
    elif options.azure_sas_token:
        config["sas_key"] = options.azure_sas_token
    else:
        config["skip_signature"] = True
    return config
