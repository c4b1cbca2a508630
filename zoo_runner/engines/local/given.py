"""What is given to a run: inputs, files of the package, and where links in these lead.

An isolated run sees all of it, so that nothing of it may have folders of this installation in it: records, logs, inputs
and outputs of other jobs.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.links import list_places
from zoo_runner.model.errors import InputError
from zoo_runner.model.problems import Problem, ValuePath, build_problem, show
from zoo_runner.model.workspace import Folders
from zoo_staging.boundary import list_links

_WHY = "has data, records or logs of other jobs in it, or is one of these"
_REMEDY = (
    "Name a folder that has nothing but data. Where the folder of data itself has such a folder in it, move that"
    " (ZOO_RUNNER_SCRATCH, ZOO_RUNNER_STATE, ZOO_RUNNER_TEMP, ZOO_RUNNER_CACHE)."
)


def find_given(order: Mapping[str, Any], package_files: Iterable[str], scratch: Path) -> dict[str, ValuePath]:
    """Find what is given to a run, by its names, each with the input that leads there; of the package, with nothing."""
    found: dict[str, ValuePath] = {}
    new: dict[str, ValuePath] = {str(scratch / "inputs"): (), **dict.fromkeys(package_files, ())}
    new |= {path: where for where, path in list_places(order)}
    while new:
        found |= new
        links = ((link, where) for path, where in new.items() for link in list_links(Path(path)))
        led = {str(link.parent / link.readlink()): where for link, where in links}
        new = {path: where for path, where in led.items() if path not in found}
    return found


class PrivateFolders:
    """Folders of this installation that no input of an isolated job may have in it, or lie in.

    `follow` makes a path comparable: `os.path.normpath` by its words alone, `os.path.realpath` with links followed.
    With `roots`, only what lies in them is looked at.
    """

    def __init__(
        self, folders: Folders, cache: Path, roots: tuple[Path, ...] | None, follow: Callable[[str], str]
    ) -> None:
        self._follow = follow
        # stage-in refuses what lies elsewhere, and nobody learns what is there
        self._roots = None if roots is None else [follow(str(root)) for root in roots]
        self._closed = [follow(str(path)) for path in (folders.scratch, folders.state, cache)]
        # platforms put inputs there
        self._open = [follow(str(folders.temp))]

    def ensure_apart(
        self, given: Iterable[tuple[ValuePath, str]], place: ValuePath = (), own: Path | None = None
    ) -> None:
        """Refuse paths that have such a folder in them, or lie in one; raises `InputError` with all of them.

        `place` leads to the inputs in the document of the client. What lies in `own` is the job's.
        """
        below = self._follow(str(own)) if own else None
        problems = [
            build_problem("isolation.input", place, where, f"{show(path)} {_WHY}")
            for where, path in given
            if self._is_private(self._follow(path), below)
        ]
        if problems:
            raise _build_refused(problems)

    def _is_private(self, path: str, own: str | None) -> bool:
        if own and _is_in(path, own):
            return False
        if self._roots is not None and not any(_is_in(path, root) for root in self._roots):
            return False
        has = any(_is_in(folder, path) for folder in (*self._closed, *self._open))
        return has or any(_is_in(path, folder) for folder in self._closed)


def _is_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies in it."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _build_refused(problems: list[Problem]) -> InputError:
    lines = tuple(str(problem) if problem.path else f"the package: {problem.message}" for problem in problems)
    return InputError(
        f"isolation is on, and a step would see folders of other jobs: {lines[0]}",
        _REMEDY,
        evidence=lines,
        code="isolation.input",
        problems=tuple(problems),
    )
