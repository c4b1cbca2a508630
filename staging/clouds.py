"""Object stores other than S3 that the same library reaches: Google Cloud Storage (`gs:`) and Azure Blob (`az:`)."""

from typing import TYPE_CHECKING

from obstore.store import AzureStore, GCSStore

from staging.cloudsettings import CloudOptions

if TYPE_CHECKING:
    # the vendor offers these to type checkers only
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig

CloudStore = GCSStore | AzureStore


def open_container(
    scheme: str, name: str, options: CloudOptions, client: "ClientConfig", retries: "RetryConfig"
) -> CloudStore:
    """Open a bucket of Google's (`gs`) or a container of Azure's (`az`); nothing is requested yet."""
    endpoint = options.google_endpoint if scheme == "gs" else options.azure_endpoint
    client = {**client, "allow_http": bool(endpoint and endpoint.startswith("http:"))}
    if scheme == "gs":
        return GCSStore(name, config=_build_google(options), client_options=client, retry_config=retries)
    return AzureStore(name, config=_build_azure(options), client_options=client, retry_config=retries)


def _build_google(options: CloudOptions) -> "GCSConfig":
    config: GCSConfig = {"base_url": options.google_endpoint} if options.google_endpoint else {}
    if options.google_key_file:
        return {**config, "application_credentials": options.google_key_file}
    return {**config, "skip_signature": True}


def _build_azure(options: CloudOptions) -> "AzureConfig":
    config: AzureConfig = {"account_name": options.azure_account or ""}
    if options.azure_endpoint:
        config["endpoint"] = options.azure_endpoint
    if options.azure_key:
        config["account_key"] = options.azure_key
    elif options.azure_sas_token:
        config["sas_key"] = options.azure_sas_token
    else:
        config["skip_signature"] = True
    return config
