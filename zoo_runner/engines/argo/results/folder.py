"""The folder that results are downloaded to: paths checked, files complete or absent, checksums written down."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, SettingsError

RECORD = "results.jsonl"
"""The file that lists what was downloaded, one JSON object a line; of several lines of one path the last counts."""
_BLOCK_BYTES, _TAIL_BYTES = 1 << 20, 512


@dataclass(frozen=True)
class Stored:
    """A file in the folder: its path there, size in bytes and SHA-256; `source` is what it was downloaded from."""

    path: str
    size: int
    sha256: str
    source: str


class Part:
    """A file that is being downloaded; `size` is how many bytes of it are there, `tail` the last of them."""

    def __init__(self, path: Path, resume: bool) -> None:
        self._path = path
        with _writing(path):
            self._file = path.open("r+b" if resume and path.exists() else "w+b")
        self._digest, self.size, self.tail = hashlib.sha256(), 0, b""
        while block := self._file.read(_BLOCK_BYTES):
            self._count(block)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with _writing(self._path):
            self._file.write(data)
        self._count(data)

    def restart(self) -> None:
        """Drop all bytes."""
        with _writing(self._path):
            self._file.seek(0)
            self._file.truncate()
        self._digest, self.size, self.tail = hashlib.sha256(), 0, b""

    @property
    def sha256(self) -> str:
        """Return the checksum of the bytes that are there, in lower-case hex."""
        return self._digest.hexdigest()

    def close(self) -> None:
        """Write what is buffered, and close the file."""
        with _writing(self._path):
            self._file.close()

    def move(self, place: Path) -> None:
        """Put it in its place."""
        self._path.replace(place)

    def discard(self) -> None:
        """Remove it, unless it is in its place already."""
        self._path.unlink(missing_ok=True)

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        self.tail = (self.tail + data)[-_TAIL_BYTES:]


class ResultsFolder:
    """A folder with downloaded files. Raises `SettingsError` where it cannot be written."""

    def __init__(self, root: Path) -> None:
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()
        self._record = self._root / RECORD
        self._stored = _read_record(self._record)

    def find_place(self, path: str) -> Path:
        """Return where a file is stored, and create its folder.

        Raises `EngineError` where the path, or a link in the folder, leads outside or to the list of what was
        downloaded: names come from workflows.
        """
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/") or "\0" in path:
            raise _refuse(path)
        place = self._root.joinpath(*parts)
        if place == self._record:
            raise EngineError(
                f"a result has the name {RECORD!r}, by which a folder of downloads keeps its list",
                "Give the file another name in the workflow.",
                level=Level.USER,
                code="results.path",
            )
        existing = next(one for one in place.parents if one.exists())
        if not existing.resolve().is_relative_to(self._root) or place.is_symlink():
            raise _refuse(path)
        with _writing(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def find_stored(self, path: str, source: str) -> Stored | None:
        """Return the record of a file that was downloaded from the same source and is still intact."""
        found = self._stored.get(path)
        place = self.find_place(path)
        if found is None or found.source != source or not place.is_file() or place.stat().st_size != found.size:
            return None
        return found if compute_sha256(place) == found.sha256 else None

    @contextmanager
    def downloading(self, path: str, version: str = "") -> Iterator[Part]:
        """Give a part to write to; with `version`, an unfinished one of the same version is continued."""
        place = self.find_place(path)
        mark = hashlib.sha256(os.fsencode(f"{path}\n{version}")).hexdigest()[:16]
        part = Part(place.with_name(f".{mark}.part"), bool(version))
        try:
            yield part
        except BaseException:
            if not version:
                part.discard()
            raise
        finally:
            part.close()

    def store(self, path: str, part: Part, source: str) -> Stored:
        """Put a complete part in its place and write it down."""
        place = self.find_place(path)
        stored = Stored(path, part.size, part.sha256, source)
        part.close()
        with _writing(place):
            part.move(place)
        self._stored[path] = stored
        with _writing(self._record), self._record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(stored)) + "\n")
        return stored


def compute_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _read_record(path: Path) -> dict[str, Stored]:
    """Read what is written down; a line that a crash cut off is removed: its file is downloaded again."""
    if not path.is_file():
        return {}
    whole, _, cut = path.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        with _writing(path):
            path.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    stored: dict[str, Stored] = {}
    for line in whole.splitlines():
        with suppress(ValueError, TypeError):
            one = Stored(**json.loads(line))
            stored[one.path] = one
    return stored


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}", "Free space, or name another folder.", code="disk.failed"
        ) from error


def _refuse(path: str) -> EngineError:
    return EngineError(
        f"the path {path!r} of a result leads outside of the folder for downloads",
        "Download into an empty folder; if the path itself is wrong, check the workflow.",
        level=Level.USER,
        code="results.path",
    )
