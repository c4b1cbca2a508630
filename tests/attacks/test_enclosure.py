"""A launcher that runs foreign code in the root of its own: of its machine it finds its job and programs alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import CANARY, KEYS, Host, listening_on_sockets, tool
from tests.ordinary import as_ordinary_user
from tests.site import Site
from zoo_runner.engines.cwl_process.processes import descendants
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.local.enclosure import explain_unusable
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import EngineLine, Event, StepStarted
from zoo_runner.model.job import Status

WHY_NOT = explain_unusable()
pytestmark = pytest.mark.skipif(bool(WHY_NOT) and os.environ.get("CI") != "true", reason=str(WHY_NOT))  # noqa: TID251
X86 = os.uname().machine == "x86_64"

# as the launcher does; an attack prints what it could get at
PREPARED = """
import ctypes, json, os, pwd, signal, socket, stat, subprocess, sys
from pathlib import Path
sys.path[:], folder, port, attack, encloses, named = json.loads(sys.argv[1])
from zoo_runner.engines.cwl_process.javascript_process import filter_calls
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.local.enclosure import View, run_enclosed
HOST, GIVEN, JOB, PORT, PARENT = Path(folder, "host"), Path(folder, "given"), Path(folder, "job"), port, os.getpid()
MACHINE = os.open("/", os.O_PATH | os.O_DIRECTORY)
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
page = ctypes.create_string_buffer(4096)

def call(number, *arguments):
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if libc.syscall(ctypes.c_long(number), *words) >= 0:
        print("reached", number)

def read(path):
    print(Path(path).read_text())

def names(path, *known):
    print(*sorted(set(os.listdir(path)) - set(known)))

def connect(family, address):
    socket.socket(family, socket.SOCK_STREAM).connect(address)
    print("connected")

def walk():
    for place, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if place != "/" or name not in ("proc", "usr")]
        yield from (Path(place, name) for name in files)

def run():
    filter_calls(filter_launcher(os.uname().machine))
    try:
        exec(attack)
    except (OSError, KeyError):
        pass
    sys.stdout.flush()
    return 0

sys.exit(run_enclosed(View((str(GIVEN), *named), str(JOB)), run) if encloses else run())
"""
READING = {
    "a secret": "read(HOST / 'secret.txt')",
    "a secret by steps up": "read(f'../../../../../..{HOST}/secret.txt')",
    "a secret by the folder above": "read(JOB / '..' / 'host' / 'secret.txt')",
    "a secret by a link": "(JOB / 'link').symlink_to(HOST); read(JOB / 'link' / 'secret.txt')",
    "a secret by a link beside an input": "read(GIVEN / 'link')",
    "a secret by another name": "os.link(HOST / 'secret.txt', JOB / 'name'); read(JOB / 'name')",
    "a secret by the root of a process": "read(f'/proc/{PARENT}/root{HOST}/secret.txt')",
    "a secret by the first process": "read(f'/proc/1/root{HOST}/secret.txt')",
    "a secret by a folder of a process": "read(f'/proc/{PARENT}/cwd/../host/secret.txt')",
    "a secret by a descriptor that was open": "os.open(f'.{HOST}/secret.txt', os.O_RDONLY, dir_fd=MACHINE); print(1)",
    "the size of a secret": "print((HOST / 'secret.txt').stat().st_size)",
    "files of another job": "names(HOST / 'below')",
    "every file that it can find": "print(*(path for path in walk() if path.name == 'secret.txt'))",
    "every socket that it can find": "print(*(path for path in walk() if stat.S_ISSOCK(path.lstat().st_mode)))",
    "users": "read('/etc/passwd')",
    "passwords": "read('/etc/shadow')",
    "users by the library": "print(pwd.getpwuid(0))",
    "hosts": "read('/etc/hosts'); read('/etc/resolv.conf')",
    "the name of its machine": "print(os.uname().nodename.replace('launcher', ''))",
    "homes": "names('/home')",
    "keys": f"names('{KEYS}'); names('/etc/ssh')",
    "folders of servers": "names('/run'); names('/var')",
    "mounts of the machine": "names('/mnt')",
    "devices": "names('/dev', 'null', 'zero', 'full', 'random', 'urandom', 'fd')",
    "shared memory": "names('/dev/shm')",
    "the kernel by its files": "names('/sys')",
    "memory of the kernel": "print(open('/proc/kcore', 'rb').read(1))",
    "messages of the kernel": "print(open('/dev/kmsg').readline())",
    "the environment of a process": "print(open(f'/proc/{PARENT}/environ').read())",
    "processes": "print(*(name for name in os.listdir('/proc') if name.isdigit() and int(name) > 9))",
    "its control group": "print(*(line for line in open('/proc/self/cgroup') if not line.endswith(':/\\n')))",
}
CONNECTING = {
    "a listener": "connect(socket.AF_INET, ('127.0.0.1', PORT))",
    "a listener by IPv6": "connect(socket.AF_INET6, ('::1', PORT))",
    "a socket in a folder": "connect(socket.AF_UNIX, str(HOST / 'socket'))",
    "a socket in a folder by steps up": "os.chdir(JOB); connect(socket.AF_UNIX, '../host/socket')",
    "a socket without a file": "connect(socket.AF_UNIX, f'\\0canary-socket-{PORT}')",
    "docker": "connect(socket.AF_UNIX, '/var/run/docker.sock')",
    "podman": "connect(socket.AF_UNIX, '/run/podman/podman.sock')",
    "the system's bus": "connect(socket.AF_UNIX, '/run/dbus/system_bus_socket')",
    "the service of names": "connect(socket.AF_UNIX, '/var/run/nscd/socket')",
    "the journal": "connect(socket.AF_UNIX, '/run/systemd/journal/stdout')",
    "networks": "print(*(name for _, name in socket.if_nameindex() if name != 'lo'))",
}
CHANGING = {
    "a file": "(HOST / 'secret.txt').write_text('changed'); print(1)",
    "a new file": "(HOST / 'new.txt').touch(); print(1)",
    "an input": "(GIVEN / 'input.txt').write_text('changed'); print(1)",
    "beside an input": "(GIVEN / 'new.txt').touch(); print(1)",
    "the mode of an input": "(GIVEN / 'input.txt').chmod(0o777); print(1)",
    "programs": "Path('/usr/bin/planted').touch(); print(1)",
    "this program": "Path(sys.modules['zoo_runner'].__file__).write_text(''); print(1)",
    "the interpreter": "Path(sys.prefix, 'bin', 'planted').touch(); print(1)",
    "the root": "Path('/planted').touch(); print(1)",
    "the folder above": "(JOB.parent / 'planted').touch(); print(1)",
    "what runs where a process crashes": "Path('/proc/sys/kernel/core_pattern').write_text('|/evil'); print(1)",
    "the machine's switch": "Path('/proc/sysrq-trigger').write_text('h'); print(1)",
    "who owns a file": "(JOB / 'own').touch(); os.chown(JOB / 'own', 0, 0); print(1)",
    "a device": "os.mknod(JOB / 'disk', stat.S_IFBLK | 0o600, os.makedev(8, 0)); print(1)",
    "its user": "os.setuid(0); print(1)",
    "its root": "os.chroot(JOB); print(1)",
    "the end of a process": "os.kill(PARENT, signal.SIGKILL); print(1)",
    "the end of all": "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(-1, signal.SIGKILL)",
    "the end of its group": "os.killpg(PARENT, signal.SIGKILL); print(1)",
    "the end of a process by a descriptor": "signal.pidfd_send_signal(os.pidfd_open(PARENT), 9); print(1)",
    "the priority of a process": "os.setpriority(os.PRIO_PROCESS, PARENT, 19); print(1)",
    "capabilities": "print(*(line for line in open('/proc/self/status') if line[:3] == 'Cap' and int(line[8:], 16)))",
    "new permissions": "print(*(line for line in open('/proc/self/status') if line.startswith('NoNewPrivs:\\t0')))",
    "a program with permissions": "print(subprocess.run(['su', '-c', 'id'], capture_output=True, text=True).stdout)",
}
CALLS = {
    "a mount": "call(165, b'none', str(JOB).encode(), b'tmpfs', 0, 0)",
    "a mount made writable": "call(165, b'none', b'/usr', 0, 4096 | 32, 0)",
    "a mount made writable by its attributes": "call(442, -100, b'/usr', 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32)",
    "removing a mount": "call(166, b'/usr', 2)",
    "removing the root": "call(166, b'/', 2)",
    "another root": "call(155, str(JOB).encode(), str(JOB).encode())",
    "a copy of a mount": "call(428, -100, b'/', 1)",
    "a file system by descriptor": "call(430, b'tmpfs', 0)",
    "users of its own": "call(272, 0x10000000)",
    "mounts of its own": "call(272, 0x20000)",
    "a child with users of its own": "call(56, 0x10000011, 0, 0, 0, 0)",
    "a child by flags in memory": "call(435, page, 88)",
    "namespaces of a process": "call(308, os.open('/proc/1/ns/user', 0), 0)",
    "files by handle": "call(304, MACHINE, page, 0)",
    "tracing a process": "call(101, 16, PARENT, 0, 0)",
    "memory of a process": "call(310, PARENT, page, 1, page, 1, 0)",
    "a key": "call(248, b'user', b'canary', b'x', 1, -4)",
    "a ring, which evades filters": "call(425, 8, page)",
    "a program of the kernel": "call(321, 0, page, 72)",
    "counters of the kernel": "call(298, page, 0, -1, -1, 0)",
    "faults of the kernel": "call(323, 0)",
}
ATTACKS = {**READING, **CONNECTING, **CHANGING, **(CALLS if X86 and filter_launcher("x86_64") else {})}


@pytest.fixture
def machine(tmp_path: Path, host: Host) -> Iterator[Host]:
    """A host with a job's folder beside it, an input with a link to it, and listeners on two sockets."""
    (tmp_path / "job").mkdir()
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "input.txt").write_text("given")
    (tmp_path / "given" / "link").symlink_to(host.secret)
    with listening_on_sockets(host):
        yield host


def run(folder: Path, host: Host, attack: str, *before: str, encloses: bool = True, named: Sequence[str] = ()) -> str:
    """Run an attack, with further paths in its view; return what it printed."""
    given = json.dumps([sys.path, str(folder), host.port, attack, encloses, named])
    words = [*before, sys.executable, "-I", "-c", PREPARED, given]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, start_new_session=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("is_ordinary", [False, True], ids=["user", "nobody"])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_enclosed_launcher_gets_at_nothing_of_its_machine(
    name: str, is_ordinary: bool, machine: Host, tmp_path: Path
) -> None:
    before = machine.read()
    words = as_ordinary_user(tmp_path) if is_ordinary else []
    assert run(tmp_path, machine, ATTACKS[name], *words) == ""
    assert machine.contacts == []
    assert machine.read() == before
    assert (tmp_path / "given" / "input.txt").read_text() == "given"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "host", "job"]


@pytest.mark.parametrize(
    "name", ["a secret", "a secret by a link beside an input", "a socket in a folder", "a socket without a file"]
)
def test_the_same_code_gets_at_it_where_nothing_is_enclosed(name: str, machine: Host, tmp_path: Path) -> None:
    printed = run(tmp_path, machine, ATTACKS[name], encloses=False)
    assert printed in (CANARY, "connected")


HONEST = {
    "an input": "read(GIVEN / 'input.txt')",
    "a file of its own": "(JOB / 'own').write_text('given'); read(JOB / 'own')",
    "a program": "print(subprocess.run(['sh', '-c', 'echo given'], capture_output=True, text=True).stdout)",
    "an interpreter": "print(subprocess.run([sys.executable, '-c', 'print(\"given\")'], capture_output=True,"
    " text=True).stdout)",
    "a socket of its job": "a = socket.socket(socket.AF_UNIX); a.bind(str(JOB / 's')); a.listen();"
    " socket.socket(socket.AF_UNIX).connect(str(JOB / 's')); print('given')",
    "a module that was not loaded": "import cwltool.main; print('given')",
    "its processes": "os.kill(subprocess.Popen(['sleep', '9']).pid, 9); print('given')",
    "memory of the machine": "import psutil; print('given' if psutil.virtual_memory().available else '')",
    "the time zone": "import time; print('given' if Path('/etc/localtime').exists() else '')",
}


@pytest.mark.parametrize("is_ordinary", [False, True], ids=["user", "nobody"])
@pytest.mark.parametrize("name", HONEST)
def test_an_enclosed_launcher_has_what_it_needs(name: str, is_ordinary: bool, machine: Host, tmp_path: Path) -> None:
    words = as_ordinary_user(tmp_path) if is_ordinary else []
    assert run(tmp_path, machine, HONEST[name], *words) == "given"


NAMING = {
    "below a file": "GIVEN/input.txt/y",
    "a long name": f"GIVEN/{'x' * 300}",
    "a long path": "GIVEN" + "/x" * 3000,
    "a zero byte": "GIVEN/x\0y",
    "half a character": "GIVEN/\ud800",
    "a process": "/proc/self/status",
    "all processes": "/proc",
    "the root of a process": "/proc/self/root",
    "a descriptor": "/dev/fd/0",
    "a stream": "/dev/stdin",
    "a terminal": "/dev/tty",
    "all devices": "/dev",
    "a link to a process": "GIVEN/to a process",
    "a link to itself": "GIVEN/to itself",
    "a socket": "HOST/socket",
    "the root": "/",
    "nothing": "",
}


@pytest.mark.parametrize("name", NAMING)
def test_what_a_package_names_never_ends_the_enclosure(name: str, machine: Host, tmp_path: Path) -> None:
    (tmp_path / "given" / "to a process").symlink_to("/proc/self/status")
    (tmp_path / "given" / "to itself").symlink_to("to itself")
    named = [NAMING[name].replace("GIVEN", str(tmp_path / "given")).replace("HOST", str(tmp_path / "host"))]
    assert run(tmp_path, machine, f"{READING['devices']}; {HONEST['an input']}", named=named) == "given"


def test_the_folder_of_a_job_is_writable_in_what_is_shown_and_nothing_beside_it(machine: Host, tmp_path: Path) -> None:
    named = [str(tmp_path)]
    assert run(tmp_path, machine, HONEST["a file of its own"], named=named) == "given"
    assert run(tmp_path, machine, CHANGING["a file"], named=named) == ""


FAILING = """
import sys
sys.path[:] = {path!r}
from zoo_runner.engines.local.enclosure import View, run_apart, run_enclosed
def fail():
    {how}
try:
    {where}
except BaseException as error:
    print("unwound", type(error).__name__)
print("once")
"""
BREAKING = {
    "an error": ("raise ValueError", "run_apart(fail)"),
    "a request to end": ("sys.exit(0)", "run_apart(fail)"),
    "an error in its root": ("raise ValueError", "run_enclosed(View((), '/tmp'), fail)"),
    "a zero byte": ("pass", "run_enclosed(View((), '/tmp/\\0'), fail)"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_child_that_fails_never_goes_on_with_what_its_parent_does(name: str) -> None:
    how, where = BREAKING[name]
    code = FAILING.format(path=sys.path, how=how, where=where)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() in (["once"], ["unwound OSError", "once"])
    assert done.returncode == 0


NAMESPACES = ("mnt", "pid", "net", "user", "ipc", "uts", "cgroup")
OWN = Path("/proc/self/ns")


def look_at_launchers(host: Host) -> list[dict[str, Any]]:
    """What the processes of this test show that run cwltool and are the first of their own processes."""
    found = []
    for pid in descendants(os.getpid()):
        proc = Path(f"/proc/{pid}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        if b"engines.local.launcher" in (proc / "cmdline").read_bytes() and status["NSpid"].split()[1:] == ["1"]:
            shared = [
                name
                for name in NAMESPACES
                if (proc / "ns" / name).readlink() == Path(f"/proc/self/ns/{name}").readlink()
            ]
            sees = [path for path in (host.secret, Path("/etc/passwd")) if Path(f"{proc}/root{path}").exists()]
            permissions = [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")]
            found.append({"shared": shared, "sees": sees, "permissions": permissions, "filter": status["Seccomp"]})
    return found


@pytest.mark.usefixtures("sandbox")
def test_the_launcher_of_an_isolated_job_is_enclosed(site: Site, host: Host) -> None:
    seen: list[dict[str, Any]] = []
    (site.folder / "waits.cwl").write_text(json.dumps(tool("sleep 100", {})))
    cancellation = Cancellation()

    def look(event: Event) -> None:
        if isinstance(event, StepStarted):
            seen.extend(look_at_launchers(host))
            cancellation.cancel()

    isolated = site.having(ZOO_RUNNER_CONTAINERS="sandbox", ZOO_RUNNER_ISOLATION="isolated")
    story = isolated.run(isolated.accept(site.folder / "waits.cwl"), cancellation=cancellation, on=look)
    assert story.outcome.status is Status.DISMISSED
    assert seen == [{"shared": [], "sees": [], "permissions": [0, 0, 0], "filter": "2"}]
    assert [pid for pid in descendants(os.getpid()) if b"launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()] == []


NAMED = {
    "below a file": "FOLDER/x.txt/y",
    "a long name": f"FOLDER/{'x' * 300}",
    "a process": "/proc/self/status",
    "a descriptor": "/dev/fd/0",
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.usefixtures("sandbox")
def test_a_package_cannot_switch_off_the_enclosure_of_its_launcher(name: str, site: Site) -> None:
    (site.folder / "x.txt").write_text("x")
    named = f"file://{NAMED[name].replace('FOLDER', str(site.folder))}"
    given = {"type": "File", "default": {"class": "File", "location": named}}
    (site.folder / "names.cwl").write_text(json.dumps(tool("true", {}, inputs={"given": given})))
    isolated = site.having(ZOO_RUNNER_CONTAINERS="sandbox", ZOO_RUNNER_ISOLATION="isolated")
    (site.folder / "job.json").write_text(json.dumps({"given": {"class": "File", "path": str(site.folder / "x.txt")}}))
    story = isolated.run(isolated.accept(site.folder / "names.cwl", site.folder / "job.json"))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert [event for event in story.events if isinstance(event, EngineLine) and "sees the files" in event.text] == []


@pytest.mark.usefixtures("sandbox")
def test_an_input_is_reached_through_the_links_that_lead_to_it(site: Site) -> None:
    data = site.folder / "data"
    (data / "of 2026").mkdir(parents=True)
    (data / "of 2026" / "x.txt").write_text("in a folder")
    (data / "y.txt").write_text("by itself")
    (data / "latest").symlink_to("of 2026")
    (site.folder / "named").symlink_to(data / "latest")
    (site.folder / "single").symlink_to("named/../y.txt")
    package = tool("cat $0/x.txt $1", {"o": {"type": "stdout"}})
    file = {"type": "File", "inputBinding": {"position": 2, "loadContents": True}}
    package |= {"inputs": {"d": {"type": "Directory", "inputBinding": {"position": 1}}, "f": file}, "stdout": "o.txt"}
    (site.folder / "shown.cwl").write_text(json.dumps(package))
    isolated = site.having(ZOO_RUNNER_CONTAINERS="sandbox", ZOO_RUNNER_ISOLATION="isolated")
    words = ("-i", f"d={site.folder / 'named'}", "-i", f"f={site.folder / 'single'}")
    done = isolated.command("run", site.folder / "shown.cwl", *words, "-o", site.results)
    assert done.returncode == 0, done.stderr
    assert (site.results / "o" / "o.txt").read_text() == "in a folderby itself"


@pytest.mark.usefixtures("sandbox")
def test_a_job_says_so_and_runs_where_its_launcher_cannot_be_enclosed(site: Site, tmp_path: Path) -> None:
    if shutil.which("setarch") is None:
        pytest.skip("setarch of util-linux is missing")
    # of a machine whose calls are not known
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nexec setarch linux32 {sys.executable} "$@"\n')
    python.chmod(0o755)
    changes = {"ZOO_RUNNER_CONTAINERS": "sandbox", "ZOO_RUNNER_ISOLATION": "isolated"}
    isolated = site.having(**changes, ZOO_RUNNER_PYTHON=str(python))
    (site.folder / "plain.cwl").write_text(json.dumps(tool("true", {})))
    story = isolated.run(isolated.accept(site.folder / "plain.cwl"))
    assert story.outcome.status is Status.SUCCESSFUL
    machine = "i686"
    assert [event for event in story.events if isinstance(event, EngineLine) and machine in event.text]
