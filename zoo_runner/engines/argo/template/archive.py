"""Archives of artifacts, unpacked within limits: what a hostile one says of itself takes neither memory nor disk.

An archive is read as a stream, one member after the other, and nothing of a member is kept. Source for the format:
POSIX.1-2017, pax, "pax Interchange Format" (extended headers), and GNU tar ("long names", sparse files).
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

from zoo_runner.engines.argo.results.folder import ResultsFolder
from zoo_runner.model.errors import EngineError

_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
# of a member, and what the library reads ahead
_HEADER_BYTES, _AHEAD_BYTES = 128 << 10, tarfile.RECORDSIZE
# beside those of the library: a damaged stream, a number with thousands of digits, a header before a header before …
_DAMAGES = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, RecursionError)
MOST_FILES = 100_000
"""How many files and folders the artifacts of a job may have together, those in archives included."""


@dataclass
class Budget:
    """What the artifacts of a job may still write to the disk: bytes, archives included, and files."""

    bytes: int
    files: int = MOST_FILES

    def take_bytes(self, count: int) -> None:
        """Take bytes; raises `EngineError` where there are no more."""
        self.bytes -= count
        if self.bytes < 0:
            raise _refuse_size("bytes than ZOO_RUNNER_SCRATCH_MAX_BYTES or nine tenths of the free disk")

    def take_file(self) -> None:
        """Take a file or folder; raises `EngineError` where there are no more."""
        self.files -= 1
        if self.files < 0:
            raise _refuse_size(f"files than {MOST_FILES}")


def _refuse_size(limit: str) -> EngineError:
    return EngineError(
        f"the artifacts of the job have more {limit}",
        "Let the template write less, or let the operator raise the limit.",
        code="results.artifact",
    )


class UnpackError(Exception):
    """An archive that cannot be unpacked, and why."""


def unpack(archive: Path, target: ResultsFolder, budget: Budget) -> list[str]:
    """Unpack files and folders, and nothing else that an archive may hold; return the names at its top.

    Raises `UnpackError` for what is no archive, or has headers of more than 128 KiB for a member, and `EngineError` for
    one that has more than the budget, or a path that leads outside.
    """
    tops: set[str] = set()
    try:
        with _opening(archive) as source, _open_tar(source) as packed:
            for member in _list_members(packed, source):
                budget.take_file()
                path = str(PurePosixPath(member.name))
                if not (member.isfile() or member.isdir()) or path == ".":
                    continue
                tops.add(path.split("/", 1)[0])
                if member.isdir():
                    target.find_place(f"{path}/-")
                elif content := packed.extractfile(member):
                    source.left = None
                    with target.find_place(path).open("wb") as file:
                        for block in iter(partial(content.read, _BLOCK_BYTES), b""):
                            budget.take_bytes(len(block))
                            file.write(block)
            # the checksum of what was packed is at its end
            source.left = None
            for block in iter(partial(source.read, _BLOCK_BYTES), b""):
                budget.take_bytes(len(block))
    except _DAMAGES as error:
        raise UnpackError(str(error)) from error
    return sorted(tops)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Source:
    """The bytes of an archive; `left` are those that may still be read of the headers of a member, None: any."""

    def __init__(self, file: _Readable) -> None:
        self._file = file
        self.left: int | None = _HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Read bytes; raises `ReadError` where headers are longer than they may be."""
        if self.left is not None:
            self.left -= size
            if self.left < -_AHEAD_BYTES:
                raise tarfile.ReadError(f"the headers of a member have more than {_HEADER_BYTES >> 10} KiB")
        return self._file.read(size)


@contextmanager
def _opening(archive: Path) -> Iterator[_Source]:
    with archive.open("rb") as file:
        is_packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield _Source(gzip.GzipFile(fileobj=file) if is_packed else file)


def _open_tar(source: _Source) -> tarfile.TarFile:
    # a stream is only read from, whatever the library's types ask for
    return tarfile.open(mode="r|", fileobj=source)  # type: ignore[call-overload,no-any-return]


def _list_members(packed: tarfile.TarFile, source: _Source) -> Iterator[tarfile.TarInfo]:
    """Yield the members without keeping them, nor what headers say of all that follow."""
    while member := packed.next():
        packed.members = []  # type: ignore[attr-defined]
        packed.pax_headers = {}
        yield member
        source.left = _HEADER_BYTES
