"""The one door to object storage (obstore): S3, and the clouds beside it; its errors are translated here."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PreconditionError
from obstore.store import S3Store

from zoo_staging.clouds import CloudStore, open_container
from zoo_staging.cloudsettings import CloudOptions
from zoo_staging.deadline import within
from zoo_staging.destination import CLOUDS, STORES
from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.parts import ChangedError, NoPartsError, Part, broken_off
from zoo_staging.settings import S3Options

if TYPE_CHECKING:
    # the vendor offers these to type checkers only
    from obstore import BytesStream, GetOptions
    from obstore.store import ClientConfig, RetryConfig, S3Config

__all__ = [
    "S3Object",
    "S3Options",
    "Store",
    "list_objects",
    "name_container",
    "open_store",
    "read_object",
    "split_url",
    "translate",
]

CHUNK_BYTES = 4 << 20
Store = S3Store | CloudStore

# error codes that mean: with these credentials, no (some services answer them with HTTP 400 or 409)
REFUSALS = {
    "InvalidAccessKeyId": "the S3 service does not know the access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "UnsupportedAlgorithm": "the S3 service wants signed requests, and no key is set",
    # of Azure Blob Storage
    "AuthenticationFailed": "the key or the shared access signature is not valid for the account",
    "InvalidAuthenticationInfo": "the key or the shared access signature is not valid for the account",
    "NoAuthenticationInformation": "the container wants signed requests, and neither key nor signature is set",
    "PublicAccessNotPermitted": "the container wants signed requests, and neither key nor signature is set",
    "AuthorizationPermissionMismatch": "the shared access signature does not allow this",
}

SERVICES = {"gs": "Google Cloud Storage", "az": "Azure storage account"}
_ENDPOINTS = {"gs": "address of Google Cloud Storage", "az": "address of the Azure storage account"}


def name_container(scheme: str) -> str:
    """What the services of a scheme call that which holds objects."""
    return "container" if scheme == "az" else "bucket"


def split_url(href: str) -> tuple[str, str, str]:
    """Split `s3://bucket/key` (or `gs:`, `az:`) into scheme, bucket and key (percent-decoded, no leading slash)."""
    parts = urlsplit(href)
    if parts.scheme not in STORES or not parts.netloc:
        scheme = parts.scheme or "s3"
        raise StagingError(
            Kind.UNSUPPORTED,
            href,
            f"is not of the form {scheme}://{name_container(scheme)}/key",
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

    A request, its body included, that fails in a way that may pass is asked again up to `retries` times.
    """
    scheme, name = place
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=10),
        "timeout": timedelta(seconds=request_timeout_seconds),
    }
    retry: RetryConfig = {
        "max_retries": retries,
        "backoff": {"init_backoff": timedelta(milliseconds=250), "max_backoff": timedelta(seconds=15), "base": 2},
    }
    if scheme in CLOUDS:
        return open_container(scheme, name, clouds, client, retry)
    return _open_s3(name, s3, client, retry)


def _open_s3(bucket: str, options: S3Options, client: "ClientConfig", retry: "RetryConfig") -> S3Store:
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


def _build_credentials(options: S3Options) -> "S3Config":
    if options.anonymous:
        return {"skip_signature": True}
    credentials: S3Config = {"access_key_id": options.access_key_id or ""}
    if options.secret_access_key:
        credentials["secret_access_key"] = options.secret_access_key
    if options.session_token:
        credentials["session_token"] = options.session_token
    return credentials


def translate(error: Exception, href: str) -> StagingError:
    """Say what an error of the S3 client means for `href`; a `RetryableError` where asking again may help.

    The client tells an HTTP status and the server's XML error code, or the transport's failure, only in
    its text; that text is matched here and never shown.
    """
    if isinstance(error, StagingError):
        return error
    text = str(error)
    status = re.search(r"status code: (\d{3})", text)
    code = re.search(r"<Code>(\w+)</Code>", text)
    if "non-partial response" in text:
        return NoPartsError(href)
    if status or isinstance(error, FileNotFoundError):
        return _translate_answer(int(status[1]) if status else 404, code[1] if code else "", href)
    return _translate_transport(text, href)


def _translate_answer(status: int, code: str, href: str) -> StagingError:
    said = f"HTTP {status} {code}".rstrip()
    scheme, bucket, *_ = urlsplit(href)
    if code in ("NoSuchBucket", "ContainerNotFound"):
        return StagingError(
            Kind.NOT_FOUND,
            href,
            f"there is no {name_container(scheme)} {bucket!r} at this {_service(href)} ({said})",
            "Check its name and that the endpoint set is the service that holds it.",
        )
    if status == 404:
        return StagingError(
            Kind.NOT_FOUND,
            href,
            f"the object does not exist ({said})",
            f"Check the spelling of {name_container(scheme)} and key; names are case-sensitive.",
        )
    if status in (401, 403) or code in REFUSALS:
        return _translate_refusal(code, said, href)
    if status in (408, 429) or status >= 500:
        return RetryableError(
            Kind.STORAGE,
            href,
            f"the {_service(href)} cannot answer now ({said})",
            "Try again later; if it stays, tell the operator of the service.",
        )
    return StagingError(
        Kind.STORAGE,
        href,
        f"the {_service(href)} refused the request ({said})",
        "Check endpoint and region; if they are right, give this message to the operator of the service.",
    )


def _service(href: str) -> str:
    return SERVICES.get(href.partition(":")[0], "S3 service")


def _endpoint(href: str) -> str:
    return _ENDPOINTS.get(href.partition(":")[0], "S3 endpoint")


def _translate_refusal(code: str, said: str, href: str) -> StagingError:
    cause = REFUSALS.get(code, "access is denied")
    return StagingError(
        Kind.FORBIDDEN,
        href,
        f"{cause} ({said})",
        "Check the access key, secret and session token set for this bucket, and its rights there.",
    )


def _translate_transport(text: str, href: str) -> StagingError:
    if "InvalidCertificate" in text:
        return StagingError(
            Kind.UNTRUSTED,
            href,
            f"the certificate of the {_endpoint(href)} is not trusted",
            "Ask the endpoint's operator for a valid certificate, or install its authority on this machine.",
        )
    if "InvalidMessage" in text:
        return StagingError(
            Kind.UNREACHABLE,
            href,
            f"the {_endpoint(href)} does not speak TLS",
            "If the service is plain HTTP, write its address with http://.",
        )
    if "TimedOut" in text or "kind: Timeout" in text:
        return _timeout(href)
    if re.search(r"\bConnect\b|dns error", text):
        why = "its name cannot be resolved" if "dns error" in text else "no connection"
        return RetryableError(
            Kind.UNREACHABLE,
            href,
            f"the {_endpoint(href)} cannot be reached ({why})",
            "Check the endpoint that is set, and that the service runs.",
        )
    # also as the request was sent: services close connections that were idle
    if re.search(r"SendRequest|kind: (?:Interrupted|Body)", text):
        return broken_off(href)
    first_line = text.strip().partition("\n")[0][:200]
    return StagingError(
        Kind.STORAGE,
        href,
        f"the client of the {_service(href)} failed: {first_line}",
        "Check address, endpoint and region; give this message to the operator if they are right.",
    )


@dataclass(frozen=True)
class S3Object:
    """An object whose bytes have begun to come, in chunks of about 4 MiB."""

    size_bytes: int
    chunks: AsyncIterator[bytes]
    validator: str | None


async def read_object(
    bucket: Store, key: str, href: str, *, read_timeout_seconds: float, part: Part | None = None
) -> S3Object:
    """Begin to read the object `key`, or a part of it; `href` names it in errors, which are `StagingError`s."""
    options: GetOptions = {"range": (part.start, part.end), "if_match": part.validator} if part else {}
    try:
        result = await within(read_timeout_seconds, obstore.get_async(bucket, key, options=options))
    except PreconditionError as error:
        raise ChangedError(href) from error
    except (BaseError, OSError, ValueError) as error:
        raise _translate_or_timeout(error, href) from error
    if part and result.range != (part.start, part.end):
        raise ChangedError(href)
    start, end = result.range
    chunks = _stream(result.stream(CHUNK_BYTES), href, read_timeout_seconds)
    return S3Object(end - start, chunks, result.meta["e_tag"])


async def list_objects(bucket: Store, prefix: str, href: str) -> list[tuple[str, int]]:
    """Keys and sizes (in bytes) of what lies under `prefix`, a folder, sorted."""
    try:
        found = await obstore.list(bucket, prefix=prefix).collect_async()
    except (BaseError, OSError, ValueError) as error:
        raise _translate_or_timeout(error, href) from error
    return sorted((entry["path"], entry["size"]) for entry in found)


async def _stream(stream: "BytesStream", href: str, read_timeout_seconds: float) -> AsyncIterator[bytes]:
    while True:
        try:
            chunk = await within(read_timeout_seconds, anext(stream))
        except StopAsyncIteration:
            return
        except (BaseError, OSError) as error:
            raise _translate_or_timeout(error, href) from error
        yield chunk


def _timeout(href: str) -> StagingError:
    return RetryableError(
        Kind.TIMEOUT,
        href,
        f"the {_endpoint(href)} did not answer in time",
        "Try again later; raise STAGEIN_READ_TIMEOUT_SECONDS if the service is just slow.",
    )


def _translate_or_timeout(error: Exception, href: str) -> StagingError:
    return _timeout(href) if isinstance(error, TimeoutError) else translate(error, href)
