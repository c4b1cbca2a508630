"""Translates failures of object stores to `StagingError`s with a remedy."""

import re
from urllib.parse import urlsplit

from zoo_staging.errors import Kind, StagingError
from zoo_staging.failures import Failure, Remote, build_failure
from zoo_staging.ranges import NoRangesError, broken_off

# error codes for refused credentials (some services answer them with HTTP 400 or 409)
REFUSALS = {
    "InvalidAccessKeyId": "the S3 service does not know this access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "UnsupportedAlgorithm": "the S3 service requires signed requests, and no key is set",
    # of Azure Blob Storage
    "AuthenticationFailed": "the key or the shared access signature is not valid for the account",
    "InvalidAuthenticationInfo": "the key or the shared access signature is not valid for the account",
    "NoAuthenticationInformation": "the container requires signed requests, and neither key nor signature is set",
    "PublicAccessNotPermitted": "the container requires signed requests, and neither key nor signature is set",
    "AuthorizationPermissionMismatch": "the shared access signature does not allow this",
}

SERVICES = {"gs": "Google Cloud Storage", "az": "Azure storage account"}
_ENDPOINTS = {"gs": "address of Google Cloud Storage", "az": "address of the Azure storage account"}


def name_container(scheme: str) -> str:
    """Return the service's word for a container of objects: bucket or container."""
    return "container" if scheme == "az" else "bucket"


def translate(error: Exception, href: str) -> StagingError:
    """Return the `StagingError` for an error of the client at `href`; a `RetryableError` if trying again may help.

    The client has the HTTP status and the server's XML error code, or the transport's failure, only in
    its text; that text is matched here and never shown.
    """
    if isinstance(error, StagingError):
        return error
    if isinstance(error, TimeoutError):
        return _fail(Failure.TIMEOUT, href)
    text = str(error)
    status = re.search(r"status code: (\d{3})", text)
    code = re.search(r"<Code>(\w+)</Code>", text)
    if "non-partial response" in text:
        return NoRangesError(href)
    if status or isinstance(error, FileNotFoundError):
        return _translate_answer(int(status[1]) if status else 404, code[1] if code else "", href)
    return _translate_transport(text, href)


def restate(error: StagingError, href: str) -> StagingError:
    """Return what a failure of the HTTP client, while bytes arrived from a signed address, means for its object."""
    return _fail(Failure.TIMEOUT, href) if error.kind is Kind.TIMEOUT else broken_off(href)


def _translate_answer(status: int, code: str, href: str) -> StagingError:
    said = f"HTTP {status} {code}".rstrip()
    scheme, bucket, *_ = urlsplit(href)
    if code in ("NoSuchBucket", "ContainerNotFound"):
        return StagingError(
            Kind.NOT_FOUND,
            href,
            f"there is no {name_container(scheme)} {bucket!r} at this {_service(href)} ({said})",
            "Check its name, and that the endpoint is the service that holds it.",
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
        return _fail(Failure.UNAVAILABLE, href, said)
    return _fail(Failure.UNEXPECTED, href, said)


def _fail(failure: Failure, href: str, why: str = "") -> StagingError:
    return build_failure(failure, href, Remote(f"the {_service(href)}", f"the {_endpoint(href)}"), why)


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
        "Check the access key, secret and session token for this bucket, and their permissions.",
    )


def _translate_transport(text: str, href: str) -> StagingError:
    if "InvalidCertificate" in text:
        return _fail(Failure.UNTRUSTED, href)
    if "InvalidMessage" in text:
        return StagingError(
            Kind.UNREACHABLE,
            href,
            f"the {_endpoint(href)} does not speak TLS",
            "If the service is plain HTTP, start its address with http://.",
        )
    if "TimedOut" in text or "kind: Timeout" in text:
        return _fail(Failure.TIMEOUT, href)
    if re.search(r"\bConnect\b|dns error", text):
        why = "its name cannot be resolved" if "dns error" in text else "no connection"
        return _fail(Failure.UNREACHABLE, href, why)
    # also while the request is sent: services close idle connections
    if re.search(r"SendRequest|kind: (?:Interrupted|Body)", text):
        return broken_off(href)
    first_line = text.strip().partition("\n")[0][:200]
    return StagingError(
        Kind.SERVICE,
        href,
        f"the client of the {_service(href)} failed: {first_line}",
        "Check address, endpoint and region; if they are correct, send this message to the operator.",
    )
