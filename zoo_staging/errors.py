"""The one error of both stagers, with a stable code for programs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

from zoo_staging.secrets import mask_addresses


class Kind(str, Enum):
    """What went wrong; the values are stable, see `StagingError.code`."""

    __str__ = str.__str__

    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    UNTRUSTED = "untrusted"
    CHECKSUM = "checksum"
    SIZE = "size"
    CONTENT = "content"
    STAC_INVALID = "stac-invalid"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    SERVICE = "service-error"
    DISK_FULL = "disk-full"
    DISK = "disk"
    SETTINGS = "settings"
    CANCELLED = "cancelled"


class Side(str, Enum):
    """What an error is about: input data, the output of a job, or the destination of results."""

    __str__ = str.__str__

    SOURCE = "source"
    OUTPUT = "output"
    DESTINATION = "destination"


# errors that are not about one side
_OTHER_CODES = {
    Kind.DISK_FULL: "disk.full",
    Kind.DISK: "disk.failed",
    Kind.SETTINGS: "settings.invalid",
    Kind.CANCELLED: "job.dismissed",
}


class StagingError(Exception):
    """Data could not be moved.

    `href` is the source or destination as the user wrote it, `reason` says what happened with the value that caused it
    (secrets in both are masked here), `remedy` says what to do next and by whom. Of several problems at once, the first
    is the error itself and `others` are the rest. `side` is set by `about`, where known.
    """

    def __init__(self, kind: Kind, href: str, reason: str, remedy: str) -> None:
        href, reason = mask_href(href), mask_addresses(reason, "***")
        super().__init__(f"{href}: {reason}")
        self.kind = kind
        self.href = href
        self.reason = reason
        self.remedy = remedy
        self.others: tuple[StagingError, ...] = ()
        self.side: Side | None = None

    @property
    def code(self) -> str:
        """A stable code, such as `source.not-found`, `destination.forbidden`, `disk.full`."""
        return _OTHER_CODES.get(self.kind) or f"{self.side or Side.SOURCE}.{self.kind}"

    def explain(self, what: str, remedy: str = "") -> "StagingError":
        """Return the error with more context: what the address is, such as an asset, and a further remedy."""
        explained = StagingError(
            self.kind, self.href, f"{self.reason}; it is {what}", f"{self.remedy} {remedy}".strip()
        )
        explained.others, explained.side = self.others, self.side
        return explained


class RetryableError(StagingError):
    """A temporary failure: trying again may help.

    `retry_after_seconds` is the server's `Retry-After` (RFC 9110, section 10.2.3), None without one.
    """

    def __init__(
        self, kind: Kind, href: str, reason: str, remedy: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(kind, href, reason, remedy)
        self.retry_after_seconds = retry_after_seconds


def merge_errors(errors: Sequence[StagingError]) -> StagingError:
    """Merge several errors into the first, which says how many more there are and has them in `others`."""
    first, *others = errors
    if not others:
        return first
    merged = StagingError(first.kind, first.href, f"{first.reason} (and {len(others)} more)", first.remedy)
    merged.others, merged.side = tuple(others), first.side
    merged.__cause__ = first
    return merged


@contextmanager
def about(side: Side) -> Iterator[None]:
    """Set `side` on every `StagingError` that leaves the block without one."""
    try:
        yield
    except StagingError as error:
        for each in (error, *error.others):
            each.side = each.side or side
        raise


def mask_href(href: str) -> str:
    """Mask the secrets in an address: a password, the signature of a signed URL, data in a `data:` URL."""
    if not any(mark in href for mark in "@?,#;"):
        return href  # nothing to hide; checked first because this runs for each of thousands of files
    if href[:5].lower() == "data:":
        return f"{href.partition(',')[0][:60]},..."
    return mask_addresses(href, "***")
