"""What a client has sent to be an input of jobs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UploadedFile:
    """One file of an upload; `name` is its path in it, `/`-separated."""

    name: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class Upload:
    """Files that were sent at once and lie beside one another in `destination`, a folder or a place in a bucket.

    Times are stored ones. After `expires` no job can be given them, and they are removed once no job needs them.
    """

    id: str
    workspace: str
    destination: str
    files: tuple[UploadedFile, ...]
    created: str
    expires: str
    caller: str | None = None

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size_bytes for file in self.files)
