"""Steps in a sandbox that use the kernel against it: calls, descriptors, memory, processes, names of shared files."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import CANARY, Document, Host, find_canary, listening_on_sockets, output, run_here, tool
from tests.attacks.test_sandbox import gives
from tests.site import Site
from zoo_runner.engines.cwl_process.control_groups import name_groups
from zoo_runner.engines.cwl_process.sandbox_programs import MOST_PROCESSES
from zoo_runner.engines.local.sandbox import Sandbox
from zoo_runner.model.codec import to_plain
from zoo_runner.model.events import Event, StepLines

X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of calls are those of x86-64")

# Python that runs in the step: `call` prints what a system call that must be refused did instead
PREPARED = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
REFUSED = (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT)
page = ctypes.create_string_buffer(4096)
def call(number, *arguments):
    found = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if found >= 0 or ctypes.get_errno() not in REFUSED:
        print('reached', found, ctypes.get_errno())
def connect(family, address):
    try:
        socket.socket(family, socket.SOCK_STREAM).connect(address)
    except OSError:
        return
    print('reached')
"""
CALLS = {
    "io_uring, which evades filters": "call(425, 8, page)",
    "io_uring of another process": "call(427, 3, 0, page, 1)",
    "a key for others": "call(248, b'user', b'canary', b'x', 1, -4)",
    "keys of the session": "call(250, 0, -3, 1)",
    "keys by request": "call(249, b'user', b'canary', 0, -4)",
    "tracing the first process": "call(101, 16, 1, 0, 0)",
    "being traced": "call(101, 0, 0, 0, 0)",
    "memory of the first process": "call(310, 1, page, 1, page, 1, 0)",
    "memory of the first process, to write": "call(311, 1, page, 1, page, 1, 0)",
    "descriptors of the first process": "call(438, libc.syscall(434, 1, 0), 0, 0)",
    "a user namespace": "call(272, 0x10000000)",
    "a mount namespace": "call(272, 0x00020000)",
    "a child in a user namespace": "call(56, 0x10000011, 0, 0, 0, 0)",
    "a child in a namespace by flags in memory": "call(435, page, 88)",
    "the namespaces of the first process": "call(308, os.open('/proc/1/ns/user', 0), 0)",
    "a host name": "call(170, b'canary', 6)",
    "a domain name": "call(171, b'canary', 6)",
    "a mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "removing a mount": "call(166, b'/usr', 2)",
    "another root": "call(161, b'/tmp')",
    "another root by exchange": "call(155, b'/tmp', b'/tmp')",
    "a copy of a mount": "call(428, -100, b'/usr', 1)",
    "a file system by descriptor": "call(430, b'tmpfs', 0)",
    "a mount made writable": "call(442, -100, b'/usr', 0, page, 32)",
    "handles of files": "call(303, -100, b'/usr', page, page, 0)",
    "files by handle": "call(304, -100, page, 0)",
    "programs of the kernel": "call(321, 0, page, 72)",
    "counters of the kernel": "call(298, page, 0, -1, -1, 0)",
    "faults of the kernel": "call(323, 0)",
    "messages of drivers": "call(103, 3, page, 100)",
    "a module of the kernel": "call(313, 0, b'', 0)",
    "the clock": "call(227, 0, page)",
    "calls of the x32 machine": "call(0x40000000 + 39)",
    "a call that is not known": "call(500)",
    "words for a terminal": "call(16, 0, 0x5412, page)",
    "a socket to the hypervisor": "call(41, 40, 1, 0)",
    "a socket of packets": "call(41, 17, 3, 0)",
    "a socket of the kernel's ciphers": "call(41, 38, 5, 0)",
    "a socket of Bluetooth": "call(41, 31, 3, 0)",
    "an abstract socket of the host": "connect(socket.AF_UNIX, '\\\\0canary-socket-PORT')",
    "a socket of the host's files": "connect(socket.AF_UNIX, SECRET.replace('secret.txt', 'socket'))",
}


def calling(code: str, ending: str = "; true") -> Document:
    """A tool that gives what some Python printed, however it ended."""
    brought: Document = {"entryname": "attack.py", "entry": f"$({json.dumps(PREPARED + code)})"}
    return tool(
        f"/usr/bin/python3 attack.py > o.txt 2> e.txt{ending}",
        output("File", "o.txt"),
        {"class": "InitialWorkDirRequirement", "listing": [brought]},
    )


@pytest.fixture
def sockets(host: Host) -> Iterator[None]:
    """Somebody listens on two sockets of the machine, one with a file and one without."""
    with listening_on_sockets(host):
        yield


@X86
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("sockets")
def test_the_kernel_refuses_a_step_what_administers_the_machine(
    name: str,
    sandbox: Sandbox,
    site: Site,
    host: Host,
) -> None:
    code = CALLS[name].replace("\\\\", "\\").replace("SECRET", repr(str(host.secret))).replace("PORT", str(host.port))
    assert run_here(site, calling(code), sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == ""


# machine code: getpid by the table of 32-bit calls
INTERRUPT = "b8140000 00cd80c3".replace(" ", "")
OLD_CALL = f"""
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex('{INTERRUPT}'))
found = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
print('reached' if found > 0 else '', end='')
"""


@X86
def test_the_calls_of_another_machine_are_refused(sandbox: Sandbox, site: Site) -> None:
    assert run_here(site, calling(OLD_CALL), sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == ""


# each prints what it could get at
LOOKING = {
    "descriptors": "ls -l /proc/self/fd /proc/1/fd | grep -E ' -> '"
    " | grep -vE 'pipe:|/dev/null|/proc|o.txt|e.txt|eventfd'",
    "its host name": "hostname | grep -v '^step$'; uname -n | grep -v '^step$'",
    "users": "getent passwd | grep -vE '^(step|nobody):'; cat /etc/passwd | grep -vE '^(step|nobody):'",
    "groups": "getent group | grep -vE '^(step|nogroup):'",
    "hosts": "grep -vE '^(127.0.0.1|::1) localhost' /etc/hosts",
    "devices by /sys": "find /sys -mindepth 1 | head -1",
    "the control group": "grep -vE ':/$' /proc/self/cgroup",
    "other control groups": "find / -name cgroup.procs -not -path '/proc/*' | head -1",
    "keys": "cat /proc/keys /proc/key-users",
    "timers": "cat /proc/timer_list",
    "words of the first process": "tr '\\0' '\\n' < /proc/1/cmdline | grep -E '^--(setenv|bind|ro-bind)'",
    "shared memory": "ls -A /dev/shm /dev/mqueue | grep -v :",
    "files beside the root": "touch /planted /etc/planted /dev/planted /run/planted && echo reached",
    "a device of its own": "mknod sda b 8 0 && echo reached; mknod null c 1 3 && echo reached",
    "an owner of its own": "touch f; chown root f && echo reached; chown 1 f && echo reached",
    "threads of others": "ls -d /proc/*/task/* | wc -l | grep -vE '^[1-9]?[0-9]$'",
    "limits that are higher": "ulimit -u unlimited && echo reached; ulimit -c unlimited && echo reached",
    "priority over others": "nice -n -5 true 2>&1 | grep -v denied; chrt -f 1 true && echo reached",
    "a program with more permissions": "cp /usr/bin/su . && chmod u+s su && ./su -c id | grep uid=0",
}


@pytest.mark.parametrize("name", LOOKING)
def test_a_step_finds_nothing_of_the_machine(name: str, sandbox: Sandbox, site: Site) -> None:
    assert run_here(site, gives(LOOKING[name]), sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == ""


MEMORY: Document = {"class": "ResourceRequirement", "ramMin": 128}
TAKING = {
    "memory": "x = bytearray(300 << 20)",
    # the pipe ends once all of them have taken theirs
    "memory of many processes": (
        "r, w = os.pipe(); [os.fork() for _ in range(3)]; x = bytearray(40 << 20)"
        "; os.close(w); os.read(r, 1); os.wait()"
    ),
    "memory that is shared": "import mmap; m = mmap.mmap(-1, 300 << 20); m.write(bytes(300 << 20))",
    "memory of files without a name": "f = os.memfd_create('x'); [os.write(f, bytes(1 << 20)) for _ in range(300)]",
}


@pytest.mark.parametrize("name", TAKING)
def test_a_step_that_takes_more_memory_than_its_limit_is_ended(
    name: str,
    sandbox: Sandbox,
    site: Site,
) -> None:
    if not sandbox.group_parents and name != "memory":
        pytest.skip("without control groups")
    document = calling(TAKING[name] + "\nprint('reached')", ending="")
    document["requirements"].append(MEMORY)
    error = run_here(site, document, sandbox=sandbox)
    if sandbox.group_parents:
        assert error is not None
        assert error.diagnosis.code == "step.out-of-memory"
        assert "128 MiB" in error.diagnosis.cause
    assert "reached" not in "".join(path.read_text() for path in site.results.rglob("o.txt"))


def test_without_control_groups_the_memory_of_each_process_is_limited(
    sandbox: Sandbox,
    site: Site,
) -> None:
    document = calling("x = bytearray(300 << 20)\nprint('reached')")
    document["requirements"].append(MEMORY)
    assert run_here(site, document, sandbox=replace(sandbox, group_parents=())) is None
    assert (site.results / "o" / "o.txt").read_text() == ""


FILLED = {
    "/tmp": "No space left on device",
    "/dev/shm": "No space left on device",
    "/": "Read-only file system",
    "/dev": "Read-only file system",
}


@pytest.mark.parametrize("folder", FILLED)
def test_a_step_fills_no_memory_by_files(folder: str, sandbox: Sandbox, site: Site) -> None:
    script = f"LC_ALL=C dd if=/dev/zero of={folder}/x bs=1M count=100 2>&1 | grep -o '{FILLED[folder]}' > o.txt"
    document = tool(script, output("File", "o.txt"), MEMORY)
    assert run_here(site, document, sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text().strip() == FILLED[folder]


FORKING = f"""
import signal
count = 0
try:
    for _ in range({MOST_PROCESSES} + 10):
        if os.fork() == 0:
            signal.pause()
        count += 1
except BlockingIOError:
    pass
print(count)
"""


def test_a_step_has_no_more_processes_than_its_limit(sandbox: Sandbox, site: Site) -> None:
    if os.getuid() == 0 and not sandbox.group_parents:
        pytest.skip("root without control groups")
    assert run_here(site, calling(FORKING), sandbox=sandbox) is None
    assert 100 < int((site.results / "o" / "o.txt").read_text()) < MOST_PROCESSES


def test_no_control_group_is_left(sandbox: Sandbox, site: Site) -> None:
    assert run_here(site, gives("setsid sleep 100 &"), sandbox=sandbox) is None
    # other tests run at the same time
    (scratch,) = (site.folder / "scratch").iterdir()
    own = f"{name_groups(scratch.name)}*"
    assert [path for parent in sandbox.group_parents for path in Path(parent).glob(own)] == []


def test_values_of_variables_are_on_no_command_line_and_in_no_log(sandbox: Sandbox, site: Site) -> None:
    env: Document = {"class": "EnvVarRequirement", "envDef": {"PASSWORD": CANARY}}
    waiting = "echo ready; until [ -e go ]; do sleep 0.05; done; printenv PASSWORD | cut -c 1-6 > o.txt"
    seen: list[str] = []
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepLines) and "ready" in event.lines:
            seen.extend(CANARY for path in Path("/proc").glob("[0-9]*/cmdline") if CANARY.encode() in read(path))
            seen.extend(find_canary(*site.temp.parent.rglob("step-*")))
            for folder in site.folder.rglob("out/*"):
                (folder / "go").touch()

    assert run_here(site, tool(waiting, output("File", "o.txt"), env), sandbox=sandbox, report=report) is None
    assert (site.results / "o" / "o.txt").read_text().strip() == CANARY[:6]
    assert seen == []
    assert any(isinstance(event, StepLines) for event in events)
    assert CANARY not in json.dumps([to_plain(event) for event in events], default=str)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("part", ["name", "value"])
def test_a_variable_is_no_option_of_the_sandbox(part: str, sandbox: Sandbox, site: Site, host: Host) -> None:
    options = f"x\\u0000--ro-bind\\u0000{host.folder}\\u0000{host.folder}"
    made = f'$("{options}")' if part == "value" else "x"
    name = "A" if part == "value" else json.loads(f'"{options}"')
    env: Document = {"class": "EnvVarRequirement", "envDef": [{"envName": name, "envValue": made}]}
    document = tool(f"cat {host.secret} > o.txt; true", output("File", "o.txt"), env)
    assert run_here(site, document, sandbox=sandbox) is not None
    assert find_canary(site.results) == []


# a step has this input as `x.txt` in its own folder; each changes it without a trace
CHANGING = {
    "in place": "printf THEIRS > x.txt",
    "in place, at its place": "printf THEIRS | dd of=x.txt conv=notrunc",
    "by another name": "ln x.txt y.txt; printf THEIRS > y.txt",
    "by a link": "ln -s x.txt y.txt; printf THEIRS > y.txt",
    "by its descriptor": "exec 3< x.txt; printf THEIRS > /proc/self/fd/3",
    "by exchange": "printf THEIRS > y.txt; mv -f y.txt x.txt",
    "by removal": "rm -f x.txt; printf THEIRS > x.txt",
    "by its mode": "chmod 777 x.txt; printf THEIRS > x.txt",
    "by a shorter file": "truncate -s 0 x.txt; printf THEIRS >> x.txt",
    "by a moved folder": 'd=$(pwd); mv "$d" "$d.moved"; printf THEIRS > "$d.moved/x.txt"',
    "by mapped memory": "/usr/bin/python3 -c \"import mmap; f = open('x.txt', 'r+b'); mmap.mmap(f.fileno(), 6)[:] ="
    " b'THEIRS'\"",
}


def changing(script: str, writable: bool = False) -> Document:
    """A workflow: its first step has the input in its own folder, its second gives it."""
    entry: Document = {"entry": "$(inputs.x)", "entryname": "x.txt", "writable": writable}
    initial: Document = {"class": "InitialWorkDirRequirement", "listing": [entry]}
    undo = "touch -m -d @1000000000 x.txt y.txt"
    first = tool(
        f"( {script.replace('$', chr(92) + '$')}; {undo} ) 2> e.txt; touch o.txt", output("File", "o.txt"), initial
    )
    first["inputs"] = {"x": "File"}
    last = tool('cat "$0" > o.txt', output("File", "o.txt"))
    last["inputs"] = {"x": {"type": "File", "inputBinding": {"position": 1}}, "after": "File"}
    return {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "id": "attack",
        "inputs": {"x": "File"},
        "outputs": {"o": {"type": "File", "outputSource": "last/o"}},
        "steps": {
            "first": {"run": first, "in": {"x": "x"}, "out": ["o"]},
            "last": {"run": last, "in": {"x": "x", "after": "first/o"}, "out": ["o"]},
        },
    }


@pytest.mark.parametrize("name", CHANGING)
def test_an_input_in_the_folder_of_a_step_cannot_be_changed(name: str, sandbox: Sandbox, site: Site) -> None:
    mine = site.folder / "mine.txt"
    mine.write_text("A USER")
    os.utime(mine, (10**9, 10**9))
    given: Any = {"x": {"class": "File", "location": mine.as_uri()}}
    run_here(site, changing(CHANGING[name]), given, sandbox=sandbox)
    assert [path.read_text() for path in site.results.rglob("o.txt")] == ["A USER"]
    assert mine.read_text() == "A USER"


def test_a_writable_input_is_a_copy(sandbox: Sandbox, site: Site) -> None:
    mine = site.folder / "mine.txt"
    mine.write_text("A USER")
    given: Any = {"x": {"class": "File", "location": mine.as_uri()}}
    script = "printf THEIRS > x.txt && cp x.txt changed.txt"
    assert run_here(site, changing(script, writable=True), given, sandbox=sandbox) is None
    assert [path.read_text() for path in site.results.rglob("o.txt")] == ["A USER"]
    assert mine.read_text() == "A USER"


def test_files_in_an_input_folder_cannot_be_changed(sandbox: Sandbox, site: Site) -> None:
    mine = site.folder / "mine" / "x.txt"
    mine.parent.mkdir()
    mine.write_text("A USER")
    entry: Document = {"entry": "$(inputs.x)", "entryname": "d"}
    document = tool(
        "( printf THEIRS > d/x.txt; touch d/planted; mv d e; printf THEIRS > e/x.txt ) 2> e.txt; cat d/x.txt > o.txt",
        output("File", "o.txt"),
        {"class": "InitialWorkDirRequirement", "listing": [entry]},
        inputs={"x": "Directory"},
    )
    given: Any = {"x": {"class": "Directory", "location": mine.parent.as_uri()}}
    assert run_here(site, document, given, sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == "A USER"
    assert mine.read_text() == "A USER"


def test_no_program_with_permissions_of_its_owner_leaves_a_step(sandbox: Sandbox, site: Site) -> None:
    script = "cp /usr/bin/id o.txt; chmod 6755 o.txt; true"
    assert run_here(site, tool(script, output("File", "o.txt")), sandbox=sandbox) is None
    assert [oct(path.stat().st_mode & 0o6000) for path in site.results.rglob("o.txt")] == ["0o0"]


def test_many_inputs_in_the_folder_of_a_step_are_files_of_its_own(sandbox: Sandbox, site: Site) -> None:
    mine = site.folder / "many"
    mine.mkdir()
    for number in range(3500):
        (mine / f"{number}.txt").write_text("A USER")
    script = "ls in | wc -l > o.txt; for f in in/*; do printf THEIRS > $f; done 2> e.txt; true".replace("$", "\\$")
    listing: Any = {
        "class": "InitialWorkDirRequirement",
        "listing": "${return inputs.x.map(function(f) {return {entry: f, entryname: 'in/' + f.basename}})}",
    }
    document = tool(
        script, output("File", "o.txt"), listing, {"class": "InlineJavascriptRequirement"}, inputs={"x": "File[]"}
    )
    files = [{"class": "File", "location": path.as_uri()} for path in sorted(mine.iterdir())]
    given: Any = {"x": files}
    assert run_here(site, document, given, sandbox=sandbox) is None
    assert next(site.results.rglob("o.txt")).read_text().strip() == "3500"
    assert {path.read_text() for path in mine.iterdir()} == {"A USER"}
