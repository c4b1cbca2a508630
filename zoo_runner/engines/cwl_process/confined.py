"""cwltool's access to files, confined to what belongs to the job: what it reads, where it puts what it stages.

cwltool asks three things of a launcher: an object that reads files (`StdFsAccess`), one that maps the files of a step
to places (`PathMapper`), and the tools themselves. All paths of a package, of its tools and of its expressions pass
through the first two.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from cwltool.errors import WorkflowException
from cwltool.pathmapper import PathMapper
from cwltool.stdfsaccess import StdFsAccess

from zoo_runner.engines.cwl_process.links import describe_bad_name, list_paths
from zoo_staging.boundary import Boundary, OutsideError

REFUSED = "Outside of the job"
"""Begins each message of what is refused here; the diagnosis finds it by this."""
_WRITTEN = ("out", "tmp", "outputs", "copies")
# CWL v1.2, File: literals, whose content is in the document, have such a location in cwltool
_LITERAL = "_:"
_NOWHERE = "/dev/null"
_LARGEST_OUTPUT_OBJECT_BYTES = 64 << 20


def build_boundary(
    scratch: Path, order: Mapping[str, Any], package_files: Iterable[str], earlier: Iterable[Path] = ()
) -> Boundary:
    """Build the boundary of a run: the folders in `scratch` that steps write to, and the files of the job order.

    `package_files` are those that belong to the package, `earlier` the runs that this one continues, whose steps wrote
    to folders of the same names.
    """
    staged = map(Path, (*list_paths(order), *package_files))
    own = scratch / "inputs"
    written = [run / name for run in (scratch, *earlier) for name in _WRITTEN]
    return Boundary.build(written, [own, *staged], own)


def read_path(location: str) -> str:
    """Read the path of a `file:` URI; a path is returned unchanged."""
    return unquote(urlsplit(location).path) if location.startswith("file:") else location


@contextmanager
def _refused() -> Iterator[None]:
    """Turn what is refused into the error that ends the step."""
    try:
        yield
    except OutsideError as error:
        raise WorkflowException(f"{REFUSED}: {error}") from error


@contextmanager
def _names_in_utf8() -> Iterator[None]:
    """Turn a file name that no location can have into the error that ends the step, with the name escaped."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise WorkflowException(describe_bad_name(error.object)) from error


class ConfinedAccess(StdFsAccess):
    """cwltool's access to files, which reads within a boundary and raises `WorkflowException` outside of it."""

    def __init__(self, boundary: Boundary, basedir: str) -> None:
        super().__init__(basedir)
        self.boundary = boundary

    def _abs(self, p: str) -> str:
        if p.startswith(_LITERAL):
            return f"{_NOWHERE}/{p}"
        with _refused():
            return self.boundary.find(_ensure_here(super()._abs(p)))

    def exists(self, fn: str) -> bool:
        """Whether a file or folder exists within the boundary: cwltool asks it of optional secondary files too."""
        try:
            return super().exists(fn)
        except WorkflowException:
            return False

    def glob(self, pattern: str) -> list[str]:
        """Find what matches; the locations have the names of what was found, not of what links lead to."""
        with _refused():
            if ".." in pattern.split("/"):
                raise OutsideError(f"the glob {Path(pattern).name!r} has a step up (..)")
        with _names_in_utf8():
            found = StdFsAccess(self.basedir).glob(pattern)
        return [location for location in found if self._abs(location)]

    def listdir(self, fn: str) -> list[str]:
        """List the entries of a folder."""
        with _names_in_utf8():
            return super().listdir(fn)

    def open(self, fn: str, mode: str) -> IO[Any]:
        """Open a regular file for reading."""
        with _refused():
            if set(mode) - set("rbt"):
                raise OutsideError(f"{Path(fn).name!r} opened for writing")
            descriptor = self.boundary.open(_ensure_here(super()._abs(fn)))
            if fn.endswith("/cwl.output.json") and os.fstat(descriptor).st_size > _LARGEST_OUTPUT_OBJECT_BYTES:
                os.close(descriptor)
                raise OutsideError(f"cwl.output.json has more than {_LARGEST_OUTPUT_OBJECT_BYTES >> 20} MiB")
            return os.fdopen(descriptor, mode)

    def realpath(self, path: str) -> str:
        """Follow all links."""
        return self._abs(path)


class ConfinedMapper(PathMapper):
    """cwltool's mapper of files, which raises `WorkflowException` for sources and targets outside of the job.

    `any_target` is for a container that a package requires, in which files may be put anywhere.
    """

    def __init__(
        self,
        boundary: Boundary,
        referenced_files: Any,
        basedir: str,
        stagedir: str,
        separateDirs: bool = True,
        *,
        any_target: bool = False,
    ) -> None:
        self._boundary, self._any_target = boundary, any_target
        super().__init__(referenced_files, basedir, stagedir, separateDirs)

    def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
        """Map a file or folder, and what belongs to it."""
        with _refused():
            _check_name(obj)
            if not str(obj["location"]).startswith(_LITERAL):
                self._check_source(obj, basedir, follows_links=copy or not self.separateDirs)
            self._check_target(obj.get("dirname") or stagedir)
        super().visit(obj, stagedir, basedir, copy, staged)

    def _check_source(self, obj: Any, basedir: str, *, follows_links: bool) -> None:
        found = self._boundary.find(os.path.join(basedir, read_path(_ensure_here(str(obj["location"])))))  # noqa: PTH118
        # what cwltool copies or moves, it does with the targets of links
        if obj["class"] == "Directory" and follows_links:
            self._boundary.check_links(Path(found))

    def _check_target(self, folder: str) -> None:
        # cwltool joins what is below the output folder in a container to the one of this machine, steps up included
        climbs = ".." in folder.removeprefix(self.stagedir).split("/")
        inside = f"{os.path.normpath(folder)}/".startswith(f"{os.path.normpath(self.stagedir)}/")
        if climbs or not (inside or self._any_target):
            raise OutsideError(f"a file is to be put into {folder!r}, which is not a folder of its step")


def _ensure_here(location: str) -> str:
    if not location.startswith("/") and urlsplit(location).scheme not in ("", "file"):
        raise OutsideError(f"{location!r} is on another machine and was not staged: make it an input")
    return location


def _check_name(obj: Mapping[str, Any]) -> None:
    name = str(obj["basename"])
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise OutsideError(f"the name {name!r} is not a plain name")
