"""Steps in a sandbox of bubblewrap: the programs of this machine, and of its files only what the step needs.

A step sees `/usr` and what belongs to it, a few files of `/etc`, the folders that the settings add, its inputs, all
read-only, and its own output and temporary folders. It has namespaces of its own (processes, network, users, IPC,
host name), no capabilities, no terminal, an environment of its own, limits of memory and processes, a filter of system
calls, and ends with its launcher.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from zoo_runner.engines.cwl_process.control_groups import find_parents, limited_groups, name_groups
from zoo_runner.engines.cwl_process.sandbox_programs import (
    MOST_PROCESSES,
    Mount,
    SandboxedStep,
    SandboxFrame,
    start,
)
from zoo_runner.engines.cwl_process.system_calls import filter_step
from zoo_runner.model.errors import EngineError

_PROBE_SECONDS = 60
_PROBE_MIB = 256
_ID = "1000"
_NAME = "step"
_PERMISSIONS = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv"),
    *("--cap-drop", "ALL", "--uid", _ID, "--gid", _ID, "--hostname", _NAME),
)
_UNKNOWN_OPTION = "Unknown option"
_STREAMS = (subprocess.DEVNULL, subprocess.DEVNULL, subprocess.PIPE)
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_KERNEL = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi")
_HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/kmsg", "/proc/timer_list", "/proc/sched_debug")
_ETC = (
    *("alternatives", "ca-certificates", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"),
    *("magic", "mime.types", "ssl/certs"),
)
_ETC_OF_NETWORK = ("hosts", "resolv.conf")
_FILES = {
    "/etc/passwd": f"{_NAME}:x:{_ID}:{_ID}::/tmp:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
    "/etc/group": f"{_NAME}:x:{_ID}:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_FILES_WITHOUT_NETWORK = {"/etc/hosts": f"127.0.0.1 localhost {_NAME}\n::1 localhost\n"}


@dataclass(frozen=True)
class Sandbox:
    """bubblewrap: the program, further folders that steps see, and whether they may ask for the network.

    `group_parents` are folders for control groups; without any, limits hold for each process. `by_descriptor`: it can
    mount what a descriptor stands for.
    """

    program: str
    folders: tuple[str, ...] = ()
    has_network: bool = False
    group_parents: tuple[str, ...] = ()
    by_descriptor: bool = True

    def build_frame(self, job: str, most_memory_mib: int, *, network: bool) -> SandboxFrame:
        """Build what the sandboxes of a job have in common; `network`: its package may ask for the network."""
        return SandboxFrame(
            program=self.program,
            words=_PERMISSIONS,
            offline=self._show_machine(network=False),
            files={**_FILES, **_FILES_WITHOUT_NETWORK},
            online=["--share-net", *self._show_machine(network=True)] if network and self.has_network else None,
            online_files=_FILES,
            filter=filter_step(os.uname().machine).hex(),
            limits={"RLIMIT_CORE": 0, "RLIMIT_NPROC": MOST_PROCESSES},
            group_parents=self.group_parents,
            group_prefix=name_groups(job),
            most_memory_mib=most_memory_mib,
            by_descriptor=self.by_descriptor,
        )

    def _show_machine(self, *, network: bool) -> list[str]:
        words = [*_show_system(), *_show_etc(network), "--proc", "/proc"]
        for path in filter(os.path.exists, _HIDDEN):
            words += ["--ro-bind", "/dev/null", path]
        # bubblewrap 0.8 leaves these writable where root calls it: the kernel's parameters are those of the machine
        for folder in (*_KERNEL, *self.folders):
            words += ["--ro-bind-try", folder, folder]
        return words


def _show_system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def _show_etc(network: bool) -> Iterator[str]:
    for name in (*_ETC, *(_ETC_OF_NETWORK if network else ())):
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def find_sandbox(folders: tuple[str, ...], has_network: bool, path: str) -> Sandbox:
    """Find bubblewrap on a PATH and try it. Raises `EngineError` where it is missing or may not create namespaces."""
    program = shutil.which("bwrap", path=path)
    if program is None:
        raise _build_unavailable("bwrap is not on the PATH")
    sandbox = Sandbox(program, folders, has_network, find_parents())
    why = _try(sandbox)
    if why and _UNKNOWN_OPTION in why:
        sandbox = replace(sandbox, by_descriptor=False)
        why = _try(sandbox)
    if why and sandbox.group_parents:
        sandbox = replace(sandbox, group_parents=())
        why = _try(sandbox)
    if why:
        raise _build_unavailable(why)
    return sandbox


def _try(sandbox: Sandbox) -> str | None:
    """Run a program in a sandbox, as steps are; return why that is not possible."""
    step = SandboxedStep(["/usr"], [], {}, asks_network=False, memory_mib=_PROBE_MIB, command=["/usr/bin/true"])
    frame = sandbox.build_frame(uuid4().hex, _PROBE_MIB, network=False)
    shown = os.open("/usr", os.O_PATH | os.O_DIRECTORY)
    try:
        with (
            limited_groups(frame.group_parents, frame.group_prefix, _PROBE_MIB << 20, MOST_PROCESSES) as groups,
            start(frame, step, [Mount(shown, "/usr", writable=True)], groups, _STREAMS) as probe,
        ):
            said = probe.communicate(timeout=_PROBE_SECONDS)[1].decode(errors="replace").splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        os.close(shown)
    if not probe.returncode:
        return None
    return next(
        (line for line in reversed(said) if line.strip()), f"{sandbox.program} ended with exit code {probe.returncode}"
    )


def _build_unavailable(why: str) -> EngineError:
    return EngineError(
        "steps are to run in a sandbox, and none can be created here",
        "Install bubblewrap, and allow this user to create user namespaces; or choose podman or docker"
        " (ZOO_RUNNER_CONTAINERS).",
        evidence=(why,),
        code="containers.unavailable",
    )
