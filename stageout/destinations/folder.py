"""Results in a local folder: written under a temporary name, then renamed."""

import asyncio
import errno
import os
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from stageout.model import StageOutOptions
from zoo_staging.boundary import Boundary, OutsideError
from zoo_staging.errors import Kind, StagingError

_CHUNK_BYTES = 4 * 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR)
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.part")
_CHOOSE = "Choose another folder (--output, or STAGEOUT_OUTPUT)"


@dataclass(frozen=True)
class FolderDestination:
    """A folder; it is created if it is missing."""

    root: Path
    storage: None = None

    @classmethod
    def open(cls, destination: str, _: StageOutOptions) -> "FolderDestination":
        """Open `file://<path>` or a path; a relative one starts in the current folder."""
        parts = urlsplit(destination)
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(destination)
        return cls(path.absolute())

    def get_path(self, key: str) -> str:
        """Return the key: a web server over the folder sees the same path."""
        return key

    def get_href(self, key: str) -> str:
        """Return a `file://` URL."""
        return (self.root / key).as_uri()

    async def put_file(self, key: str, source: Path, media_type: str) -> bool:
        """Copy a file, uncompared; when cancelled, the copy stops soon and leaves nothing."""

        def copy(target: BinaryIO, stopped: threading.Event) -> None:
            with source.open("rb") as stream:
                while (chunk := stream.read(_CHUNK_BYTES)) and not stopped.is_set():
                    target.write(chunk)

        await self._write(key, copy)
        return False

    async def put_bytes(self, key: str, body: bytes, media_type: str) -> bool:
        """Write a small file, uncompared."""
        await self._write(key, lambda target, _: target.write(body))
        return False

    async def get_size(self, key: str) -> int | None:
        """Return the size of the file in bytes."""
        try:
            return self._place(key).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error

    async def get_bytes(self, key: str) -> bytes | None:
        """Return the bytes of a small file."""
        try:
            with os.fdopen(Boundary.build([self.root]).open(self.root / key), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error

    async def remove(self, keys: Sequence[str]) -> None:
        """Unlink files, and the folders that become empty."""
        for key in keys:
            try:
                self._place(key).unlink(missing_ok=True)
            except OSError as error:
                raise _translate(error, self.get_href(key)) from error
        folders = {parent for key in keys for parent in PurePosixPath(key).parents if parent.name}
        for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
            with suppress(OSError):  # it has files of others
                self._place(str(folder)).rmdir()

    async def discard(self, keys: Sequence[str]) -> None:
        """Unlink files, copies beside them that were broken off, and the folders that become empty, this one too."""
        for folder in {self._place(key).parent for key in keys}:
            with suppress(OSError):  # a copy that stays does no harm
                for left in folder.iterdir():
                    if _PARTIAL.fullmatch(left.name):
                        left.unlink(missing_ok=True)
        await self.remove(keys)
        with suppress(OSError):  # it has files of others
            self.root.rmdir()

    async def probe(self) -> None:
        """Check that a file can be written in the folder; a folder created for the check is removed again."""
        key, was_there = f".probe-{uuid4().hex}", self.root.exists()
        await self.put_bytes(key, b"", "text/plain")
        try:
            (self.root / key).unlink()
        except OSError as error:
            raise _translate(error, self.root.as_uri()) from error
        if not was_there:
            with suppress(OSError):  # it has results of another job by now
                self.root.rmdir()

    def _place(self, key: str) -> Path:
        """Return the path of a key; raises `OutsideError` where a link among its folders leads out of the root.

        Whoever may write to the folder could have put a link there, to have files elsewhere replaced or removed.
        """
        path = self.root / key
        return Boundary.build([self.root]).resolve(path.parent) / path.name

    async def _write(self, key: str, write: Callable[[BinaryIO, threading.Event], object]) -> None:
        stopped = threading.Event()
        try:
            await asyncio.to_thread(self._write_and_rename, self._place(key), write, stopped)
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error
        finally:
            stopped.set()

    def _write_and_rename(
        self, target: Path, write: Callable[[BinaryIO, threading.Event], object], stopped: threading.Event
    ) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{uuid4().hex}.part")
        try:
            with partial.open("xb") as stream:
                write(stream, stopped)
            if not stopped.is_set():
                partial.replace(target)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()


def _translate(error: OSError, href: str) -> StagingError:
    if isinstance(error, OutsideError):
        return StagingError(Kind.REFUSED, href, str(error), "Remove the link from the folder of the results.")
    said = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return StagingError(
            Kind.DISK_FULL, href, f"the disk is full ({said})", "Make room, or put the results elsewhere."
        )
    if error.errno in _DENIED:
        remedy = f"{_CHOOSE}, or give this user write permission."
        return StagingError(Kind.FORBIDDEN, href, f"no permission to write ({said})", remedy)
    if error.errno in _IN_THE_WAY:
        return StagingError(Kind.UNSUPPORTED, href, f"a file is in the place of the folder ({said})", f"{_CHOOSE}.")
    return StagingError(Kind.DISK, href, f"cannot be written ({said})", f"{_CHOOSE}, or check the disk.")
