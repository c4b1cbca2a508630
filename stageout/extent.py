"""How much a job may leave as results: files and bytes, counted as they are found and before any is read."""

from pathlib import Path

from stageout.model import StageOutOptions
from zoo_staging.errors import Kind, StagingError


class Extent:
    """The files and bytes of the results so far, within the limits of the options."""

    def __init__(self, options: StageOutOptions) -> None:
        self._max_files, self._max_bytes = options.max_files, options.max_bytes
        self._files = self._bytes = 0

    def add(self, path: Path, href: str) -> int:
        """Count a file and return its bytes; `href` names its output in errors.

        Raises `StagingError` (`REFUSED`) beyond a limit.
        """
        size_bytes = path.stat().st_size
        self._files += 1
        self._bytes += size_bytes
        if self._max_files is not None and self._files > self._max_files:
            raise _refused(href, f"more than {self._max_files} files", "STAGEOUT_MAX_FILES")
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            raise _refused(href, f"more than {self._max_bytes} bytes", "STAGEOUT_MAX_BYTES")
        return size_bytes


def _refused(href: str, what: str, setting: str) -> StagingError:
    remedy = f"Let the package write less, or ask the operator to raise {setting}."
    return StagingError(Kind.REFUSED, href, f"with it the results of this job are {what}", remedy)
