"""The bucket in which workflows lie that messages speak of; or a folder, for a small installation."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from stageout.destinations import open_destination
from stageout.settings import load_options
from zoo_runner.api_client import UnansweredError
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.errors import StagingError

LARGEST_BYTES = 1 << 20
_Result = TypeVar("_Result")
_MEDIA_TYPE = "application/cwl+yaml"


class FilesUnreachableError(UnansweredError):
    """The bucket does not answer."""

    default_code = "bus.files"
    sent = True


class UnreadFileError(EngineError):
    """A file cannot be what a message says that it is."""

    default_code = "bus.file"


class AbsentFileError(EngineError):
    """A file is not there, or not yet."""

    default_code = "bus.absent"


class WorkflowFiles:
    """Files by key; methods raise `FilesUnreachableError` where the bucket cannot be used."""

    def __init__(self, address: str, storage: StorageProfile) -> None:
        try:
            self._place = open_destination(address, load_options(storage.variables, "bus", "bus").options)
        except StagingError as error:
            raise SettingsError(
                f"files is {address!r}: {error.reason}", error.remedy, code="harvest.sources"
            ) from error

    def read(self, key: str) -> str:
        """Return the text of a file; raises `AbsentFileError`, `UnreadFileError`."""
        size = self._call(self._place.get_size(key), key)
        if size is not None and size > LARGEST_BYTES:
            raise UnreadFileError(f"{key} has {size} bytes", f"Keep workflows below {LARGEST_BYTES} bytes.")
        body = None if size is None else self._call(self._place.get_bytes(key), key)
        if body is None:
            raise AbsentFileError(f"there is no file {key}", "Write the file before the message that names it.")
        try:
            return body.decode()
        except ValueError as error:
            raise UnreadFileError(f"{key} is not text in UTF-8", "Save it as UTF-8.") from error

    def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""
        return self._call(self._place.get_size(key), key) is not None

    def write(self, key: str, body: bytes) -> bool:
        """Put a file in its place; return whether there was one."""
        there = self.exists(key)
        self._call(self._place.put_bytes(key, body, _MEDIA_TYPE), key)
        return there

    def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        self._call(self._place.remove([key]), key)

    def _call(self, request: Coroutine[Any, Any, _Result], key: str) -> _Result:
        try:
            return asyncio.run(request)
        except StagingError as error:
            raise FilesUnreachableError(f"the file {key} cannot be reached: {error.reason}", error.remedy) from error
