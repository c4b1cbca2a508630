"""One table of what goes wrong with a remote service, and the one function that builds its error.

`http_errors` and `object_store_errors` find out which entry it is, and how the service is called.
"""

from dataclasses import dataclass
from enum import Enum

from zoo_staging.errors import Kind, RetryableError, StagingError


class Failure(Enum):
    """What went wrong: its kind, the reason and the remedy, as templates, and whether to try again.

    `{service}` is who answers and `{endpoint}` where it is; `{why}` has the details.
    """

    TIMEOUT = (
        Kind.TIMEOUT,
        "{endpoint} did not answer in time",
        "Try again later; raise STAGEIN_READ_TIMEOUT_SECONDS if {service} is slow.",
        True,
    )
    UNREACHABLE = (
        Kind.UNREACHABLE,
        "cannot connect to {endpoint}: {why}",
        "Check the address, and that {service} runs and is reachable from this machine.",
        True,
    )
    UNTRUSTED = (
        Kind.UNTRUSTED,
        "the TLS certificate of {endpoint} is not trusted{why}",
        "Ask its operator for a valid certificate, or install its authority on this machine.",
        False,
    )
    UNAVAILABLE = (
        Kind.SERVICE,
        "{service} is not available ({why})",
        "Try again later; if it persists, contact the operator of {service}.",
        True,
    )
    UNEXPECTED = (
        Kind.SERVICE,
        "{service} refused the request ({why})",
        "Check {endpoint} and its settings; if they are correct, send this message to the operator of {service}.",
        False,
    )

    PREPARING = (
        Kind.SERVICE,
        "{service} has accepted the request and does not send the data yet ({why})",
        "Archives bring products back from tape in minutes or hours: run the job again then. It waits for"
        " STAGEIN_RETRIES attempts, and for as long as the server asks up to STAGEIN_LONGEST_WAIT_SECONDS.",
        True,
    )
    NO_DATA = (
        Kind.CONTENT,
        "{service} answered without the data ({why})",
        "Open the address in a browser; if the data has to be ordered first, order it, then run the job again.",
        False,
    )

    def __init__(self, kind: Kind, reason: str, remedy: str, retryable: bool) -> None:
        self.kind, self.reason, self.remedy, self.retryable = kind, reason, remedy, retryable


@dataclass(frozen=True)
class Remote:
    """How a remote service is called in messages: `service`, such as `the S3 service`, and its `endpoint`."""

    service: str
    endpoint: str


def build_failure(
    failure: Failure, href: str, remote: Remote, why: str = "", *, retry_after_seconds: float | None = None
) -> StagingError:
    """Build the error of a failure at `href`, as a `RetryableError` where trying again may help."""
    words = {"service": remote.service, "endpoint": remote.endpoint, "why": why}
    reason, remedy = failure.reason.format(**words), failure.remedy.format(**words)
    if failure.retryable:
        return RetryableError(failure.kind, href, reason, remedy, retry_after_seconds=retry_after_seconds)
    return StagingError(failure.kind, href, reason, remedy)
