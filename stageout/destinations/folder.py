"""Results in a local folder: written under a temporary name, then renamed."""

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from stageout.destinations.linking import link_file
from stageout.model import StageOutOptions
from zoo_staging.boundary import Boundary, OutsideError
from zoo_staging.errors import Kind, StagingError
from zoo_staging.short_calls import ShortCalls

_CHUNK_BYTES = 4 * 1024 * 1024
_SMALL_BYTES = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR)
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.part")
_CHOOSE = "Choose another folder (--output, or STAGEOUT_OUTPUT)"


async def _call_in_thread(call: Callable[[], Any]) -> Any:
    import asyncio  # with TLS it takes 3 MiB, which a check of the folder before the job does not need

    return await asyncio.to_thread(call)


@dataclass(frozen=True)
class FolderDestination:
    """A folder; it is created if it is missing."""

    root: Path
    takes_files: bool = False
    storage: None = None
    # a thread for each of thousands of small files takes longer than to write them
    _short_calls: ShortCalls = field(default_factory=lambda: ShortCalls(_call_in_thread), compare=False)

    @classmethod
    def open(cls, destination: str, options: StageOutOptions) -> "FolderDestination":
        """Open `file://<path>` or a path; a relative one starts in the current folder."""
        parts = urlsplit(destination)
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(destination)
        return cls(path.absolute(), options.takes_files)

    def get_path(self, key: str) -> str:
        """Return the key: a web server over the folder sees the same path."""
        return key

    def get_href(self, key: str) -> str:
        """Return a `file://` URL."""
        return (self.root / key).as_uri()

    async def put_file(self, key: str, source: Path, media_type: str) -> bool:
        """Copy a file, uncompared; when cancelled, the copy stops soon and leaves nothing.

        A file that may be taken gets its name here instead: then it is the same file, and there is nothing to compare.
        """
        try:
            if self.takes_files and await self._short_calls.run(partial(self._take, key, source)):
                return True
            is_small = source.stat().st_size <= _SMALL_BYTES
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error

        def copy(target: BinaryIO, stopped: threading.Event) -> None:
            with source.open("rb") as stream:
                while (chunk := stream.read(_CHUNK_BYTES)) and not stopped.is_set():
                    target.write(chunk)

        await self._write(key, copy, is_small=is_small)
        return False

    async def put_bytes(self, key: str, body: bytes, media_type: str) -> bool:
        """Write a small file, uncompared."""
        await self._write(key, lambda target, _: target.write(body), is_small=len(body) <= _SMALL_BYTES)
        return False

    async def put_folder(self, key: str) -> None:
        """Create an empty folder."""
        try:
            with self._open_parent(f"{key}/", create=True):
                pass
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error

    async def get_size(self, key: str) -> int | None:
        """Return the size of the file in bytes."""
        try:
            with self._open_parent(key) as (folder, name):
                return os.stat(name, dir_fd=folder).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error

    async def get_bytes(self, key: str) -> bytes | None:
        """Return the bytes of a small file."""
        try:
            with os.fdopen(self._boundary.open(self.root / key), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error

    async def remove(self, keys: Sequence[str]) -> None:
        """Unlink files, and the folders that become empty."""
        for key in keys:
            try:
                with suppress(FileNotFoundError), self._open_parent(key) as (folder, name):
                    os.unlink(name, dir_fd=folder)
            except OSError as error:
                raise _translate(error, self.get_href(key)) from error
        folders = {parent for key in keys for parent in PurePosixPath(key).parents if parent.name}
        for empty in sorted(folders, key=lambda each: len(each.parts), reverse=True):
            # it has files of others
            with suppress(OSError), self._open_parent(str(empty)) as (folder, name):
                os.rmdir(name, dir_fd=folder)

    async def discard(self, keys: Sequence[str]) -> None:
        """Unlink files, copies beside them that were broken off, and the folders that become empty, this one too."""
        for one in {PurePosixPath(key).parent: key for key in keys}.values():
            # a copy that stays does no harm
            with suppress(OSError), self._open_parent(one) as (folder, _), os.scandir(folder) as entries:
                for left in filter(_PARTIAL.fullmatch, [entry.name for entry in entries]):
                    os.unlink(left, dir_fd=folder)
        await self.remove(keys)
        with suppress(OSError):  # it has files of others
            self.root.rmdir()

    def probe(self) -> None:
        """Check that a file can be written in the folder; a folder created for the check is removed again."""
        key, was_there = f".probe-{uuid4().hex}", self.root.exists()
        try:
            self._write_and_rename(key, lambda _target, _stopped: None, threading.Event())
            (self.root / key).unlink()
        except OSError as error:
            raise _translate(error, self.root.as_uri()) from error
        if not was_there:
            with suppress(OSError):  # it has results of another job by now
                self.root.rmdir()

    @cached_property
    def _place(self) -> str:
        return os.fspath(self.root)

    @cached_property
    def _boundary(self) -> Boundary:
        return Boundary.build([self.root])

    @contextmanager
    def _open_parent(self, key: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder of a key, and give its descriptor and the key's last name.

        Raises `OutsideError` where a link among its folders leads out of the root: whoever may write to the folder
        could have put one there, to have files elsewhere replaced or removed.
        """
        # texts: a Path for each of thousands of files costs more than all that is asked of the disk
        parent, _, name = f"{self._place}/{key}".rpartition("/")
        try:
            folder = self._boundary.open_folder(parent)
        except FileNotFoundError:
            if not create:
                raise
            self._boundary.resolve(parent).mkdir(parents=True, exist_ok=True)
            folder = self._boundary.open_folder(parent)
        try:
            yield folder, name
        finally:
            os.close(folder)

    def _take(self, key: str, source: Path) -> bool:
        with self._open_parent(key, create=True) as (folder, name):
            return link_file(os.fspath(source), folder, name)

    async def _write(self, key: str, write: Callable[[BinaryIO, threading.Event], object], *, is_small: bool) -> None:
        stopped = threading.Event()
        run = self._short_calls.run if is_small else _call_in_thread
        try:
            await run(partial(self._write_and_rename, key, write, stopped))
        except OSError as error:
            raise _translate(error, self.get_href(key)) from error
        finally:
            stopped.set()

    def _write_and_rename(
        self, key: str, write: Callable[[BinaryIO, threading.Event], object], stopped: threading.Event
    ) -> None:
        with self._open_parent(key, create=True) as (folder, name):
            unfinished = f".{uuid4().hex}.part"
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
            done = False
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    write(stream, stopped)
                if not stopped.is_set():
                    os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
                    done = True
            finally:
                if not done:
                    os.unlink(unfinished, dir_fd=folder)


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
