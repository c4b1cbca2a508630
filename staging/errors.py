"""One error for all that can go wrong while data moves, with a kind that callers can act on."""

from enum import StrEnum


class Kind(StrEnum):
    """What went wrong with a source or a destination; the value is stable and may be shown."""

    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    UNTRUSTED = "tls-untrusted"
    CHECKSUM = "checksum"
    SIZE = "size"
    INVALID_STAC = "invalid-stac"
    REFUSED = "refused"
    UNSUPPORTED = "unsupported"
    STORAGE = "storage"
    DISK = "disk"


class StagingError(Exception):
    """Data could not be moved.

    `href` is the source or destination as the user wrote it (secrets masked), `reason` says what happened
    with the value that caused it, `remedy` says what to do next and by whom.
    """

    def __init__(self, kind: Kind, href: str, reason: str, remedy: str) -> None:
        super().__init__(f"{href}: {reason}")
        self.kind = kind
        self.href = href
        self.reason = reason
        self.remedy = remedy
