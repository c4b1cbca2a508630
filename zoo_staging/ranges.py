"""Parts of files: they let a transfer go on where it broke off, and one file come in several streams."""

from dataclasses import dataclass

from zoo_staging.errors import Kind, RetryableError, StagingError


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to, not including, `end`, of that very version of a file that `validator` names."""

    start: int
    end: int
    validator: str


class ChangedError(StagingError):
    """A file is no longer the one whose first parts came."""

    def __init__(self, href: str) -> None:
        super().__init__(
            Kind.SIZE,
            href,
            "it was changed at its source while it was fetched",
            "Try again when it is complete there.",
        )


class NoRangesError(StagingError):
    """A source does not give parts of this file, although it seemed so."""

    def __init__(self, href: str) -> None:
        super().__init__(
            Kind.UNSUPPORTED,
            href,
            "its source does not give parts of files",
            "Tell the operator of the source that it ignores requests for ranges.",
        )


def broken_off(href: str) -> RetryableError:
    """The error for bytes that ended too early."""
    return RetryableError(
        Kind.SIZE, href, "the connection broke before all bytes came", "Try again; check the network."
    )
