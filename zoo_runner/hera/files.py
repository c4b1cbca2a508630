"""The two files that configure Hera scripts: `hera.bash`, which shells import, and `hera.config`."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from zoo_runner.model.errors import UserSettingsError

_VARIABLE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
# the syntax of configargparse's DefaultConfigFileParser (1.7): `key = value`, `key: value`, `key value`, or a key alone
_OPTION = re.compile(
    r"(?:--)?(?P<key>[^:=;#\s]+)\s*(?:(?P<equal>[:=\s])\s*(['\"]?)(?P<value>.+?)?\3)?\s*(?:\s[;#]\s*.*)?"
)
_IGNORED = ("#", ";", "[", "---")


def read_variables(path: Path) -> dict[str, str]:
    """Read a file of `KEY=value` lines, as `export $(grep -v '^#' FILE | xargs)` and `set -a; source FILE` import it.

    Quotes, comments and the word `export` are those of a shell; nothing is expanded or executed. Raises
    `SettingsError` with file and line, without the value, which may be a secret.
    """
    return dict(_read_variable(path, number, line) for number, line in _read_lines(path))


def read_options(path: Path) -> dict[str, str]:
    """Read a file without sections in the syntax of configargparse; a key alone has the value `true`.

    Raises `SettingsError` with file and line.
    """
    return dict(_read_option(path, number, line) for number, line in _read_lines(path) if not line.startswith(_IGNORED))


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserSettingsError(f"cannot read {path}: {error}", "Check the path and that it is a text file.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield number, stripped


def _read_variable(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _VARIABLE.fullmatch(line)
    if match is None:
        raise _refuse(path, number, "expected KEY=value")
    try:
        words = shlex.split(match[2], comments=True)
    except ValueError as error:
        raise _refuse(path, number, f"value of {match[1]}: {str(error).lower()}") from error
    if len(words) > 1:
        raise _refuse(path, number, f"value of {match[1]} has a blank and no quotes")
    return match[1], words[0] if words else ""


def _read_option(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _OPTION.fullmatch(line)
    if match is None:
        raise _refuse(path, number, "expected key = value")
    alone = match["equal"] is None or match["equal"].isspace()
    return match["key"], match["value"] or ("true" if alone else "")


def _refuse(path: Path, number: int, what: str) -> UserSettingsError:
    return UserSettingsError(
        f"{path}, line {number}: {what}", "Write one KEY=value per line; put a value with blanks in quotes."
    )
