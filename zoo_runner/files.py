"""Writes files that other processes read."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from zoo_runner.model.errors import SettingsError


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON in UTF-8.

    Text outside of the basic plane (emoji) is not escaped, because cwltool reads JSON as YAML, which has no surrogate
    pairs; a lone surrogate, which UTF-8 cannot encode, is.
    """
    path.write_bytes(json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace"))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it, however many write it and whenever the machine stops.

    Raises `SettingsError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(partial).replace(path)
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(
            f"cannot write {path}: {error.strerror}",
            "Free space on that disk, or point the setting of the folder (ZOO_RUNNER_CACHE, ZOO_RUNNER_STATE) to one"
            " that this user may write to.",
            code="settings.not-writable",
        ) from error
