"""The only module that opens object stores (obstore): S3, Google Cloud Storage, Azure Blob Storage."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from zoo_staging.destination import CLOUDS, STORES
from zoo_staging.errors import Kind, StagingError
from zoo_staging.object_store_errors import name_container, translate
from zoo_staging.pool import within
from zoo_staging.ranges import ByteRange, ChangedError
from zoo_staging.settings import CloudOptions, S3Options

if TYPE_CHECKING:
    # the library has these for type checkers only
    from obstore import BytesStream, GetOptions
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config


CHUNK_BYTES = 4 << 20
PAGE_OBJECTS = 1000
# how long a signed address holds: no shorter, for clocks that differ
_SIGNED = timedelta(hours=1)
CloudStore = GCSStore | AzureStore
Store = S3Store | CloudStore

# a service account that requests no token: with `skip_signature` alone the library still asks the metadata
# address for the machine's identity before it writes or deletes
_NOBODY = json.dumps({"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True})
_REMEDY = "Check the settings of the service: its address, the account and its key."


def split_url(href: str) -> tuple[str, str, str]:
    """Split `s3://bucket/key` (or `gs:`, `az:`) into scheme, bucket and key (percent-decoded, no leading slash)."""
    parts = urlsplit(href)
    if parts.scheme not in STORES or not parts.netloc:
        scheme = parts.scheme or "s3"
        raise StagingError(
            Kind.UNSUPPORTED,
            href,
            f"not of the form {scheme}://{name_container(scheme)}/key",
            f"Write it as {scheme}://<{name_container(scheme)}>/<key>.",
        )
    return parts.scheme, parts.netloc, unquote(parts.path.lstrip("/"))


def open_store(
    place: tuple[str, str],
    s3: S3Options,
    clouds: CloudOptions,
    *,
    retries: int = 4,
    request_timeout_seconds: float = 300,
) -> Store:
    """Open a bucket, `place` being its scheme and name; nothing is requested yet.

    A request, its body included, is sent again after a temporary failure, up to `retries` times. Whoever opens a bucket
    of S3 with the same options shares it, and its connections.
    """
    scheme, name = place
    if scheme not in CLOUDS:
        return _open_s3(name, s3, retries, request_timeout_seconds)
    # not kept: their keys are read from files, which may change
    return _open_cloud(scheme, name, clouds, *_build_options(retries, request_timeout_seconds))


def _build_options(retries: int, request_timeout_seconds: float) -> "tuple[ClientConfig, RetryConfig]":
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=10),
        "timeout": timedelta(seconds=request_timeout_seconds),
    }
    retry: RetryConfig = {
        "max_retries": retries,
        "backoff": {"init_backoff": timedelta(milliseconds=250), "max_backoff": timedelta(seconds=15), "base": 2},
    }
    return client, retry


# each reads the certificates of the authorities that it trusts
@lru_cache(16)
def _open_s3(bucket: str, options: S3Options, retries: int, request_timeout_seconds: float) -> S3Store:
    client, retry = _build_options(retries, request_timeout_seconds)
    endpoint = options.endpoint
    return S3Store(
        bucket,
        config={
            "region": options.region,
            "virtual_hosted_style_request": False,
            **({"endpoint": endpoint} if endpoint else {}),
            **({"request_payer": True} if options.request_payer else {}),
            **_build_credentials(options),
        },
        client_options={**client, "allow_http": bool(endpoint and endpoint.startswith("http:"))},
        retry_config=retry,
    )


# its threads do not survive a fork
os.register_at_fork(after_in_child=_open_s3.cache_clear)


def _build_credentials(options: S3Options) -> "S3Config":
    if options.anonymous:
        return {"skip_signature": True}
    credentials: S3Config = {"access_key_id": options.access_key_id or ""}
    if options.secret_access_key:
        credentials["secret_access_key"] = options.secret_access_key
    if options.session_token:
        credentials["session_token"] = options.session_token
    return credentials


def _open_cloud(
    scheme: str, name: str, options: CloudOptions, client: "ClientConfig", retries: "RetryConfig"
) -> CloudStore:
    """Open a bucket of Google's (`gs`) or a container of Azure's (`az`); nothing is requested yet.

    Raises `StagingError` (`SETTINGS`) where a key or an address is invalid.
    """
    href = f"{scheme}://{name}"
    if scheme == "az" and not options.azure_account:
        raise StagingError(Kind.SETTINGS, href, "missing storage account (AZURE_STORAGE_ACCOUNT)", _REMEDY)
    endpoint = (_complete(options.google_endpoint) if scheme == "gs" else options.azure_endpoint) or ""
    client = {**client, "allow_http": endpoint.startswith("http:")}
    try:
        if scheme == "gs":
            config = _build_google(options, endpoint)
            return GCSStore(name, config=config, client_options=client, retry_config=retries)
        azure = _build_azure(options, endpoint)
        return AzureStore(name, config=azure, client_options=client, retry_config=retries)
    except (BaseError, ValueError) as error:
        # the first line has the file or the problem of a key; the address, which may have a secret, comes last
        why = str(error).partition("\n")[0].partition(" Url:")[0].partition("error: ")[2]
        reason = f"invalid settings of this service: {why or 'no details'}"
        raise StagingError(Kind.SETTINGS, href, reason, _REMEDY) from error


def _complete(endpoint: str | None) -> str | None:
    """Complete an address of the form `localhost:9000`, which Google's own programs accept."""
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


class Signer:
    """Builds the web addresses of the objects of a bucket, signed with the keys of `options`, or plain without keys.

    Signing asks nobody. Without keys the library would ask the metadata address for the machine's identity: it gets
    others, and what it signed with them is left out.
    """

    def __init__(self, bucket: str, options: S3Options) -> None:
        self._anonymous = options.anonymous
        if options.anonymous:
            options = replace(options, access_key_id="nobody", secret_access_key="nothing")
        self._store = open_store(("s3", bucket), options, CloudOptions())

    def sign(self, key: str) -> str:
        """Build the address that gives an object: never show it."""
        signed: str = obstore.sign(self._store, "GET", key, _SIGNED)
        return signed.partition("?")[0] if self._anonymous else signed


@dataclass(frozen=True)
class S3Object:
    """An object that is being read, in chunks of about 4 MiB; `version` names what it is now, as well as is known."""

    size_bytes: int
    chunks: AsyncIterator[bytes]
    validator: str | None
    version: str = ""


async def read_object(
    bucket: Store, key: str, href: str, *, read_timeout_seconds: float, part: ByteRange | None = None
) -> S3Object:
    """Start reading the object `key`, or a part of it; `href` names it in errors, which are `StagingError`s."""
    options: GetOptions = {"range": (part.start, part.end), "if_match": part.validator} if part else {}
    try:
        result = await within(read_timeout_seconds, obstore.get_async(bucket, key, options=options))
    except PreconditionError as error:
        raise ChangedError(href) from error
    except (BaseError, OSError, ValueError) as error:
        raise translate(error, href) from error
    if part and result.range != (part.start, part.end):
        raise ChangedError(href)
    start, end = result.range
    chunks = _stream(result.stream(CHUNK_BYTES), href, read_timeout_seconds)
    meta = result.meta
    version = meta["version"] or meta["e_tag"] or str(meta["last_modified"])
    return S3Object(end - start, chunks, meta["e_tag"], version)


async def measure_object(bucket: Store, key: str, href: str, *, read_timeout_seconds: float) -> tuple[int, str | None]:
    """Ask for the size of an object, and what names this version of it; raises `StagingError`."""
    try:
        found = await within(read_timeout_seconds, obstore.head_async(bucket, key))
    except (BaseError, OSError, ValueError) as error:
        raise translate(error, href) from error
    return found["size"], found["e_tag"]


async def list_objects(
    bucket: Store, prefix: str, href: str, *, read_timeout_seconds: float
) -> AsyncIterator[tuple[str, int]]:
    """Yield keys and sizes (in bytes) of the objects below `prefix`, a folder, as the service lists them.

    `href` names the folder in errors, which are `StagingError`s.
    """
    try:
        pages = obstore.list(bucket, prefix=prefix, chunk_size=PAGE_OBJECTS)
        while True:
            for entry in await within(read_timeout_seconds, anext(pages)):
                yield entry["path"], entry["size"]
    except StopAsyncIteration:
        return
    except (BaseError, OSError, ValueError) as error:
        raise translate(error, href) from error


async def _stream(stream: "BytesStream", href: str, read_timeout_seconds: float) -> AsyncIterator[bytes]:
    while True:
        try:
            chunk = await within(read_timeout_seconds, anext(stream))
        except StopAsyncIteration:
            return
        except (BaseError, OSError) as error:
            raise translate(error, href) from error
        yield chunk
