"""Other limits for a step of a package: memory, as a command gives it (`--memory step=4Gi`), disk and time; pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from zoo_runner.config.kubernetes import parse_quantity
from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Document, Package
from zoo_runner.model.problems import suggest
from zoo_runner.model.written import write_json
from zoo_runner.package.requirements import find_effective, find_run, list_requirements, walk_holders, walk_tools

_RESOURCES, _TIME = "ResourceRequirement", "ToolTimeLimit"


@dataclass(frozen=True)
class StepLimits:
    """What a step may take: memory and disk for its outputs in MiB, and its time in seconds; None: as it is."""

    memory_mib: float | None = None
    disk_mib: float | None = None
    seconds: float | None = None


def read_memory(words: Sequence[str]) -> dict[str, float]:
    """Read words such as `step=4Gi`; memory by step, in MiB. Raises `InputError`."""
    found: dict[str, float] = {}
    for word in words:
        step, _, amount = word.rpartition("=")
        try:
            found[step] = parse_quantity(amount) / 2**20
        except ValueError:
            found[step] = 0
        if not step or found[step] < 1:
            raise InputError(
                f"amount for a step: {word}: expected STEP=AMOUNT, with an amount of 1 MiB or more",
                "Write it like step=4Gi (also Mi, G and M).",
                code="inputs.requirement",
            )
    return found


def set_memory(package: Package, amounts: Mapping[str, float]) -> Package:
    """Return the package with other amounts of memory (MiB) for steps; raises as `set_limits`."""
    return set_limits(package, {step: StepLimits(memory_mib=mib) for step, mib in amounts.items()})


def set_limits(package: Package, limits: Mapping[str, StepLimits]) -> Package:
    """Return the package with the limits of steps changed: amounts are minimum and maximum of a ResourceRequirement.

    A tool that other steps run too is not changed for them. Raises `InputError` for a step that the package does not
    have.
    """
    if not limits:
        return package
    changed = replace(package, document=deepcopy(dict(package.document)))
    for name, wanted in limits.items():
        steps = [step for step in _walk_steps(changed) if _shorten(step) == name]
        if not steps and not (name == package.workflow_id and changed.process["class"] == "CommandLineTool"):
            raise _build_unknown(package, name)
        for step in steps:
            around = _find_around(changed, step)
            _set(_take_own_tool(changed, step), around, wanted)
        if not steps:
            _set(changed.process, (), wanted)
    digest = sha256(write_json([changed.document, package.entry], sort_keys=True).encode()).hexdigest()
    return replace(changed, digest=digest)


def _walk_steps(package: Package) -> Iterator[Document]:
    """Walk the steps that run a tool."""
    for process in package.processes.values():
        for holder in walk_holders(process):
            if "run" in holder and find_run(package, holder)["class"] == "CommandLineTool":
                yield holder


def _shorten(step: Document) -> str:
    return str(step["id"]).rpartition("/")[2].lstrip("#")


def _set(tool: Any, holders: tuple[Document, ...], limits: StepLimits) -> None:
    amounts = {
        name + end: math.ceil(mib)
        for name, mib in (("ram", limits.memory_mib), ("outdir", limits.disk_mib))
        if mib is not None
        for end in ("Min", "Max")
    }
    seconds = {} if limits.seconds is None else {"timelimit": math.ceil(limits.seconds)}
    for name, members in ((_RESOURCES, amounts), (_TIME, seconds)):
        if members:
            found = find_effective((tool, *holders), name)
            rest = [dict(one.body) for one in list_requirements(tool) if not one.is_hint and one.name != name]
            tool["requirements"] = [*rest, {**(found.body if found else {}), "class": name, **members}]


def _find_around(package: Package, step: Document) -> tuple[Document, ...]:
    """Find what is around the tool of a step: the step, the workflow that has it, and so on."""
    return next((use.holders[1:] for use in walk_tools(package) if any(one is step for one in use.holders)), (step,))


def _take_own_tool(package: Package, step: Any) -> Any:
    """Return the tool of a step; a copy of it where other steps run it too."""
    run = step["run"]
    if isinstance(run, Mapping) or [one["run"] for one in _walk_steps(package)].count(run) == 1:
        return find_run(package, step)
    known = set(package.processes)
    name = next(
        one for one in (f"{run}-{number}" for number in range(2, len(known) + 3)) if one.lstrip("#") not in known
    )
    copied = _rename(find_run(package, step), run, name)
    graph: Any = package.document["$graph"]
    graph.append(copied)
    # the processes are found once
    vars(package).pop("processes", None)
    step["run"] = name
    return copied


def _rename(node: Any, old: str, new: str) -> Any:
    """Copy a process under another id, which the ids in it begin with."""
    if isinstance(node, Mapping):
        return {key: _rename(one, old, new) for key, one in node.items()}
    if isinstance(node, list):
        return [_rename(one, old, new) for one in node]
    is_id = isinstance(node, str) and (node == old or node.startswith(f"{old}/"))
    return f"{new}{node.removeprefix(old)}" if is_id else node


def _build_unknown(package: Package, name: str) -> InputError:
    known = tuple(_shorten(step) for step in _walk_steps(package)) or (package.workflow_id,)
    return InputError(
        f"no step {name!r} of the package runs a tool; {suggest(name, known)}",
        f"Name one of the steps: {', '.join(known)}.",
        code="inputs.requirement",
    )
