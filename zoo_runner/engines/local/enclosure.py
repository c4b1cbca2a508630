"""A root of its own for the process that runs cwltool: it sees programs, the inputs of its job and its scratch folder.

That process has imported cwltool before its job is known, so that it cannot become another program, such as bubblewrap:
it moves itself. A child of it gets namespaces of its own (mounts, processes, network, users, IPC, host name, control
groups) and a root in memory, on which only what it may see is mounted, and gives up all capabilities. Root makes the
mounts before it gives up its users: what is to be seen may lie in a folder that only root may enter. This needs Linux
5.12, on x86-64 or ARM64; as a program, this module prints why a process cannot get such a root here. Sources:
namespaces(7), user_namespaces(7), pivot_root(2), mount_setattr(2), capabilities(7).
"""

import ctypes
import errno
import os
import signal
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# clone(2): mounts, control groups, host name, IPC, processes, network
_NAMESPACES = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000
_USERS = 0x10000000
# mount(2), umount2(2)
_NO_SUID, _NO_DEVICES, _NO_PROGRAMS, _READ_ONLY = 2, 4, 8, 1
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 0x1000, 0x4000, 0x40000, 2
# mount_setattr(2), whose attributes of these names have the same values
_HERE, _ALL_BELOW = -100, 0x8000
_MOUNT_SETATTR, _PIVOT_ROOT = 442, {"x86_64": 155, "aarch64": 41}
# prctl(2), capset(2)
_SIGNAL_OF_PARENT, _DROP_BOUND, _AMBIENT, _CLEAR, _CAPABILITIES = 1, 24, 47, 4, 0x20080522
_ID, _NAME = 1000, b"launcher"
_OLD = "/.old"
_MOST_LINKS = 40
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/kmsg", "/proc/timer_list", "/proc/sched_debug")
_ENTERED = b"entered"


@dataclass(frozen=True)
class View:
    """What the process sees beside programs: files and folders that it reads, and the one folder that it writes to."""

    readable: tuple[str, ...]
    writable: str


def run_enclosed(view: View, run: Callable[[], int]) -> int:
    """Call `run` in a process with a root of its own, which ends with this one; return its exit code.

    This process must have one thread. What cannot be shown is left out. Raises `OSError` where there is no such root;
    then nothing was called. A view may be the reason: `explain_unusable` says whether there can be one at all.
    """
    reader, writer = os.pipe()
    child = _fork(lambda: _start(view, run, writer))
    os.close(writer)
    # it is written before anything of a package is read: no package can have itself run without a root of its own
    with open(reader, "rb") as pipe:  # noqa: PTH123 a descriptor
        answer = pipe.read()
    code = _wait(child)
    if answer != _ENTERED:
        raise OSError(answer.decode(errors="replace"))
    return code


def run_apart(run: Callable[[], int]) -> int:
    """Call `run` in a process that ends with this one; return its exit code. This process must have one thread."""
    return _wait(_fork(run))


def explain_unusable() -> str | None:
    """Why a process cannot get a root of its own here; None where it can."""
    try:
        code = run_enclosed(View((), str(Path(__file__).parent)), lambda: int(Path("/etc/passwd").exists()))
    except OSError as error:
        return str(error)
    return None if code == 0 else "a root of its own shows files of the machine"


def _fork(run: Callable[[], int]) -> int:
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _end_with_parent()
            code = run()
        except BaseException:  # noqa: BLE001 it must never go on with what its parent does
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def _end_with_parent() -> None:
    _call("prctl", _SIGNAL_OF_PARENT, signal.SIGKILL, 0, 0, 0)


def _wait(pid: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def _start(view: View, run: Callable[[], int], writer: int) -> int:
    """Leave the namespaces of the machine, and start the first process of those for processes; return its exit code."""
    user, group = os.geteuid(), os.getegid()

    def run_first() -> int:
        try:
            _enter(view, user, group, is_root=is_root)
        except Exception as error:  # noqa: BLE001 the parent has to know
            _report(writer, "no root of its own", error)
            return 1
        os.write(writer, _ENTERED)
        os.close(writer)
        return run()

    try:
        is_root = _unshare()
        if not is_root:
            _map_user("/proc/self", user, group)
        # what permissions it had decides whether the signal stays set
        _end_with_parent()
        inner = _fork(run_first)
    except Exception as error:  # noqa: BLE001 the parent has to know
        _report(writer, "no namespaces", error)
        return 1
    os.close(writer)
    return _wait(inner)


def _report(writer: int, what: str, error: Exception) -> None:
    os.write(writer, f"{what}: {error}".encode(errors="replace"))


def _unshare() -> bool:
    """Get namespaces of its own; return whether this process is still root of the machine. Raises `OSError`."""
    try:
        _call("unshare", _NAMESPACES)
    except PermissionError:
        _call("unshare", _NAMESPACES | _USERS)
        return False
    return True


def _map_user(process: str, user: int, group: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{_ID} {user} 1"), ("gid_map", f"{_ID} {group} 1")):
        Path(process, name).write_text(text)


def _enter(view: View, user: int, group: int, *, is_root: bool) -> None:
    _close_folders()
    _build_root(view)
    process = os.open(f"{_OLD}/proc/self", os.O_PATH | os.O_DIRECTORY)
    _call("umount2", _OLD.encode(), _DETACH)
    Path(_OLD).rmdir()
    _restrict("/", _READ_ONLY)
    os.chdir(view.writable)
    if is_root:
        os.setgroups([])
        _call("unshare", _USERS)
        _map_user(f"/proc/self/fd/{process}", user, group)
    os.close(process)
    _give_up_capabilities()
    _end_with_parent()


def _close_folders() -> None:
    """Close folders of the machine: what is above them could be opened from there."""
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 no paths
        with suppress(OSError):
            if stat.S_ISDIR(os.fstat(number).st_mode):
                os.close(number)


def _build_root(view: View) -> None:
    """Put everything that is to be seen on a new root; the old one is at `_OLD` afterwards."""
    _mount("", "/", "", _RECURSIVE | _PRIVATE)
    _mount("root", view.writable, "tmpfs", _NO_SUID | _NO_DEVICES, "mode=0755")
    Path(f"{view.writable}{_OLD}").mkdir()
    machine = os.uname().machine
    if machine not in _PIVOT_ROOT:
        raise OSError(errno.ENOSYS, f"the calls of {machine} are not known here")
    _call("syscall", _PIVOT_ROOT[machine], view.writable.encode(), f"{view.writable}{_OLD}".encode())
    os.chdir("/")
    root = _Root()
    for path in (*_SYSTEM, *sorted({*_list_python(), *view.readable})):
        root.show(path)
    for path in _DEVICES:
        root.show_device(path)
    Path("/dev/fd").symlink_to("/proc/self/fd")
    Path("/proc").mkdir()
    _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS | _READ_ONLY)
    for path in filter(os.path.exists, _HIDDEN):
        _mount("/dev/null", path, "", _BIND)
    root.show_writable(view.writable)
    _call("sethostname", _NAME, len(_NAME))


class _Root:
    """The new root while it is built; the old one is at `_OLD`."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, path: str) -> None:
        """Show a file or folder of the old root in its place, with the links on the way to it.

        What does not exist, cannot be shown or is the kernel's is left out: a package names some of the paths.
        """
        with suppress(OSError, ValueError):
            place = self._follow(path)
            if place and not self._is_shown(place) and _prepare(place):
                self._bind(place, _READ_ONLY | _NO_SUID | _NO_DEVICES)

    def show_device(self, path: str) -> None:
        """Show a device, if there is one."""
        with suppress(OSError):
            if _prepare(path):
                self._bind(path, _NO_SUID | _NO_PROGRAMS | _READ_ONLY)

    def show_writable(self, path: str) -> None:
        """Show a folder that may be written to, also where it lies in what is shown; raises `OSError`."""
        place = self._follow(path)
        if not place or not _prepare(place):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._bind(place, _NO_SUID | _NO_DEVICES)

    def _follow(self, path: str) -> str:
        """Copy the links on the way to a path, and return where it leads; nothing if it leads in a circle."""
        place, names, links = "", _split(path), 0
        while names:
            name = names.pop()
            if name == "..":
                place = place.rpartition("/")[0]
                continue
            there = f"{place}/{name}"
            if _is_kernels(there):
                return ""
            if not os.path.islink(f"{_OLD}{there}"):  # noqa: PTH114
                place = there
                continue
            links += 1
            if links > _MOST_LINKS:
                return ""
            target = self._copy_link(there)
            place = "" if target.startswith("/") else place
            names.extend(_split(target))
        return "" if place == "/dev" else place

    def _copy_link(self, there: str) -> str:
        target = os.readlink(f"{_OLD}{there}")  # noqa: PTH115
        if not self._is_shown(there) and not os.path.islink(there):  # noqa: PTH114
            Path(there).parent.mkdir(parents=True, exist_ok=True)
            Path(there).symlink_to(target)
        return target

    def _bind(self, place: str, attributes: int) -> None:
        _mount(f"{_OLD}{place}", place, "", _BIND | _RECURSIVE)
        try:
            _restrict(place, attributes, _ALL_BELOW)
        except OSError:
            # never without its attributes
            _call("umount2", os.fsencode(place), _DETACH)
            raise
        self._shown.add(place)

    def _is_shown(self, path: str) -> bool:
        while path and path not in self._shown:
            path = path.rpartition("/")[0]
        return bool(path)


def _prepare(place: str) -> bool:
    """Create the place of a file, device or folder of the old root; return whether it is one. Raises `OSError`."""
    mode = os.stat(f"{_OLD}{place}").st_mode  # noqa: PTH116
    if stat.S_ISDIR(mode):
        Path(place).mkdir(parents=True, exist_ok=True)
    elif stat.S_ISREG(mode) or stat.S_ISCHR(mode):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).touch()
    else:
        return False
    return True


def _is_kernels(path: str) -> bool:
    """Whether a path is one of processes or devices, which has no place among the files of a job."""
    is_device = path.startswith("/dev/") and not f"{path}/".startswith("/dev/shm/")
    return is_device or f"{path}/".startswith("/proc/")


def _split(path: str) -> list[str]:
    """Split a path into names, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _list_python() -> Iterator[str]:
    """List what this interpreter needs: its installation, folders of installed packages, and of others what is in use.

    A path of modules may be any folder, such as the home of a user.
    """
    prefixes = (sys.prefix, sys.base_prefix)
    whole = [f"{prefix}/{name}" for prefix in prefixes for name in ("bin", "lib", "lib64", "pyvenv.cfg")]
    for path in filter(os.path.isdir, sys.path):
        if any(name.endswith(".dist-info") for name in os.listdir(path)):  # noqa: PTH208 names alone
            whole.append(path)
    yield from whole
    below = tuple(f"{path}/" for path in whole)
    for name, module in list(sys.modules.items()):
        file = None if "." in name or name == "__main__" else getattr(module, "__file__", None)
        if file and not file.startswith(below):
            yield file.removesuffix("/__init__.py")


def _give_up_capabilities() -> None:
    with suppress(OSError):  # there are no more of them
        for number in range(64):
            _call("prctl", _DROP_BOUND, number, 0, 0, 0)
    _call("prctl", _AMBIENT, _CLEAR, 0, 0, 0)
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITIES, 0), (ctypes.c_uint32 * 6)())


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = [os.fsencode(word) if word else None for word in (source, target, kind)]
    _call("mount", *words, ctypes.c_ulong(flags), data.encode() or None)


def _restrict(path: str, attributes: int, flags: int = 0) -> None:
    """Set attributes of a mount, which nothing in the user namespace can take away."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    _call("syscall", _MOUNT_SETATTR, _HERE, os.fsencode(path), flags, wanted, ctypes.c_size_t(32))


@cache
def _load_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the C library; raises `OSError`."""
    if getattr(_load_library(), name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.stdout.write(explain_unusable() or "")
