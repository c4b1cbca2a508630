"""Reads a repository in a process of its own, with limits: a small pack may hold a file of any size."""

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.harvest.git import Remote, Tree
from zoo_runner.harvest.sources import Source
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, RunnerError

FETCHED = ".fetched-"
"""What the names of folders begin with in which repositories lie while they are read."""
_PROGRAM = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['path'];"
    " from zoo_runner.harvest.fetching import serve; serve(order)"
)


@dataclass(frozen=True)
class Limits:
    """The most that reading a repository may take."""

    seconds: float = 300.0
    cpu_seconds: int = 120
    memory_bytes: int = 2 << 30
    file_bytes: int = 1 << 30


LIMITS = Limits()


def find_commit(source: Source, settings: Settings) -> str:
    """Find the commit of the branch of a source; raises `EngineError`."""
    return str(_run(source, settings, None, None, LIMITS)["commit"])


def find_branches(source: Source, settings: Settings) -> dict[str, str]:
    """Find the commits of the branches that a source names, in the order of its patterns; raises `EngineError`."""
    return dict(_run(source, settings, None, None, LIMITS)["branches"])


def read_commit(source: Source, settings: Settings, commit: str, scratch: Path, limits: Limits = LIMITS) -> Tree:
    """Read the documents of a commit, with what is fetched in a folder in `scratch` meanwhile; raises `EngineError`."""
    # removed here: a child that reached a limit removes nothing
    with tempfile.TemporaryDirectory(prefix=FETCHED, dir=scratch) as name:
        return from_plain(Tree, _run(source, settings, commit, Path(name), limits))


def _run(
    source: Source, settings: Settings, commit: str | None, scratch: Path | None, limits: Limits
) -> dict[str, Any]:
    paths = [path for path in sys.path if path and Path(path).is_absolute()]
    given = {"source": asdict(source), "limits": asdict(limits)}
    order = {**given, "commit": commit, "scratch": str(scratch), "path": paths}
    try:
        done = subprocess.run(
            [find_python(settings), "-I", "-c", _PROGRAM],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            env=dict(settings.pull_variables),
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _build_too_large(source, f"more than {limits.seconds:g} s") from error
    if done.returncode:
        raise _build_too_large(source, "more memory, space or processor time than is allowed")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "problem" in answer:
        raise EngineError.restore(from_plain(Diagnosis, answer["problem"]))
    return answer


def _build_too_large(source: Source, limit: str) -> EngineError:
    return EngineError(
        f"reading the repository {source} takes {limit}",
        "Keep workflows in a repository without large files.",
        code="harvest.repository",
    )


def serve(order: dict[str, Any]) -> None:
    """Carry out an order in the child process, and print the answer."""
    limits = from_plain(Limits, order["limits"])
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
    ):
        resource.setrlimit(kind, (most, most))
    try:
        source = from_plain(Source, order["source"])
        remote = Remote(source)
        answer = _answer(remote, source, order["commit"], order["scratch"])
    except RunnerError as error:
        answer = {"problem": to_plain(error.diagnosis)}
    sys.stdout.write(json.dumps(answer))


def _answer(remote: Remote, source: Source, commit: str | None, scratch: str) -> dict[str, Any]:
    if commit:
        answer: dict[str, Any] = to_plain(remote.read(commit, Path(scratch)))
        return answer
    # members of an object have no order that all keep
    return {"branches": list(remote.list_branches().items())} if source.is_of_many else {"commit": remote.find_commit()}
