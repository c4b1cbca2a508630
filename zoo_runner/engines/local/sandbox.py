"""Steps in a sandbox of bubblewrap: the programs of this machine, and of its files only what the step needs.

A step sees `/usr` and what belongs to it, a few files of `/etc`, the folders that the settings add, its inputs, all
read-only, and its own output and temporary folders. It has namespaces of its own (processes, network, users, IPC,
host name), no capabilities, no terminal, an environment of its own, limits of memory and processes, a filter of system
calls, and ends with its launcher.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from zoo_runner.engines.cwl_process.system_calls import filter_step
from zoo_runner.engines.local.control_groups import find_parents, limited_groups, name_groups
from zoo_runner.model.errors import EngineError

MOST_PROCESSES = 4096
"""Processes and threads of a step at a time; as in containers."""
_STARTER = Path(__file__).with_name("sandbox_step.py")
_PROBE_SECONDS = 60
_PROBE_MIB = 256
_ID = "1000"
_NAME = "step"
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
class SandboxedStep:
    """What a step sees and may use.

    `writable` are folders, the first of them its own; `readable` are files and folders, also those that lie in a
    writable one and must not be changed.
    """

    writable: Sequence[str]
    readable: Sequence[str]
    variables: Mapping[str, str]
    asks_network: bool
    memory_mib: int


@dataclass(frozen=True)
class Sandbox:
    """bubblewrap: the program, further folders that steps see, and whether they may ask for the network.

    `python` starts it. `group_parents` are folders for control groups; without any, limits hold for each process.
    """

    program: str
    python: str
    folders: tuple[str, ...] = ()
    has_network: bool = False
    group_parents: tuple[str, ...] = ()

    def build_words(self, order: str) -> list[str]:
        """Return the words that go before the command of a step, whose order lies in a file (`-`: comes by stdin)."""
        return [self.python, "-I", "-S", str(_STARTER), order]

    def build_order(self, step: SandboxedStep, groups: Sequence[str]) -> dict[str, Any]:
        """Build what the starter reads (see `sandbox_step`); `groups` are control groups of the step."""
        network = self.has_network and step.asks_network
        return {
            "program": self.program,
            "words": self._list_options(step, network),
            "files": {**_FILES, **({} if network else _FILES_WITHOUT_NETWORK)},
            "filter": filter_step(os.uname().machine).hex(),
            "limits": {
                "RLIMIT_CORE": 0,
                "RLIMIT_NPROC": MOST_PROCESSES,
                **({} if groups else {"RLIMIT_DATA": step.memory_mib << 20}),
            },
            "groups": list(groups),
        }

    def _list_options(self, step: SandboxedStep, network: bool) -> list[str]:
        words = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
        words += ["--cap-drop", "ALL", "--uid", _ID, "--gid", _ID, "--hostname", _NAME, "--clearenv"]
        words += [*(["--share-net"] if network else []), *_show_system(), *_show_etc(network), "--proc", "/proc"]
        # memory too: a quarter of the step's for each
        size = ["--size", str((step.memory_mib << 20) // 4)]
        words += ["--dev", "/dev", *size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev", *size, "--tmpfs", "/tmp"]
        for path in filter(os.path.exists, _HIDDEN):
            words += ["--ro-bind", "/dev/null", path]
        # bubblewrap 0.8 leaves these writable where root calls it: the kernel's parameters are those of the machine
        for folder in (*_KERNEL, *self.folders):
            words += ["--ro-bind-try", folder, folder]
        for folder in step.writable:
            words += ["--bind", folder, folder]
        for path in step.readable:
            words += ["--ro-bind-try", path, path]
        for name, value in step.variables.items():
            words += ["--setenv", name, value]
        return [*words, "--chdir", step.writable[0]]


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


def find_sandbox(folders: tuple[str, ...], has_network: bool, path: str, python: str) -> Sandbox:
    """Find bubblewrap on a PATH and try it. Raises `EngineError` where it is missing or may not create namespaces."""
    program = shutil.which("bwrap", path=path)
    if program is None:
        raise _build_unavailable("bwrap is not on the PATH")
    sandbox = Sandbox(program, python, folders, has_network, find_parents())
    why = _try(sandbox)
    if why and sandbox.group_parents:
        sandbox = replace(sandbox, group_parents=())
        why = _try(sandbox)
    if why:
        raise _build_unavailable(why)
    return sandbox


def _try(sandbox: Sandbox) -> str | None:
    """Run a program in a sandbox, as steps are; return why that is not possible."""
    step = SandboxedStep(["/usr"], [], {}, asks_network=False, memory_mib=_PROBE_MIB)
    name = name_groups(uuid4().hex)
    try:
        with limited_groups(sandbox.group_parents, name, _PROBE_MIB << 20, MOST_PROCESSES) as groups:
            order = json.dumps(sandbox.build_order(step, groups))
            words = [*sandbox.build_words("-"), "/usr/bin/true"]
            probe = subprocess.run(
                words, input=order, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, env={}
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not probe.returncode:
        return None
    said = [line for line in probe.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"{sandbox.program} ended with exit code {probe.returncode}"


def _build_unavailable(why: str) -> EngineError:
    return EngineError(
        "steps are to run in a sandbox, and none can be created here",
        "Install bubblewrap, and allow this user to create user namespaces; or choose podman or docker"
        " (ZOO_RUNNER_CONTAINERS).",
        evidence=(why,),
        code="containers.unavailable",
    )
