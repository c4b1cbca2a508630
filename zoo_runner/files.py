"""Writes files that other processes read."""

import errno
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

from zoo_runner.model import written
from zoo_runner.model.errors import SettingsError

MOST_BYTES = 256 << 20
"""Most that is read of a file that others may have written: a hundred thousand outputs take a fifth of it."""
# what JSON allows and YAML 1.2.2 does not (section 5.1), and what the YAML parser takes for line breaks
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON in UTF-8, which cwltool reads as YAML."""
    path.write_bytes(encode_json(value))


def encode_json(value: Any) -> bytes:
    """Encode a value as `write_json` writes it."""
    return format_json(value).encode(errors="backslashreplace")


def write_anew(path: Path, content: bytes) -> None:
    """Put a new file in the place of whatever is there; others that read it see the former or the new one, whole.

    Neither a link nor an open file of somebody else is written to. Raises `OSError`.
    """
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def read_unlinked(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Read a regular file that others may have replaced.

    Raises `OSError` for a link, a pipe, a device, and a file of more than `most_bytes`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if len(content := file.read(most_bytes + 1)) > most_bytes:
            raise OSError(errno.EFBIG, f"a file of more than {most_bytes} bytes", str(path))
        return content


def format_json(value: Any) -> str:
    """Format a value as JSON that is YAML too.

    Text outside of the basic plane (emoji) is not escaped, because YAML has no surrogate pairs; characters that YAML
    does not allow are, and so is a lone surrogate, which UTF-8 cannot encode, once the text is encoded.
    """
    text = written.write_json(value, ensure_ascii=False)
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
