"""Steps in a sandbox of bubblewrap: the programs of this machine, and of its files only what the step needs.

A step sees `/usr` and what belongs to it, a few files of `/etc`, the folders that the settings add, its inputs, all
read-only, and its own output and temporary folders. It has namespaces of its own (processes, network, users, IPC), no
capabilities, no terminal, an environment of its own, and ends with its launcher.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo_runner.model.errors import EngineError

_PROBE_SECONDS = 60
_ID = "1000"
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_KERNEL = ("/proc/sys", "/proc/sysrq-trigger")
_ETC = (
    *("alternatives", "ca-certificates", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"),
    *("magic", "mime.types", "ssl/certs"),
)
_ETC_OF_NETWORK = ("hosts", "nsswitch.conf", "resolv.conf")


@dataclass(frozen=True)
class Sandbox:
    """bubblewrap: the program, further folders that steps see, and whether they may ask for the network."""

    program: str
    folders: tuple[str, ...] = ()
    has_network: bool = False

    def wrap(
        self, writable: Iterable[str], readable: Iterable[str], variables: Mapping[str, str], *, asks_network: bool
    ) -> list[str]:
        """Return the words that go before the command of a step; the first writable folder is its own."""
        network = self.has_network and asks_network
        own, *others = writable
        words = [self.program, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
        words += ["--new-session", "--cap-drop", "ALL", "--uid", _ID, "--gid", _ID, "--clearenv"]
        words += [*(["--share-net"] if network else []), *_show_system(), *_show_etc(network)]
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        # bubblewrap 0.8 leaves these writable where root calls it: the kernel's parameters are those of the machine
        for folder in (*_KERNEL, *self.folders, *readable):
            words += ["--ro-bind-try", folder, folder]
        for folder in (own, *others):
            words += ["--bind", folder, folder]
        for name, value in variables.items():
            words += ["--setenv", name, value]
        return [*words, "--chdir", own, "--"]


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
    sandbox = Sandbox(program, folders, has_network)
    words = [*sandbox.wrap(["/usr"], [], {}, asks_network=False), "/usr/bin/true"]
    try:
        probe = subprocess.run(words, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False, env={})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _build_unavailable(str(error)) from error
    if probe.returncode:
        raise _build_unavailable(probe.stderr.strip() or f"{program} ended with exit code {probe.returncode}")
    return sandbox


def _build_unavailable(why: str) -> EngineError:
    return EngineError(
        "steps are to run in a sandbox, and none can be created here",
        "Install bubblewrap, and allow this user to create user namespaces; or choose podman or docker"
        " (ZOO_RUNNER_CONTAINERS).",
        evidence=(why,),
        code="containers.unavailable",
    )
