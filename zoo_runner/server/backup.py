"""Backup and restore: one archive with all that the database has, and with the files of its jobs.

The archive is a ZIP file: `tables/<name>.jsonl` with one row a line, `files/<folder>/<path>` with logs and results that
lie on this machine and with what harvests have noted, and `backup.json`, which says what there is. Settings are not in
it, and so none of their secrets.
"""

import json
import os
import re
import stat
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from zlib import error as ZlibError

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.profiles import Profiles
from zoo_runner.config.server import ServerSettings, is_database
from zoo_runner.model import clock
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.ids import file_name
from zoo_runner.model.written import read_json, write_json
from zoo_runner.server.installation import find_folder
from zoo_runner.server.noted import settle
from zoo_runner.store.sql import SqlStore
from zoo_runner.store.sql.presence import using_alone
from zoo_runner.store.sql.schema import NEWEST, OLDEST
from zoo_runner.store.sql.snapshot import (
    TABLES,
    Row,
    Snapshot,
    count_leases,
    is_empty,
    open_snapshot,
    replace_rows,
)
from zoo_staging.secrets import mask_addresses

FORMAT = 1
MANIFEST = "backup.json"
HARVESTS = "harvests"
"""The name of the folder of what harvests have noted: without it, processes would be taken for those of others."""
ASIDE = ".before-restore"
"""What is added to the names of records of harvests that a restore replaces."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class TableRows:
    """A table in an archive: how many rows, and the SHA-256 of their lines."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What an archive has. `schema` is that of its rows, `folders` are those of the installation, by name.

    `left_out` counts the callbacks whose addresses hold a password or a token, which an archive does not keep,
    `files_elsewhere` the files of jobs that lie in none of the folders: they are not in the archive.
    """

    format: int
    created: str
    schema: str
    folders: Mapping[str, str]
    tables: tuple[TableRows, ...]
    files: int
    left_out: int
    files_elsewhere: int = 0

    def count(self, table: str) -> int:
        """Return how many rows of a table there are."""
        return sum(one.rows for one in self.tables if one.name == table)


def find_folders(settings: ServerSettings, configuration: Configuration) -> dict[str, Path]:
    """Return the folders of an installation in which the files of jobs lie, by the variable that sets them.

    `HARVESTS` is that of the records of harvests.
    """
    found = {
        HARVESTS: _find_harvests(settings, configuration).resolve(),
        "ZOO_RUNNER_TEMP": configuration.workspace.folders.temp.resolve(),
        "ZOO_RUNNER_RESULTS_FOLDER": settings.results.resolve(),
    }
    places = {"STAGEOUT_OUTPUT": configuration.workspace.storage.destination}
    if settings.workspaces:
        profiles = Profiles(settings.workspaces).list_by_name()
        places |= {f"ZOO_RUNNER_WORKSPACES.{file_name(name)}": one.results for name, one in profiles.items()}
    for name, place in places.items():
        if place and (folder := find_folder(place)):
            found[name] = folder.resolve()
    return found


def _find_harvests(settings: ServerSettings, configuration: Configuration) -> Path:
    # those in the database are among its tables
    is_folder = settings.records and not is_database(settings.records)
    return Path(settings.records) if is_folder else configuration.workspace.folders.harvests


def write_backup(
    store: SqlStore, folders: Mapping[str, Path], path: Path, *, files: bool = True, overwrite: bool = False
) -> Manifest:
    """Write an archive while jobs run; it is there as a whole or not at all, for its owner only.

    The rows are those of one moment. Files are read after that, so that a job that has ended by its record has all of
    its files. Without `files`, logs and results stay where they lie. Raises `SettingsError` and `EngineError`.
    """
    if path.exists() and not overwrite:
        raise SettingsError(f"{path} exists", "Choose another file, or use --overwrite.", code="backup.exists")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _private(partial) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            manifest = _write(archive, store, folders, files)
        partial.replace(path)
    except OSError as error:
        raise _build_disk(path, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return manifest


@contextmanager
def _private(path: Path) -> Iterator[Any]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write(archive: zipfile.ZipFile, store: SqlStore, folders: Mapping[str, Path], files: bool) -> Manifest:
    writer = _Writer(archive, folders)
    noted = _read_noted(folders)
    with open_snapshot(store.database) as snapshot:
        # a harvest may go on: what it notes meanwhile may be of processes that this backup lacks
        noted = {path: settle(noted.get(path, b""), after) for path, after in _read_noted(folders, noted).items()}
        tables = tuple(writer.write_table(snapshot, name) for name in TABLES)
        rows = chain(snapshot.read("jobs"), snapshot.read("uploads")) if files else ()
        count = sum(map(writer.write_files, rows)) + writer.write_noted(noted)
    # records of harvests may go elsewhere: they have no path of this machine
    places = {name: str(folder) for name, folder in folders.items() if name != HARVESTS}
    manifest = Manifest(
        FORMAT, clock.now(), snapshot.schema, places, tables, count, writer.left_out, writer.files_elsewhere
    )
    archive.writestr(MANIFEST, json.dumps(to_plain(manifest), indent=2))
    return manifest


class _Writer:
    """Writes the parts of an archive."""

    def __init__(self, archive: zipfile.ZipFile, folders: Mapping[str, Path]) -> None:
        self._archive, self._folders = archive, folders
        self._written: set[str] = set()
        self.left_out = self.files_elsewhere = 0

    def write_table(self, snapshot: Snapshot, name: str) -> TableRows:
        """Write the rows of a table."""
        rows, digest = 0, sha256()
        with self._archive.open(_name_table(name), "w", force_zip64=True) as member:
            for row in snapshot.read(name):
                line = json.dumps(self._leave_out_subscriber(name, row)).encode() + b"\n"
                member.write(line)
                digest.update(line)
                rows += 1
        return TableRows(name, rows, digest.hexdigest())

    def _leave_out_subscriber(self, table: str, row: Row) -> Row:
        """Leave out whom to call back about a job, where the addresses hold a credential."""
        body = read_json(row["body"]) if table == "jobs" else {}
        subscriber = (body.get("request") or {}).get("subscriber")
        if subscriber is None or mask_addresses(text := json.dumps(subscriber), "") == text:
            return row
        self.left_out += 1
        request = {name: one for name, one in body["request"].items() if name != "subscriber"}
        return {**row, "body": write_json({**body, "request": request})}

    def write_files(self, row: Row) -> int:
        """Write the files of a job, or those of an upload, in the folders of this installation; return how many."""
        return sum(self._write_file(path) for place in _list_places(row) for path in _list_files(place))

    def write_noted(self, noted: Mapping[Path, bytes]) -> int:
        """Write what harvests have noted; return how many files."""
        for path, content in noted.items():
            info = zipfile.ZipInfo(f"files/{HARVESTS}/{path.relative_to(self._folders[HARVESTS]).as_posix()}")
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            self._archive.writestr(info, content)
        return len(noted)

    def _write_file(self, path: Path) -> bool:
        name = self._name_file(path)
        if name is None:
            self.files_elsewhere += 1
        if name is None or name in self._written:
            return False
        try:
            # a pipe that somebody put there would be waited for
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    return False
                self._copy(file, zipfile.ZipInfo.from_file(path, name, strict_timestamps=False), status.st_size)
        except FileNotFoundError:
            # of a job that was removed meanwhile
            return False
        self._written.add(name)
        return True

    def _name_file(self, path: Path) -> str | None:
        for name, folder in self._folders.items():
            if path.is_relative_to(folder):
                return f"files/{name}/{path.relative_to(folder).as_posix()}"
        return None

    def _copy(self, file: Any, info: zipfile.ZipInfo, size: int) -> None:
        """Copy what a file had when it was opened: a log may grow as fast as it is read."""
        info.compress_type, info._compresslevel = zipfile.ZIP_DEFLATED, 1  # type: ignore[attr-defined]
        with self._archive.open(info, "w", force_zip64=True) as member:
            while size > 0 and (chunk := file.read(min(size, _CHUNK_BYTES))):
                member.write(chunk)
                size -= len(chunk)


def _read_noted(folders: Mapping[str, Path], known: Collection[Path] = ()) -> dict[Path, bytes]:
    """Read what harvests have noted; of what is `known`, and gone since, nothing is left."""
    folder, noted = folders.get(HARVESTS), dict.fromkeys(known, b"")
    for path in sorted(folder.rglob("*.json")) if folder else ():
        if path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):
                noted[path] = path.read_bytes()
    return noted


def _list_places(row: Row) -> Iterator[Path]:
    body = json.loads(row["body"])
    for name in ("log", "log_folder", "destination"):
        if (place := body.get(name)) and (folder := find_folder(place)):
            yield folder.resolve()


def _list_files(place: Path) -> Iterator[Path]:
    """List the files in a folder, or the file; links are left out."""
    if place.is_file():
        yield place
    for folder, _, names in os.walk(place):
        yield from (path for name in names if not (path := Path(folder, name)).is_symlink())


def _name_table(name: str) -> str:
    return f"tables/{name}.jsonl"


def restore_backup(store: SqlStore, folders: Mapping[str, Path], path: Path, *, overwrite: bool = False) -> Manifest:
    """Put what an archive has into a database, and its files into their folders.

    The archive is checked as a whole before anything changes. Its files are unpacked beside their places, the rows are
    stored in one transaction, then the files are moved: what fails before that changes nothing. Jobs that had not ended
    are free for any worker. A database with content is refused, unless it is to be overwritten; without
    `overwrite`, files that are there stay as they are, but for what harvests have noted: that fits the processes of the
    archive, and what was there is put aside. Raises `SettingsError` and `EngineError`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _read_manifest(archive)
            _ensure_usable(manifest, archive, folders)
            tables = ((one.name, _read_table(archive, one)) for one in manifest.tables)
            with using_alone(store.database), _unpacked(archive, folders, overwrite) as files:
                _ensure_free(store, overwrite)
                replace_rows(store.database, manifest.schema, tables)
                # those of another time than the processes would be trusted all the same
                for path in _read_noted(folders):
                    path.rename(path.with_name(f"{path.name}{ASIDE}"))
                for partial, target in files.items():
                    partial.replace(target)
    except OSError as error:
        raise _build_disk(path, error) from error
    except (zipfile.BadZipFile, ZlibError, EOFError, ValueError, KeyError, NotImplementedError) as error:
        raise _build_damaged(str(error)) from error
    return manifest


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    document = json.loads(archive.read(MANIFEST))
    newest, schema = document.get("format"), str(document.get("schema"))
    if not isinstance(newest, int) or not (re.fullmatch(r"\d{4}", schema) and schema >= OLDEST):
        raise ValueError(f"{MANIFEST} has format {newest!r} and schema {schema!r}")
    if newest > FORMAT or schema > NEWEST:
        raise SettingsError(
            f"the backup has format {newest} and schema {schema}, and this release reads up to {FORMAT} and {NEWEST}",
            "Upgrade this installation.",
            code="backup.newer",
        )
    return from_plain(Manifest, document)


def _ensure_usable(manifest: Manifest, archive: zipfile.ZipFile, folders: Mapping[str, Path]) -> None:
    for name, place in manifest.folders.items():
        if place != str(folder := folders.get(name)):
            raise SettingsError(
                f"the backup is of an installation whose {name} is {place}, and this one's is {folder or 'elsewhere'}",
                f"Set {name} to {place}: records of jobs have the paths of their files.",
                code="backup.folders",
            )
    if damaged := archive.testzip():
        raise ValueError(f"{damaged} does not match its checksum")
    for table in manifest.tables:
        for _ in _read_table(archive, table):
            pass


def _ensure_free(store: SqlStore, overwrite: bool) -> None:
    if not is_empty(store.database) and not overwrite:
        raise SettingsError(
            "the database has jobs, processes or records of harvests",
            "Restore into an empty one, or use --overwrite, which removes what is there.",
            code="backup.not-empty",
        )
    if count := count_leases(store.database):
        raise SettingsError(
            f"workers work on {count} jobs of the database",
            "Stop all servers and workers; leases of those that were killed expire after ZOO_RUNNER_LEASE seconds.",
            code="backup.in-use",
        )


def _read_table(archive: zipfile.ZipFile, table: TableRows) -> Iterator[Row]:
    """Yield the rows of a table; raises `ValueError` where they are not those that were written."""
    if table.name not in TABLES:
        raise ValueError(f"unknown table {table.name!r}")
    rows, digest = 0, sha256()
    with archive.open(_name_table(table.name)) as member:
        for line in member:
            digest.update(line)
            rows += 1
            yield json.loads(line)
    if (rows, digest.hexdigest()) != (table.rows, table.digest):
        raise ValueError(f"{_name_table(table.name)} is not what was written")


@contextmanager
def _unpacked(archive: zipfile.ZipFile, folders: Mapping[str, Path], overwrite: bool) -> Iterator[dict[Path, Path]]:
    """Unpack the files beside their places, and give these by the file; what was not moved at the end is removed."""
    files: dict[Path, Path] = {}
    try:
        for info in archive.infolist():
            first, *rest = PurePosixPath(info.filename).parts
            if first != "files" or info.is_dir():
                continue
            target = _find_target(rest, folders)
            if overwrite or rest[0] == HARVESTS or not target.exists():
                partial = target.with_name(f".{target.name}.partial"[-255:])
                files[partial] = target
                _unpack(archive, info, partial)
        yield files
    finally:
        for partial in files:
            partial.unlink(missing_ok=True)


def _find_target(parts: list[str], folders: Mapping[str, Path]) -> Path:
    """Return where a file belongs; raises `ValueError` for one outside of the folders."""
    folder = folders.get(parts[0]) if len(parts) > 1 and ".." not in parts else None
    target = folder.joinpath(*parts[1:]) if folder else None
    if not folder or not target or not target.resolve().is_relative_to(folder):
        raise ValueError(f"{'/'.join(parts)!r} belongs to no folder")
    return target


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # a link that somebody put there would be followed
    path.unlink(missing_ok=True)
    with archive.open(info) as member, path.open("xb") as file:
        while chunk := member.read(_CHUNK_BYTES):
            file.write(chunk)
    path.chmod(stat.S_IMODE(info.external_attr >> 16) & 0o755 or 0o644)


def _build_damaged(reason: str) -> SettingsError:
    return SettingsError(f"the backup is damaged: {reason}", "Use another backup.", code="backup.damaged")


def _build_disk(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{error.filename or path} cannot be read or written: {error.strerror or error}",
        "Check the path, its permissions and the space on the disk.",
        code="disk.failed",
    )
