"""Files of this machine, for STAC documents on disk and their assets."""

import errno
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from io import FileIO
from pathlib import Path

from stagein.progress import check_files
from stagein.settings import StageInOptions
from stagein.sources.protocol import Content, Entry, Source
from zoo_staging.checksum import Checksum
from zoo_staging.errors import Kind, StagingError
from zoo_staging.folders import walk
from zoo_staging.hrefs import local_path
from zoo_staging.ranges import ByteRange
from zoo_staging.short_calls import ShortCalls
from zoo_staging.threads import Workers

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20


@asynccontextmanager
async def open_local(options: StageInOptions) -> AsyncIterator[Source]:
    """Open the local disk as a source."""
    with closing(Workers()) as workers:
        yield LocalSource(options, workers)


class LocalSource:
    """Absolute paths and `file:` URLs, inside the allowed roots; small files are read in the event loop if it is quick.

    References in documents are paths already (`resolve_href`), and are not decoded again.
    """

    def __init__(self, options: StageInOptions, workers: Workers) -> None:
        self._allowed_roots = options.allowed_roots
        self._max_files = options.max_files
        self._workers = workers
        self._disk = ShortCalls(workers.run)

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Start reading a file; parts are never requested."""
        return self._open(href)

    async def list_folder(self, href: str) -> list[Entry] | None:
        """Return the files of a folder, links followed; None for a file."""
        path = check_local(_read_path(href), self._allowed_roots)
        if not path.is_dir():
            return None
        return await self._workers.run(lambda: self._list(path))

    def _list(self, folder: Path) -> list[Entry]:
        found: list[Entry] = []
        with _translating(folder):
            for file in walk(folder, self._check_link):
                found.append(Entry(file.path, file.name, os.stat(file.path).st_size))  # noqa: PTH116
                check_files(len(found), str(folder), self._max_files)
        return found

    def _check_link(self, link: Path) -> None:
        check_local(link, self._allowed_roots)

    @asynccontextmanager
    async def _open(self, href: str) -> AsyncIterator[Content]:
        path = check_local(_read_path(href), self._allowed_roots)
        try:
            file = await self._disk.run(lambda: _open_file(path))
            size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise _unreadable(path, error) from error
        with file:
            yield Content(href, size, self._stream(file, size, path))

    async def _stream(self, file: FileIO, size_bytes: int, path: Path) -> AsyncIterator[bytes]:
        run, came = (self._disk if size_bytes <= CHUNK_BYTES else self._workers).run, 0
        while True:
            try:
                chunk = await run(lambda: file.read(CHUNK_BYTES))
            except OSError as error:
                raise _unreadable(path, error) from error
            if not chunk:
                return
            yield chunk
            came += len(chunk)
            if came == size_bytes:
                return


def check_local(path: Path, allowed_roots: tuple[Path, ...] | None) -> Path:
    """Check that `path`, links followed, is in an allowed root, and then that it exists; raises `StagingError`."""
    try:
        if allowed_roots is not None:
            _check_roots(path, allowed_roots)
        path.stat()
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise _unreadable(path, error) from error
        raise StagingError(
            Kind.NOT_FOUND,
            str(path),
            "no such file or folder on this machine",
            "Check the spelling; a relative path starts at the folder of the document that contains it.",
        ) from error
    return path


def _check_roots(path: Path, allowed_roots: tuple[Path, ...]) -> None:
    resolved = path.resolve()
    if not any(resolved.is_relative_to(root.resolve()) for root in allowed_roots):
        raise StagingError(
            Kind.REFUSED,
            str(path),
            "local files are allowed only in " + (", ".join(map(str, allowed_roots)) or "no folder"),
            "Use a remote address, or ask the operator to allow the folder (STAGEIN_ALLOWED_ROOTS).",
        )


def check_links(folder: Path, allowed_roots: tuple[Path, ...] | None, max_files: int | None = None) -> None:
    """Check that every link below a folder, and in what it leads to, leads into an allowed root; blocks.

    A folder below it that may not be read is passed over: what uses the input cannot read it either. Raises
    `StagingError`, also for more than `max_files`.
    """
    with _translating(folder):
        entries = walk(folder, lambda link: check_local(link, allowed_roots), skips_unreadable=True)
        for number, _ in enumerate(entries, 1):
            check_files(number, str(folder), max_files)


def check_content(path: Path, size_bytes: int | None, checksum: Checksum | None) -> None:
    """Check a file against what its input says of it; blocks. Raises `StagingError`.

    A size that is stated without a checksum is no more than a hint, as in cwltool: another one is a warning.
    """
    remedy = "Give the file that was meant, or correct `size` and `checksum` in the input."
    with _translating(path), _open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size_bytes not in (None, size):
            reason = f"it has {size} bytes, its input states {size_bytes}"
            if checksum:
                raise StagingError(Kind.SIZE, str(path), reason, remedy)
            logger.warning("%s: %s", path, reason)
        digest = checksum.start() if checksum else None
        while digest and (chunk := file.read(CHUNK_BYTES)):
            digest.update(chunk)
    if checksum and digest and digest.hexdigest() != checksum.digest_hex:
        reason = f"its {checksum.algorithm} is {digest.hexdigest()}, its input states {checksum.digest_hex}"
        raise StagingError(Kind.CHECKSUM, str(path), reason, remedy)


def _open_file(path: Path) -> FileIO:
    if not path.is_file():  # a pipe would be waited for, a device read for ever
        raise OSError(errno.EINVAL, "not a regular file")
    return path.open("rb", buffering=0)


def _read_path(href: str) -> Path:
    return local_path(href, Path.cwd()) if href[:5].lower() == "file:" else Path(href)


@contextmanager
def _translating(folder: Path) -> Iterator[None]:
    """Translate what a folder, or what is in it, cannot be read for."""
    try:
        yield
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from error


def _unreadable(path: Path, error: OSError) -> StagingError:
    kind = Kind.FORBIDDEN if isinstance(error, PermissionError) else Kind.DISK
    return StagingError(kind, str(path), f"cannot read: {error.strerror}", "Check the file and its permissions.")
