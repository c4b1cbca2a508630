"""Where results go: a Protocol, and one table of its kinds by URL scheme."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from stageout.model import StageOutOptions
from stageout.storage import Storage
from zoo_staging.destination import FOLDERS, STORES, read_scheme


class Destination(Protocol):
    """A place below which files get keys (`/`-separated, no leading slash).

    A key is visible with all its bytes or not at all; writing to a key replaces the object. All methods
    raise StagingError with a remedy.
    """

    @property
    def storage(self) -> Storage | None:
        """The object store of this destination; None for a folder."""

    def get_path(self, key: str) -> str:
        """Return the key as a public web server over the bucket or folder would see it."""

    def get_href(self, key: str) -> str:
        """Return the absolute href of a key."""

    async def put_file(self, key: str, source: Path, media_type: str) -> bool:
        """Copy a file; return whether the stored object was already compared with it."""

    async def put_bytes(self, key: str, body: bytes, media_type: str) -> bool:
        """Write a small object; return whether the stored one was already compared with it."""

    async def put_folder(self, key: str) -> None:
        """Create an empty folder; where there are no folders, an empty object in it stands for it."""

    async def get_size(self, key: str) -> int | None:
        """Return the size of a key in bytes, None when there is none."""

    async def get_bytes(self, key: str) -> bytes | None:
        """Return the small object at a key, None when there is none."""

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove the objects at these keys; missing ones are not an error."""

    async def discard(self, keys: Sequence[str]) -> None:
        """Remove what a writer left that was broken off, also of objects that it had not written completely."""

    def probe(self) -> None:
        """Write an empty object and delete it, to check that results can be written."""


def _open_folder(destination: str, options: StageOutOptions) -> Destination:
    from stageout.destinations.folder import FolderDestination

    return FolderDestination.open(destination, options)


def _open_object_store(destination: str, options: StageOutOptions) -> Destination:
    from stageout.destinations.object_store import S3Destination

    return S3Destination.open(destination, options)


# imported when they are needed: a library of clients is most of what a job with results in a folder would import
_KINDS: Mapping[str, Callable[[str, StageOutOptions], Destination]] = {
    **dict.fromkeys(FOLDERS, _open_folder),
    **dict.fromkeys(STORES, _open_object_store),
}


def open_destination(destination: str, options: StageOutOptions) -> Destination:
    """Open a destination by the scheme of its URL; nothing is written or requested yet."""
    return _KINDS[read_scheme(destination)](destination, options)


def build_public_href(destination: Destination, key: str, public_base_url: str | None) -> str:
    """Return the href under which readers find a key: below the public base URL if there is one."""
    if public_base_url is None:
        return destination.get_href(key)
    return f"{public_base_url.rstrip('/')}/{quote(destination.get_path(key))}"
