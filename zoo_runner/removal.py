"""Removes what steps left behind, which may be made so that it is hard to remove; needs the standard library only."""

import contextlib
import shutil
import subprocess
from pathlib import Path

# no file: it may be another name of an input of the user
_OPEN_FOLDERS = ("-type", "d", "!", "-perm", "-700", "-execdir", "chmod", "u+rwx", "{}", ";")


def remove_tree(folder: str | Path) -> None:
    """Remove a folder with everything in it; one that is missing, or cannot be removed, is not an error.

    Folders in it may be unwritable, or deeper than Python can go. No link is followed.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        if Path(folder).exists():
            _insist(folder)
    except (OSError, RecursionError):
        _insist(folder)


def _insist(folder: str | Path) -> None:
    # from the folder that it is in, which may be an open one (/proc/self/fd) that no other process could name
    name, place = f"./{Path(folder).name}", Path(folder).parent
    for words in (["find", name, *_OPEN_FOLDERS], ["rm", "-rf", "--", name]):
        with contextlib.suppress(OSError):
            subprocess.run(words, cwd=place, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
