"""Files that others read while they are written."""

import os
import tempfile
from pathlib import Path

from zoo_runner.model.errors import SettingsError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it, however many write it; raises `SettingsError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(partial).replace(path)
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}",
            "Free space on that disk, or point the setting of that folder (ZOO_RUNNER_CACHE, ZOO_RUNNER_STATE) to one"
            " that this user may write to.",
        ) from error
