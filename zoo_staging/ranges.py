"""Byte ranges of files: for resuming a transfer, and for several streams of one file."""

from dataclasses import dataclass

from zoo_staging.errors import Kind, RetryableError, StagingError


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to, not including, `end`, of the version of a file that `validator` names.

    `condition` is the header that binds a request over HTTP to that version: `If-Range`, or `If-Match` (S3).
    """

    start: int
    end: int
    validator: str
    condition: str = "If-Range"


class ChangedError(StagingError):
    """A file is no longer the version whose first ranges arrived."""

    def __init__(self, href: str) -> None:
        super().__init__(
            Kind.SIZE,
            href,
            "the file changed at its source during the download",
            "Try again when the file is complete at its source.",
        )


class NoRangesError(StagingError):
    """A source does not serve the ranges of this file that it is asked for, although it announced them."""

    def __init__(self, href: str) -> None:
        super().__init__(
            Kind.UNSUPPORTED,
            href,
            "the source does not answer with the ranges that are requested",
            "Report to the operator of the source that it does not serve ranges correctly (RFC 9110, section 14).",
        )


def broken_off(href: str) -> RetryableError:
    """Build the error for a stream that ended too early."""
    return RetryableError(
        Kind.SIZE, href, "the connection closed before all bytes arrived", "Try again; check the network."
    )
