"""Compares what a package requires (CWL ResourceRequirement) with what a machine has.

Source: CWL v1.2, Command Line Tool Description, ResourceRequirement: sizes are in MiB (mebibytes). Of a maximum
without a minimum, a cluster reserves the maximum, as cwltool does; one machine gives what it has.
"""

import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo_runner.config.settings import Settings
from zoo_runner.engines.cwl_process.diagnose import build_too_small
from zoo_runner.model.errors import EngineError
from zoo_runner.model.needs import Needs
from zoo_runner.model.package import Document, Package
from zoo_runner.package.requirements import find_effective, walk_tools

_MIB = 1 << 20
_KINDS = ("ram", "cores", "tmpdir", "outdir")
_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class Machine:
    """What a machine has for a job: cores that this process may use, memory and disk that are free (MiB)."""

    cores: float
    memory_mib: int
    disk_mib: int


@dataclass(frozen=True)
class Asked:
    """What a step requires at least: `kind` is ram, cores, tmpdir or outdir; sizes in MiB."""

    step: str
    kind: str
    amount: float


def read_machine(scratch: Path) -> Machine:
    """Measure this machine, within the limits that a container or a service manager sets for this process."""
    memory = _read_free_memory()
    for file in map(Path, _MEMORY_LIMITS):
        with suppress(OSError, ValueError):  # "max" means no limit
            memory = min(memory, int(file.read_text()))
    existing = next(folder for folder in (scratch, *scratch.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return Machine(len(os.sched_getaffinity(0)), memory // _MIB, free // _MIB)


def limit_machine(machine: Machine, cores: float | None, memory_mib: float | None) -> Machine:
    """Return what a job may take of a machine, where it may take no more than this; None: no limit."""
    left = Needs(machine.cores, machine.memory_mib).capped(cores, memory_mib)
    return replace(machine, cores=left.cores, memory_mib=int(left.memory_mib))


def _read_free_memory() -> int:
    """Read the memory that programs can still use without swapping, in bytes (proc(5), MemAvailable)."""
    available = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(available[1]) * 1024 if available else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def grant_by_settings(machine: Machine, settings: Settings) -> Machine:
    """Return what steps may ask for together: what the settings say, else what the machine has."""
    cores, memory_mib = settings.cores or machine.cores, settings.memory_mib or machine.memory_mib
    return replace(machine, cores=cores, memory_mib=memory_mib)


def find_asked(package: Package) -> Iterator[Asked]:
    """Find what each step requires in numbers, where a missing minimum is the maximum.

    What an expression requires is known only when it runs.
    """
    for kind, wanted, step in _walk_wanted(package):
        least = wanted.get(f"{kind}Min")
        yield from _read(wanted.get(f"{kind}Max") if least is None else least, kind, step)


def find_least(package: Package) -> Iterator[Asked]:
    """Find the minimum of each step in numbers; a maximum alone is none."""
    for kind, wanted, step in _walk_wanted(package):
        yield from _read(wanted.get(f"{kind}Min"), kind, step)


def _walk_wanted(package: Package) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for use in walk_tools(package):
        wanted = find_effective(use.holders, "ResourceRequirement")
        if wanted is not None:
            yield from ((kind, wanted.body, use.step) for kind in _KINDS)


def _read(amount: Any, kind: str, step: str) -> Iterator[Asked]:
    if isinstance(amount, int | float):
        yield Asked(step, kind, amount)


def find_needs(package: Package) -> Needs:
    """Add up what all steps require, as if they ran at once; endless where one is scattered, or requires an expression.

    Source: CWL v1.0, v1.1 and v1.2, ResourceRequirement, the defaults.
    """
    needs, default_mib = Needs(), 1024.0 if package.cwl_version == "v1.0" else 256.0
    for use in walk_tools(package):
        if any(holder.get("scatter") for holder in use.holders):
            return Needs(math.inf, math.inf)
        wanted = find_effective(use.holders, "ResourceRequirement")
        body = wanted.body if wanted else {}
        needs = needs.plus(Needs(_read_amount(body, "cores", 1.0), _read_amount(body, "ram", default_mib)))
    return needs


def _read_amount(body: Document, kind: str, default: float) -> float:
    least, most = body.get(f"{kind}Min"), body.get(f"{kind}Max")
    amount = default if least is None and most is None else most if least is None else least
    return float(amount) if isinstance(amount, int | float) else math.inf


def ensure_resources(package: Package, machine: Machine) -> None:
    """Raise `EngineError` for the step whose minimum exceeds the machine most."""
    there = {
        "ram": machine.memory_mib,
        "cores": machine.cores,
        "tmpdir": machine.disk_mib,
        "outdir": machine.disk_mib,
    }
    asked = [one for one in find_least(package) if one.amount > there[one.kind]]
    if asked:
        most = max(asked, key=lambda one: one.amount / max(there[one.kind], 1))
        raise build_too_small(most.step, most.kind, math.ceil(most.amount), f"{there[most.kind]:.10g}")


def ensure_granted(asked: Iterable[Asked], cores: float, memory_mib: float, limited_by: str = "") -> None:
    """Raise `EngineError` for a step that requires more than the settings of the cluster allow, or `limited_by`."""
    granted = {
        "ram": (memory_mib, "MiB of memory", limited_by or "DEFAULT_MAX_RAM"),
        "cores": (cores, "cores", limited_by or "DEFAULT_MAX_CORES"),
    }
    for one in asked:
        limit, unit, setting = granted.get(one.kind, (math.inf, "", ""))
        if one.amount > limit:
            raise EngineError(
                f"step {one.step!r} requires {one.amount:g} {unit}; the limit is {limit:g} ({setting})",
                f"Lower {one.kind}Min in its ResourceRequirement, or ask the operator to raise {setting}.",
                step=one.step,
                code="resources.limit",
            )
