"""Writes files that other processes read."""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from zoo_runner.model.errors import SettingsError

# what JSON allows and YAML 1.2.2 does not (section 5.1), and what the YAML parser takes for line breaks
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON in UTF-8, which cwltool reads as YAML."""
    path.write_bytes(format_json(value).encode(errors="backslashreplace"))


def format_json(value: Any) -> str:
    """Format a value as JSON that is YAML too.

    Text outside of the basic plane (emoji) is not escaped, because YAML has no surrogate pairs; characters that YAML
    does not allow are, and so is a lone surrogate, which UTF-8 cannot encode, once the text is encoded.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
