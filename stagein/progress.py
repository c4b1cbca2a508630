"""The files to download, and their progress."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stagein.settings import StageInOptions
from zoo_staging.checksum import Checksum
from zoo_staging.errors import Kind, StagingError, mask_href
from zoo_staging.progress import Report, Transferred, ignore


# compared by identity: each is looked up several times, and the hash of its values costs as much as its request
@dataclass(frozen=True, eq=False)
class Transfer:
    """One file to download: from `href` to `target`; size and checksum are verified where known.

    `what` describes it, if its address alone does not. `may_be_missing`: a missing file is not an
    error; `is_side`: nor is any other failure of its source; `may_be_folder`: in object storage it may be a prefix;
    `is_unnamed`: its address has no usable name, and the one that a web server gives is taken; `array`: the zarr array
    whose chunk it is.
    """

    href: str
    target: Path
    size_bytes: int | None = None
    checksum: Checksum | None = None
    what: str = ""
    media_type: str | None = None
    may_be_missing: bool = False
    is_side: bool = False
    may_be_folder: bool = False
    is_unnamed: bool = False
    array: str = ""


class Progress:
    """Counts files and bytes of one stage-in and reports them; stops it when it exceeds the limits of its options."""

    def __init__(self, transfers: Iterable[Transfer], report: Report, options: StageInOptions) -> None:
        self._sizes = {transfer: transfer.size_bytes for transfer in transfers}
        # kept as running sums: thousands of files report thousands of times
        self._known_bytes = sum(size or 0 for size in self._sizes.values())
        self._unknown_files = sum(size is None for size in self._sizes.values())
        self._report = report
        self._max_bytes, self._max_files = options.max_bytes, options.max_files
        self._files_done = 0
        self._bytes_done = 0

    def include(self, transfers: Iterable[Transfer]) -> None:
        """Count further files."""
        for transfer in transfers:
            self._sizes[transfer] = transfer.size_bytes
            self._known_bytes += transfer.size_bytes or 0
            self._unknown_files += transfer.size_bytes is None
            check_files(len(self._sizes), transfer.href, self._max_files)

    def leave_out(self, transfer: Transfer) -> None:
        """Stop counting a file that is missing."""
        self.expect(transfer, 0)
        del self._sizes[transfer]

    def expect(self, transfer: Transfer, size_bytes: int | None) -> None:
        """Add a size that became known."""
        before = self._sizes[transfer]
        self._sizes[transfer] = size_bytes
        self._known_bytes += (size_bytes or 0) - (before or 0)
        self._unknown_files += (size_bytes is None) - (before is None)
        self._check(self._known_bytes, transfer)

    def add(self, transfer: Transfer, size_bytes: int, *, files: int = 0) -> None:
        """Add bytes that arrived (negative: that were discarded)."""
        self._bytes_done += size_bytes
        self._files_done += files
        self._check(self._bytes_done, transfer)
        if self._report is ignore:
            return
        self._report(
            Transferred(
                stage="stage-in",
                href=mask_href(transfer.href),
                files_done=self._files_done,
                files_total=len(self._sizes),
                bytes_done=self._bytes_done,
                bytes_total=None if self._unknown_files else self._known_bytes,
            )
        )

    def _check(self, count: int, transfer: Transfer) -> None:
        check_bytes(count, transfer.href, self._max_bytes)


def check_bytes(count: int, href: str, most: int | None) -> None:
    """Refuse more bytes than a job may have; raises `StagingError`."""
    if most is not None and count > most:
        raise StagingError(
            Kind.REFUSED,
            href,
            f"the inputs of this job exceed the limit of {most} bytes",
            "Use less data, or raise STAGEIN_MAX_BYTES.",
        )


def check_files(count: int, href: str, most: int | None) -> None:
    """Refuse more files than a job may have; raises `StagingError`."""
    if most is not None and count > most:
        raise StagingError(
            Kind.REFUSED,
            href,
            f"the inputs of this job have more than {most} files",
            "Use less data, select assets, or raise STAGEIN_MAX_FILES.",
        )
