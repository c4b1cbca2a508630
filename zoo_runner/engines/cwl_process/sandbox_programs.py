"""Starts bubblewrap for a launcher: by requests that can only be those of steps.

The launcher says what a step is, and the frame of the run says all that is the same for its steps. bubblewrap waits for
the options of the step until its process is limited: it reads them from a pipe. Those that take permissions away are
not among them, so that it never starts a step without them. A command line is visible for everybody; the pipe is not.
"""

import os
import resource
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from zoo_runner.engines.cwl_process.control_groups import lacked_memory, limited_groups
from zoo_runner.engines.cwl_process.job_places import JobPlaces
from zoo_runner.engines.cwl_process.step_process import describe_usage, follow

MOST_PROCESSES = 4096
"""Processes and threads of a step at a time; as in containers."""


class RefusedError(Exception):
    """A request that can be none of a step; the text says why."""


@dataclass(frozen=True)
class SandboxedStep:
    """What a step sees and may use, and its command.

    `writable` are folders, the first of them its own; `readable` are files and folders, also those that lie in a
    writable one and must not be changed.
    """

    writable: Sequence[str]
    readable: Sequence[str]
    variables: Mapping[str, str]
    asks_network: bool
    memory_mib: int
    command: Sequence[str]


@dataclass(frozen=True)
class SandboxFrame:
    """What is the same for all sandboxes of a run.

    `program` is bubblewrap, `words` its options that take permissions away. `offline` are those that show the machine
    to a step, `files` what such a step has in place of the machine's, by path; `online` and `online_files` those of a
    step that asks for the network, None where it gets none. `filter` is that of system calls, in hexadecimal digits;
    `limits` are those of processes, by name. Groups are created in `group_parents`. `by_descriptor`: bubblewrap can
    mount what a descriptor stands for, so that nothing can be put in its place.
    """

    program: str
    words: Sequence[str]
    offline: Sequence[str]
    files: Mapping[str, str]
    online: Sequence[str] | None
    online_files: Mapping[str, str]
    filter: str
    limits: Mapping[str, int]
    group_parents: Sequence[str]
    group_prefix: str
    most_memory_mib: int
    by_descriptor: bool = True


@dataclass(frozen=True)
class Mount:
    """What a step sees at `target`; the descriptor stands for it, whatever is put in its place meanwhile."""

    descriptor: int
    target: str
    writable: bool


def read_step(value: Any) -> SandboxedStep:
    """Read what the launcher says; raises `RefusedError`."""
    if not isinstance(value, dict) or set(value) != {field.name for field in fields(SandboxedStep)}:
        raise RefusedError("not the fields of a step")
    step = SandboxedStep(**value)
    texts = (step.writable, step.readable, step.command)
    variables = step.variables if isinstance(step.variables, dict) else None
    if variables is None or not all(isinstance(each, list) for each in texts) or not step.writable or not step.command:
        raise RefusedError("a step without its folder, variables or command")
    words = [*step.writable, *step.readable, *step.command, *variables, *variables.values()]
    # one would end an option, and begin another
    if any(not isinstance(word, str) or "\0" in word for word in words):
        raise RefusedError("a word of a step is no text")
    if type(step.asks_network) is not bool or type(step.memory_mib) is not int or step.memory_mib < 1:
        raise RefusedError("a step without its memory or network")
    return step


@contextmanager
def opened_mounts(step: SandboxedStep, scratch: str, places: JobPlaces) -> Iterator[list[Mount]]:
    """Open what a step is to see, for the block; raises `RefusedError` for what is not its job's, links followed."""
    with ExitStack() as stack:
        mounts = []
        for writable, paths in ((True, step.writable), (False, step.readable)):
            for path in paths:
                try:
                    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
                except FileNotFoundError:
                    continue
                stack.callback(os.close, descriptor)
                _check(path, _find(descriptor), writable, scratch, places)
                mounts.append(Mount(descriptor, path, writable))
        yield mounts


def _find(descriptor: int) -> str:
    """Find where a file is, all links followed."""
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115


def _check(path: str, place: str, writable: bool, scratch: str, places: JobPlaces) -> None:
    if not (places.is_writable(place) if writable else places.is_readable(place)):
        raise RefusedError(f"not a place of this job: {path}")
    # bubblewrap follows links at a target, in the folders of the step that it mounted before
    if place not in (path, f"{places.own}{path.removeprefix(scratch)}"):
        raise RefusedError(f"behind a link: {path}")


def run_in_sandbox(
    frame: SandboxFrame,
    step: SandboxedStep,
    place: tuple[str, JobPlaces],
    streams: Sequence[int],
    connection: socket.socket,
    begin: Callable[[], AbstractContextManager[None]],
) -> dict[str, Any]:
    """Run a step; return its exit code, what it used, and whether it ran out of memory.

    `place` is the scratch folder, as the launcher names it, and what of it and of the machine a step may see. What the
    step sees is open in the block `begin` alone: there may be much of it. Raises `RefusedError`, `OSError`.
    """
    step = replace(step, memory_mib=min(step.memory_mib, frame.most_memory_mib))
    name = f"{frame.group_prefix}{uuid4().hex}"
    with limited_groups(frame.group_parents, name, step.memory_mib << 20, MOST_PROCESSES) as groups:
        with begin(), opened_mounts(step, *place) as mounts:
            process = start(frame, step, mounts, groups, streams)
        with process:
            ended = follow(process, connection, process.kill)
        answer: dict[str, Any] = {"code": ended.code, "lacked_memory": lacked_memory(groups)}
    if ended.used is None:
        return answer
    # a child begins as a copy of this process, and is charged with its size
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**answer, "used": describe_usage(ended.used, own)}


def start(
    frame: SandboxFrame, step: SandboxedStep, mounts: Iterable[Mount], groups: Sequence[str], streams: Sequence[int]
) -> "subprocess.Popen[bytes]":
    """Start a step in its sandbox, and in its groups; raises `OSError`."""
    mounts, network = list(mounts), step.asks_network and frame.online is not None
    kept = [mount.descriptor for mount in mounts] if frame.by_descriptor else []
    with ExitStack() as stack:

        def keep(content: bytes) -> int:
            kept.append(descriptor := _keep(content))
            stack.callback(os.close, descriptor)
            return descriptor

        words = _list_options(frame, step, mounts, network)
        for path, text in (frame.online_files if network else frame.files).items():
            words += ["--perms", "0444", "--file", str(keep(text.encode())), path]
        # whatever is written there, such as the mount points, was written by now
        words += ["--remount-ro", "/"]
        command = [frame.program, *frame.words]
        if frame.filter:
            command += ["--seccomp", str(keep(bytes.fromhex(frame.filter)))]
        limits = frame.limits if groups else {**frame.limits, "RLIMIT_DATA": step.memory_mib << 20}
        process, pipe = _spawn(command, step.command, kept, streams)
    with pipe, suppress(BrokenPipeError, ProcessLookupError):  # it has ended: it says why
        try:
            _limit(process.pid, limits, groups)
            pipe.write("\0".join(words).encode(errors="surrogateescape"))
        except BaseException:
            process.kill()
            raise
    return process


def _spawn(
    words: Sequence[str], command: Sequence[str], kept: Sequence[int], streams: Sequence[int]
) -> tuple["subprocess.Popen[bytes]", IO[bytes]]:
    """Start bubblewrap, which waits for further options; return it and the pipe by which it gets them."""
    stdin, stdout, stderr = streams
    reader, writer = os.pipe()
    pipe = open(writer, "wb", buffering=0)  # noqa: PTH123, SIM115 a descriptor
    try:
        process = subprocess.Popen(
            [*words, "--args", str(reader), "--", *command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={},
            cwd="/",
            pass_fds=(reader, *kept),
        )
    except BaseException:
        pipe.close()
        raise
    finally:
        os.close(reader)
    return process, pipe


def _list_options(frame: SandboxFrame, step: SandboxedStep, mounts: Iterable[Mount], network: bool) -> list[str]:
    # memory too: a quarter of the step's for each
    size = ["--size", str((step.memory_mib << 20) // 4)]
    words = [*size, "--tmpfs", "/tmp", "--dev", "/dev", *size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    words += frame.online if network and frame.online is not None else frame.offline
    for mount in mounts:
        how = "--bind" if mount.writable else "--ro-bind"
        source = [f"{how}-fd", str(mount.descriptor)] if frame.by_descriptor else [how, _find(mount.descriptor)]
        words += [*source, mount.target]
    for name, value in step.variables.items():
        words += ["--setenv", name, value]
    return [*words, "--chdir", step.writable[0]]


def _keep(content: bytes) -> int:
    """Put content into memory, and return a descriptor by which the next program reads it."""
    descriptor = os.memfd_create("sandbox")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _limit(pid: int, limits: Mapping[str, int], groups: Iterable[str]) -> None:
    """Set limits that no process can raise again; lower ones of the machine stay."""
    for group in groups:
        Path(group, "cgroup.procs").write_text(str(pid))
    for name, value in limits.items():
        hard = resource.getrlimit(kind := getattr(resource, name))[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, kind, (lowest, lowest))
