"""The bucket that is left: finds the records of jobs in it, and reads what lies beside them, with limits."""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stageout.settings import load_options
from zoo_runner.execution.job_record import RECORD
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.errors import Kind, StagingError
from zoo_staging.object_store import Store, list_objects, open_store, read_object, split_url

# for a page of a list, which a service may collect from many folders
_ANSWER_SECONDS = 300.0
_MOST_BESIDE = 20_000
_RECORD = re.compile(rf"(?:(?P<place>.+)/)?logs/(?P<job>[^/]+)/{re.escape(RECORD)}", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A record: the key of the results of its job, the id that it lies under, and the folder that it lies in.

    `beside` is what lies there, by name with sizes in bytes, as far as it was listed already; None: ask for it.
    """

    place: str
    job_id: str
    folder: str
    beside: Mapping[str, int] | None = None


class UnsortedError(Exception):
    """The service lists keys in no order that is known, so that a folder may not be listed in one piece."""


@dataclass(frozen=True)
class Bucket:
    """What lies below an address; requests are signed with the credentials of stage-out."""

    scheme: str
    name: str
    prefix: str
    store: Store

    @classmethod
    def open(cls, address: str, storage: StorageProfile) -> "Bucket":
        """Open `s3://bucket/prefix`; nothing is requested yet. Raises `StagingError`."""
        options = load_options(storage.variables, "recover", "recover").options
        scheme, name, prefix = split_url(address)
        return cls(scheme, name, prefix.strip("/"), open_store((scheme, name), options.s3, options.clouds))

    async def find(self, *, sorted_: bool = True) -> AsyncIterator[Found]:
        """Find the records, in the order of the service; not all are in memory at once. Raises `StagingError`.

        In a sorted list, what lies beside each comes with it: no request for each job. Raises `UnsortedError` where it
        is not sorted.
        """
        order, open_folders = _Order(), list[tuple[str, dict[str, int]]]()
        async for key, size in list_objects(
            self.store, self.prefix, self.describe(self.prefix), read_timeout_seconds=_ANSWER_SECONDS
        ):
            if not sorted_:
                if record := _RECORD.fullmatch(key):
                    yield Found(record["place"] or "", record["job"], key.removesuffix(f"/{RECORD}"))
                continue
            order.check(key)
            while open_folders and not key.startswith(f"{open_folders[-1][0]}/"):
                if found := _close(*open_folders.pop()):
                    yield found
            _put(open_folders, key, size)
        for folder, names in reversed(open_folders):
            if found := _close(folder, names):
                yield found

    async def list_beside(self, found: Found) -> dict[str, int]:
        """List what lies beside a record, by name with sizes in bytes; raises `StagingError`."""
        if found.beside is not None:
            return dict(found.beside)
        names: dict[str, int] = {}
        href = self.describe(found.folder)
        async for key, size in list_objects(self.store, found.folder, href, read_timeout_seconds=_ANSWER_SECONDS):
            name = key.removeprefix(f"{found.folder}/")
            if "/" not in name:
                names[name] = size
            if len(names) > _MOST_BESIDE:
                raise StagingError(Kind.SIZE, href, f"more than {_MOST_BESIDE} objects", "Remove what is no log.")
        return names

    async def read(self, key: str, most_bytes: int) -> bytes:
        """Read an object of at most so many bytes; raises `StagingError`."""
        parts = [chunk async for chunk in self._stream(key, most_bytes)]
        return b"".join(parts)

    async def fetch(self, key: str, target: Path, most_bytes: int) -> bool:
        """Write an object into a new file, which is there as a whole or not at all.

        Returns whether it was written: what is there stays as it is. Raises `StagingError`, `OSError`.
        """
        if target.is_symlink() or target.exists():
            return False
        with _new_file(target) as file:
            async for chunk in self._stream(key, most_bytes):
                await asyncio.to_thread(file.write, chunk)
        return True

    def describe(self, key: str) -> str:
        """Return the address of a key."""
        return f"{self.scheme}://{self.name}/{key}"

    async def _stream(self, key: str, most_bytes: int) -> AsyncIterator[bytes]:
        href, left = self.describe(key), most_bytes
        opened = await read_object(self.store, key, href, read_timeout_seconds=_ANSWER_SECONDS)
        async for chunk in opened.chunks:
            left -= len(chunk)
            if left < 0:
                raise StagingError(
                    Kind.SIZE, href, f"more than {most_bytes} bytes", "Check who has written it; it is left out."
                )
            yield chunk


class _Order:
    """Whether keys come sorted: as texts, or as a walk through folders does. In both, a folder comes in one piece."""

    def __init__(self) -> None:
        self._last, self._as_texts, self._as_folders = "", True, True

    def check(self, key: str) -> None:
        """Take the next key; raises `UnsortedError`."""
        self._as_texts = self._as_texts and self._last < key
        self._as_folders = self._as_folders and self._last.split("/") < key.split("/")
        if not self._as_texts and not self._as_folders:
            raise UnsortedError
        self._last = key


def _put(open_folders: list[tuple[str, dict[str, int]]], key: str, size: int) -> None:
    """Note a file in the folder of its record, if that may have one."""
    folder, _, name = key.rpartition("/")
    if _RECORD.fullmatch(f"{folder}/{RECORD}"):
        if not open_folders or open_folders[-1][0] != folder:
            open_folders.append((folder, {}))
        names = open_folders[-1][1]
        # one more says that there are too many
        if len(names) <= _MOST_BESIDE or name == RECORD:
            names[name] = size


def _close(folder: str, names: Mapping[str, int]) -> Found | None:
    """Return the record of a folder that is listed, None without one."""
    record = _RECORD.fullmatch(f"{folder}/{RECORD}")
    if record is None or RECORD not in names:
        return None
    beside = names if len(names) <= _MOST_BESIDE else None
    return Found(record["place"] or "", record["job"], folder, beside)


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """Give a file that gets its name at the end, unless there is one of that name by then; raises `OSError`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(prefix=".recovered.", suffix=".partial", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            yield file
        with suppress(FileExistsError):
            os.link(partial, target, follow_symlinks=False)
    finally:
        os.unlink(partial)  # noqa: PTH108 a text, as `mkstemp` gives it
