"""The shell scripts of a step's pod; pure."""

import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath


def build_script(command: Iterable[object], stdin: str | None, stdout: str | None, stderr: str | None) -> list[str]:
    """Build the arguments of `sh -c` from a step's command, which in CWL is a list of words and never shell code.

    The words stay separate: Calrissian joins them to one text, in which `#b` is a comment and `*.tif` a pattern, and
    which Linux refuses above 128 KiB, some two thousand paths (execve(2), MAX_ARG_STRLEN).
    """
    places = ((">", stdout), ("2>", stderr), ("<", stdin))
    redirected = [word for sign, place in places if place for word in (sign, shlex.quote(place))]
    return [" ".join(['"$@"', *redirected]), "step", *map(str, command)]


def build_folders_script(*places: str | None) -> str:
    """Build the script that creates the folders of redirected output."""
    folders = [str(PurePosixPath(place).parent) for place in places if place]
    return f"mkdir -p -- {shlex.join(folders)}"
