"""The record of a job's outputs, by which they can be published later: without secrets, whole, also on a full disk."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.scratch_folder import RESERVED
from zoo_runner.files import encode_json
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.masking import Masker

_ROOM_BYTES = 1 << 20
# by these the files of an output are found
_PLACES = ("path", "location", "basename", "nameroot", "nameext", "dirname")


def reserve_record(path: Path, mode: int = 0o600) -> None:
    """Take room for a record, before the steps of a job may fill the disk; where there is none, none is taken."""
    with contextlib.suppress(OSError):
        descriptor = _open_reserved(path, mode)
        try:
            os.posix_fallocate(descriptor, 0, _ROOM_BYTES)
        finally:
            os.close(descriptor)


def write_record(path: Path, outputs: Mapping[str, Any], masker: Masker, mode: int = 0o600) -> None:
    """Write a CWL output object into the room that was taken for it, so that nobody sees half of it.

    What is published later is masked by it, because secret inputs are never stored. Raises `OSError`.
    """
    with os.fdopen(_open_reserved(path, mode), "wb") as file:
        file.write(encode_json(_hide_secrets(outputs, masker)))
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    _name_reserved(path).replace(path)


def try_to_write_record(path: Path, outputs: Mapping[str, Any], masker: Masker, report: Report, mode: int) -> None:
    """Write a record that is needed only where the results cannot be stored now."""
    try:
        write_record(path, outputs, masker, mode)
    except OSError as error:
        text = f"if the results cannot be stored, they are lost: there is no room to record them ({error.strerror})"
        report(EngineLine("warning", text))


def _open_reserved(path: Path, mode: int) -> int:
    return os.open(_name_reserved(path), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def _name_reserved(path: Path) -> Path:
    return path.with_name(f"{path.name}{RESERVED}")


def _hide_secrets(node: Any, masker: Masker) -> Any:
    """Mask all values but the places and names of files."""
    if isinstance(node, Mapping):
        kept = _PLACES if node.get("class") in ("File", "Directory") else ()
        return {name: value if name in kept else _hide_value(name, value, masker) for name, value in node.items()}
    if isinstance(node, list):
        return [_hide_secrets(one, masker) for one in node]
    return masker.mask_data(node)


def _hide_value(name: str, value: Any, masker: Masker) -> Any:
    """Mask a value under its name, which may say that it is secret."""
    if isinstance(value, str):
        return next(iter(masker.mask_data({name: value}).values()))
    return _hide_secrets(value, masker)
