"""Control groups of steps in a sandbox: all processes of a step together keep to limits of memory and number.

A group is created below, or beside, the one of this process, where the user may do so and the kernel counts there:
root can nearly everywhere, a user where the service manager delegates a group. Source: cgroups(7), both versions.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from zoo_runner.engines.cwl_process.processes import wait_until_readable

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_LIMITS = ("memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max")
_KINDS = ("memory", "pids")
_PREFIX = "zoo-runner"
_LONGEST_END_SECONDS = 5.0


def find_parents(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> tuple[str, ...]:
    """Find the folders in which groups with limits can be created: one, or one for each kind of limit; else none."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # without /proc, or without control groups
        return ()
    found = dict.fromkeys(_find_parent(kind, lines, root) for kind in _KINDS)
    return () if None in found else tuple(parent for parent in found if parent)


def _find_parent(kind: str, lines: Iterable[str], root: Path) -> str | None:
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and kind not in kinds.split(","):
            continue
        own = (root / kinds if kinds else root) / path.lstrip("/")
        candidates = (own,) if kinds else find_candidates(own)
        if found := next((parent for parent in candidates if _can_limit(parent, kind)), None):
            return str(found)
    return None


def find_candidates(own: Path) -> tuple[Path, ...]:
    """Find where groups may be created (version 2): beside the own one only where it has no limits to escape from."""
    return (own,) if any(map(_has_limit, (own / name for name in _LIMITS))) else (own, own.parent)


def _has_limit(file: Path) -> bool:
    try:
        return file.read_text().split()[0] != "max"
    except (OSError, IndexError):  # that kind is not counted there
        return False


def _can_limit(parent: Path, kind: str) -> bool:
    probe = parent / f"{_PREFIX}.{uuid4().hex}"
    try:
        probe.mkdir()
    except OSError:
        return False
    limits = {"memory": ("memory.max", "memory.limit_in_bytes"), "pids": ("pids.max",)}
    try:
        return any(os.access(probe / name, os.W_OK) for name in limits[kind])
    finally:
        probe.rmdir()


@contextmanager
def limited_groups(parents: Iterable[str], name: str, memory_bytes: int, processes: int) -> Iterator[list[str]]:
    """Create a group with limits in each of some folders, for the block; raises `OSError`."""
    limits = {
        "memory.max": memory_bytes,
        "memory.swap.max": 0,
        "memory.oom.group": 1,
        "memory.limit_in_bytes": memory_bytes,
        "memory.memsw.limit_in_bytes": memory_bytes,
        "pids.max": processes,
    }
    groups = [Path(parent, name) for parent in parents]
    try:
        for group in groups:
            group.mkdir()
            for file, value in limits.items():
                if (group / file).exists():
                    (group / file).write_text(str(value))
        yield [str(group) for group in groups]
    finally:
        for group in groups:
            _remove(group)


def _remove(group: Path) -> None:
    """Remove a group; what is still in it, such as the first process of a sandbox, is killed and ends at once."""
    with suppress(OSError):  # the supervisor tries again when the job ends
        for pid in map(int, (group / "cgroup.procs").read_text().split()):
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                try:
                    os.kill(pid, signal.SIGKILL)
                    wait_until_readable([handle], _LONGEST_END_SECONDS)
                finally:
                    os.close(handle)
        group.rmdir()


def lacked_memory(groups: Iterable[str]) -> bool:
    """Whether the kernel killed a process of these groups at their limit of memory."""
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                counts = dict(line.split() for line in Path(group, name).read_text().splitlines())
                if int(counts.get("oom_kill", 0)):
                    return True
    return False


def name_groups(job: str) -> str:
    """Name the groups of a job: what comes after it is the step. No id has `@`, so none begins with another's name."""
    return f"{_PREFIX}.{job}@"
