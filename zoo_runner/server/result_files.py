"""The files of results as pages and comparisons read them: one way for a folder of this machine and for a bucket.

Documents and the begins of texts are read whole or cut, within limits of size, number and time; what cannot be read is
left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Job
from zoo_runner.server.api import Api
from zoo_runner.server.result_bucket import Begin, BucketFiles, is_stored
from zoo_runner.server.results import find_result_file


class ResultFiles(Protocol):
    """The files of the results of one job, by their path below the place of the results.

    `bases` are the addresses of that place, the one for clients first; `most_documents` is how many STAC documents may
    be read.
    """

    @property
    def bases(self) -> tuple[str, ...]:
        """The addresses of the place."""
        ...

    @property
    def most_documents(self) -> int:
        """How many documents may be read."""
        ...

    def find(self, path: str) -> str | None:
        """Return the path by which a file is known; None where there is none, as far as that costs no request."""
        ...

    def read(self, paths: Sequence[str], most_bytes: int) -> list[Begin | None]:
        """Read at most so many first bytes of each file; None for what cannot be read."""
        ...


@dataclass(frozen=True)
class FolderFiles:
    """Results in a folder of this machine; links in it are followed as far as they stay below it."""

    job: Job
    most_documents: int = 200

    @property
    def bases(self) -> tuple[str, ...]:
        """The addresses of the folder."""
        return (f"{Path(self.job.destination).as_uri()}/",)

    def find(self, path: str) -> str | None:
        """Return the path of a file that there is."""
        found = find_result_file(self.job, path)
        return str(found.relative_to(Path(self.job.destination).resolve())) if found else None

    def read(self, paths: Sequence[str], most_bytes: int) -> list[Begin | None]:
        """Read the begins of files."""
        return [self._read(path, most_bytes) for path in paths]

    def _read(self, path: str, most_bytes: int) -> Begin | None:
        try:
            with (Path(self.job.destination) / path).open("rb") as stream:
                content = stream.read(most_bytes)
                return Begin(content, max(stream.seek(0, 2), len(content)))
        except OSError:
            # removed meanwhile
            return None


def open_files(api: Api, job: Job) -> ResultFiles:
    """Open the files of the results of a job; those in a bucket with the credentials of its workspace."""
    if not is_stored(job):
        return FolderFiles(job)
    try:
        return BucketFiles.open(job, api.find_workspace_of(job).storage)
    except RunnerError:
        # what cannot be read now is not shown
        return BucketFiles(job, None)
