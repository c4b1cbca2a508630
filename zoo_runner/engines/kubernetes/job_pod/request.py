"""What the container that evaluates a package may ask the other one for: to run a step, and nothing else.

A request has no field for what a package must not decide: accounts, Secrets, kinds of volumes, users, privileges.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from zoo_runner.engines.kubernetes.manifests import CWL_FOLDERS
from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.codec import from_plain


@dataclass(frozen=True)
class Mount:
    """A file or folder of the job's volume (`source`, from the root of the volume) that a step sees at `path`."""

    path: str
    source: str
    read_only: bool


@dataclass(frozen=True)
class StepRequest:
    """A step: `args` are those of `/bin/sh -c`, `folders` is the script of an init container, `command` is for the log.

    Sizes are in MiB. `network`: the package asks for it (CWL v1.2, NetworkAccess).
    """

    step: str
    command: str
    image: str
    args: tuple[str, ...]
    working_folder: str
    variables: Mapping[str, str]
    mounts: tuple[Mount, ...]
    cores: float
    cores_min: float
    ram: float
    ram_min: float
    gpus: int = 0
    network: bool = False
    folders: str | None = None


_KINDS: Mapping[type, Mapping[str, tuple[type, ...]]] = {
    StepRequest: {
        **dict.fromkeys(("step", "command", "image", "working_folder"), (str,)),
        **dict.fromkeys(("cores", "cores_min", "ram", "ram_min"), (int, float)),
        "folders": (str, type(None)),
        "variables": (dict,),
        "gpus": (int,),
        "network": (bool,),
    },
    Mount: {"path": (str,), "source": (str,), "read_only": (bool,)},
}


# what would end a line of the log, or is no text at all
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MOST = 1e12  # cores, MiB, devices
_LONGEST_NAME = 1000
_OF_THE_KERNEL = ("proc", "sys", "dev")
_RUN = CWL_FOLDERS[0]
OUT, OUTPUTS, RECORDS = "out", "outputs", "ended"
"""In the folder of a run: folders in which steps write, the outputs of the package, records of what has ended.

The next pod finds them as they are; none has the name of the folder of the native engine (`cwl_process/reuse`).
"""
VERSIONS = "versions.json"
"""A file in the folder of a run: by path, what the sources of staged files call their versions."""


def read_request(data: Mapping[str, Any]) -> StepRequest:
    """Read and check a request, with the command for the log cut; raises `ValueError` for one that is not allowed."""
    try:
        request = from_plain(StepRequest, data)
        _check(request)
    except TypeError as error:
        raise ValueError(f"not of its form: {error}") from error
    return replace(request, command=request.command[:LONGEST_LINE])


def _check(request: StepRequest) -> None:
    _check_types(request)
    _check_texts((*request.args, *request.variables, *request.variables.values()))
    _check_amounts(request)
    # the name of a step is in each event of it
    if _UNPRINTABLE.search(request.step + request.image) or max(len(request.step), len(request.image)) > _LONGEST_NAME:
        raise ValueError(f"no name of a step or an image: {request.step!r}, {request.image!r}")
    for mount in request.mounts:
        _check_types(mount)
        _check_mount(mount)


def ensure_unlinked(mounts: Iterable[Mount], volume: Path) -> None:
    """Refuse a mount whose source is behind a link: what it leads to may be something else of the volume.

    Raises `ValueError`.
    """
    for mount in mounts:
        source = volume / mount.source
        passed = [source, *source.parents[: len(PurePosixPath(mount.source).parts) - 1]]
        if any(path.is_symlink() for path in passed):
            raise ValueError(f"{mount.source!r} is behind a link")


def _check_types(value: StepRequest | Mount) -> None:
    for field in fields(value):
        given, kinds = getattr(value, field.name), _KINDS[type(value)].get(field.name)
        if kinds and type(given) not in kinds:
            raise ValueError(f"{field.name} is {type(given).__name__}")


def _check_texts(texts: Iterable[object]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"expected a text, got {type(text).__name__}")  # noqa: TRY004 one error for bad requests


def _check_amounts(request: StepRequest) -> None:
    amounts = (request.cores_min, request.cores, request.ram_min, request.ram, request.gpus)
    # compared first: an integer of JSON may be larger than any number of floating point
    if not all(0 <= amount <= _MOST and math.isfinite(amount) for amount in amounts):
        raise ValueError(f"an amount is no number from 0 to {_MOST:g}")
    if request.cores_min > request.cores or request.ram_min > request.ram:
        raise ValueError("a minimum is above its maximum")


def _check_mount(mount: Mount) -> None:
    source = PurePosixPath(mount.source)
    if ".." in source.parts or source.parts[:1] not in {(folder,) for folder in CWL_FOLDERS}:
        raise ValueError(f"{mount.source!r} is not a file of the job")
    if source.parts[0] == _RUN and source.parts[1:2] in {(), (RECORDS,)}:
        raise ValueError(f"{mount.source!r} is not for steps")
    path = PurePosixPath(mount.path)
    if not path.is_absolute() or len(path.parts) < 2 or ".." in path.parts or "\0" in mount.path + mount.source:
        raise ValueError(f"{mount.path!r} is no place in a container")
    # a path may begin with two slashes
    if path.parts[1] in _OF_THE_KERNEL:
        raise ValueError(f"{mount.path!r} is a place of the kernel")
