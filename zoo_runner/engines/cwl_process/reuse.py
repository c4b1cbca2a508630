"""Reuse of jobs of steps that have ended: what makes two of them the same, and where their outputs are kept; pure but
for the files of `Finished`.

A job is known by a key: a digest of its step, of the tool with the requirements that apply, its image among them, and
of its inputs. Inputs are named by their place: outputs of earlier jobs stay where they are, and nobody changes them. A
job that continues another takes the inputs that have the same content from the place where that has them
(`same_files`), so that content decides, and only who continues a job reads its inputs a second time.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo_runner.engines.cwl_process.links import list_paths
from zoo_runner.files import encode_json, read_unlinked, write_anew
from zoo_runner.model.package import Document
from zoo_runner.model.written import read_json, write_json
from zoo_runner.package.requirements import find_effective, list_requirements

FINISHED = "finished"
"""The folder of a run with the outputs of its jobs, a file for each, named by the key."""
# what people read, and what only distinguishes processes
_WORDS = frozenset({"id", "label", "doc", "requirements", "hints", "intent"})


def identify_tool(
    tool: Document,
    holders: Sequence[Document],
    image: str | None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Compute the digest of a tool where a step runs it: document, requirements that apply, image, site's environment.

    `holders` are the tool, its step, the workflow around it and so on. Names and descriptions do not count, nor does
    the place of the tool in the package; members whose names begin with another namespace do.
    """
    names = {one.name for holder in holders for one in list_requirements(holder)}
    effective = {name: dict(found.body) for name in sorted(names) if (found := find_effective(holders, name))}
    own = {name: value for name, value in tool.items() if name not in _WORDS}
    ports = {part: [{**one, "id": _shorten(one.get("id"))} for one in tool.get(part, ())] for part in _PORTS}
    return _digest([{**own, **ports}, effective, image, dict(variables)])


_PORTS = ("inputs", "outputs")


def _shorten(name: Any) -> str:
    return str(name).rpartition("/")[2].lstrip("#")


def compute_key(step: str, tool: str, order: Mapping[str, Any], occurrence: int = 0) -> str:
    """Compute the key of a job: the path of its step, the digest of its tool, and its inputs.

    `occurrence` counts the jobs of a step that have the same inputs.
    """
    return _digest([step, tool, _forget_literals(order), occurrence])


def _digest(value: Any) -> str:
    content = write_json(value, sort_keys=True, default=str)
    return sha256(content.encode(errors="surrogatepass")).hexdigest()


def _forget_literals(value: Any) -> Any:
    """Leave out the locations of literals, which cwltool invents each time."""
    if isinstance(value, Mapping):
        kept = {name: _forget_literals(one) for name, one in value.items()}
        return kept if not str(kept.get("location", "")).startswith("_:") else {**kept, "location": None}
    return [_forget_literals(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Result:
    """The outputs of a job that has ended with success; `source` is the job that ran it, None for the job itself."""

    outputs: dict[str, Any]
    source: str | None = None


@dataclass(frozen=True)
class Finished:
    """The jobs of steps that have ended with success in a run, and in the runs that it continues.

    `earlier` are the folders of those runs with the ids of their jobs, the latest first.
    """

    run: Path
    earlier: Mapping[Path, str]

    def find(self, key: str) -> Result | None:
        """Find the outputs of a job; None for one that has not ended, or whose files have changed."""
        own = _read(self.run, key)
        return Result(own[_OUTPUTS]) if own else next(self._find_earlier(key), None)

    def _find_earlier(self, key: str) -> Iterator[Result]:
        for run, job in self.earlier.items():
            stored = _read(run, key)
            if stored and stored[_FILES] == describe_files([stored[_INPUTS], stored[_OUTPUTS]]):
                yield Result(stored[_OUTPUTS], job)

    def keep(self, key: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Store the outputs of a job, with the state of its files: a later step that fails may have changed them."""
        folder = self.run / FINISHED
        folder.mkdir(exist_ok=True)
        partial = folder / f".{key}"
        stored = {_INPUTS: inputs, _OUTPUTS: outputs, _FILES: describe_files([inputs, outputs])}
        write_anew(partial, encode_json(stored))
        partial.rename(folder / key)


_INPUTS, _OUTPUTS, _FILES = "inputs", "outputs", "files"


def _read(run: Path, key: str) -> dict[str, Any] | None:
    path = run / FINISHED / key
    if not path.exists():
        return None
    stored: dict[str, Any] = read_json(read_unlinked(path))
    return stored


def describe_files(value: Any) -> list[list[Any]]:
    """Describe all files of a document: size, time of change in ns and mode; of folders, what is in them."""
    found = {}
    for place in map(Path, list_paths(value)):
        inside = (Path(folder, name) for folder, folders, files in os.walk(place) for name in (*folders, *files))
        for path in (place, *inside):
            found[str(path)] = _describe_state(path)
    return [[path, state] for path, state in sorted(found.items())]


def _describe_state(path: Path) -> list[Any]:
    try:
        status = path.stat()
    except OSError:
        # nothing there, or a link that leads nowhere
        return [os.fspath(path.readlink())] if path.is_symlink() else []
    # a folder changes its time with what a job adds beside its own
    own = [] if stat.S_ISDIR(status.st_mode) else [status.st_size, status.st_mtime_ns]
    return [status.st_mode, *own]
