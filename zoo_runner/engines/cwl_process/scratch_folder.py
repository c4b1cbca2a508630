"""The scratch folder of a run, and the files beside it that its launcher does not reach.

A launcher and its steps write to the scratch folder, and can put anything in the place of anything there, such as a
link or a pipe. What other processes rely on while a job runs, and after it, lies beside that folder, where no isolated
launcher reaches it. No job id has `@`.
"""

from contextlib import suppress
from pathlib import Path

from zoo_runner.removal import remove_tree

CONTROL = "control"
KEPT = "unpublished.json"
MONITORS = "monitors"
RESERVED = ".reserved"
"""What the name of a record has behind it until the record is written."""
_NAMES = (CONTROL, KEPT, f"{KEPT}{RESERVED}", MONITORS)


def place_beside(scratch: Path, name: str) -> Path:
    """Return the path of a file of a run."""
    return scratch.with_name(f"{scratch.name}@{name}")


def name_owner(path: Path) -> Path:
    """Return the scratch folder that a path is, or lies beside."""
    return path.with_name(path.name.partition("@")[0])


def remove_scratch(scratch: Path) -> None:
    """Remove a scratch folder and what lies beside it; what is missing is no error."""
    remove_tree(scratch)
    for name in _NAMES:
        remove_beside(scratch, name)


def remove_beside(scratch: Path, name: str) -> None:
    """Remove a file or folder of a run; one that is missing is no error."""
    path = place_beside(scratch, name)
    if path.is_dir():
        remove_tree(path)
    else:
        # the folder of all scratch folders may be none, which is then the reason why a job has failed
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
