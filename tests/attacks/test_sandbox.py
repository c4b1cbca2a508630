"""Steps in a sandbox that try to reach the host, other processes or the network."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import CANARY, KEYS, Document, Host, find_canary, output, run_here, tool
from tests.features import FEATURES, WORKING, run_package, show
from tests.site import Site
from zoo_runner.engines.local.sandbox import Sandbox

# each prints what it could get at
REACHING = {
    "secret": "cat SECRET",
    "secret by a link": "ln -s SECRET l; cat l",
    "secret by steps up": "cat ../../../../../../..SECRET",
    "secret by another root": "cat /proc/1/rootSECRET /proc/*/rootSECRET",
    "secret by another folder": "cat /proc/1/cwdSECRET",
    "the environment of processes": "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep canary",
    "processes of the host": "ls -d /proc/[0-9]* | wc -l | grep -vE '^[1-9]$'",
    "users of the host": "cat /etc/passwd /etc/shadow | grep root",
    "the keys of the host": f"cat /etc/ssh/* {KEYS}/* /etc/ssl/private/* | grep .",
    "homes": "find /home /root -maxdepth 1 -mindepth 1 | grep .",
    "records of jobs": "find / -name 'job.json' -not -path '/proc/*' | grep .",
    "sockets of servers": "find /run /var -type s | grep .",
    "devices": "ls /dev | grep -E '^(sd|vd|nvme|mem|kmsg|kvm|fuse)'",
    "memory of the kernel": "head -c 1 /proc/kcore | grep .",
    "parameters of kernels": ": >> /proc/sys/kernel/core_pattern && echo reached",
    "the machine's switch": ": >> /proc/sysrq-trigger && echo reached",
    "programs of the host, to change them": "echo canary > /usr/bin/true && echo reached",
    "files beside programs": "touch /usr/planted /etc/planted && echo reached",
    "mounts": "mount -t tmpfs none /mnt && echo reached",
    "a namespace with permissions": "unshare --user --map-root-user mount -t tmpfs none /tmp && echo reached",
    "another root": "unshare --user --map-root-user chroot /proc/1/root cat SECRET",
    "capabilities": "grep -E '^Cap(Prm|Eff|Bnd):' /proc/self/status | grep -v 0000000000000000",
    "new permissions": "grep NoNewPrivs /proc/self/status | grep 0",
    "a listener on the host": "python3 -c \"import socket; s = socket.create_connection(('127.0.0.1', PORT), 5);"
    " s.sendall(b'reached'); print(s.recv(99))\"",
    "a listener by a shell": "bash -c 'echo reached > /dev/tcp/127.0.0.1/PORT && echo reached'",
    "the metadata of a cloud": "bash -c 'echo > /dev/tcp/169.254.169.254/80 && echo reached'",
    "names": "getent hosts localhost.localdomain example.org",
    "interfaces": "cat /proc/net/dev | grep -v lo: | grep :",
    "abstract sockets": "cat /proc/net/unix | grep @",
    "messages of others": "ipcs -a | grep -E '^0x'",
    "a user with permissions": "su root -c 'cat SECRET'",
    "the launcher's own files": "cat ../../package.json ../../run.json ../../order.json",
    "other steps' folders": "ls -d ../../out/*/* ../../copies ../../tmp/*/* | grep -vE '[oe].txt' | grep .",
}


def gives(script: str) -> Document:
    """A tool that gives what a script printed, whatever came of it."""
    return tool(f"( {script} ) > o.txt 2> e.txt; true", output("File", "o.txt"))


@pytest.mark.parametrize("name", REACHING)
def test_a_step_in_a_sandbox_gets_at_nothing_of_the_host(name: str, sandbox: Sandbox, site: Site, host: Host) -> None:
    before = host.read()
    script = REACHING[name].replace("SECRET", str(host.secret)).replace("PORT", str(host.port))
    assert run_here(site, gives(script), sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == ""
    assert host.contacts == []
    assert host.read() == before
    assert [path for path in find_canary(site.folder / "results")] == []


CONNECTING = "python3 -c \"import socket; socket.create_connection(('127.0.0.1', PORT), 5).sendall(b'reached')\""
ASKING = {"class": "NetworkAccess", "networkAccess": True}


@pytest.mark.parametrize(
    ("changes", "requirements", "connects"),
    [({}, [ASKING], True), ({}, [], False), ({"cwlVersion": "v1.0"}, [], False), ({"cwlVersion": "v1.1"}, [], False)],
)
def test_a_step_has_the_network_only_if_its_package_asked_itself(
    changes: Document, requirements: list[Document], connects: bool, sandbox: Sandbox, site: Site, host: Host
) -> None:
    script = f"( {CONNECTING.replace('PORT', str(host.port))} ) 2> e.txt; true > o.txt"
    document = {**tool(script, output("File", "o.txt"), *requirements), **changes}
    assert run_here(site, document, sandbox=replace(sandbox, has_network=True)) is None
    assert bool(host.contacts) == connects


def test_a_folder_that_the_package_writes_out_can_be_updated_in_place(sandbox: Sandbox, site: Site) -> None:
    file = {"class": "File", "basename": "o.txt", "contents": "old\n"}
    folder = {"class": "Directory", "basename": "made", "listing": [file]}
    entry = {"entry": f"${{return {json.dumps(folder)};}}", "writable": True}
    made: Document = {"class": "InitialWorkDirRequirement", "listing": [entry]}
    updating: Document = {"class": "InplaceUpdateRequirement", "inplaceUpdate": True}
    document = tool("echo new >> made/o.txt; cp made/o.txt o.txt", output("File", "o.txt"), made, updating)
    assert run_here(site, document, sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == "old\nnew\n"


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the same user."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("words", ["kill -9 VICTIM", "kill -9 -1", "pkill -9 python", "kill -STOP PARENT"])
def test_a_step_in_a_sandbox_ends_no_other_process(
    words: str, sandbox: Sandbox, site: Site, victim: "subprocess.Popen[bytes]"
) -> None:
    script = words.replace("VICTIM", str(victim.pid)).replace("PARENT", str(os.getpid()))
    run_here(site, gives(script), sandbox=sandbox)
    assert victim.poll() is None


VARIABLES = {
    "a library": {"LD_PRELOAD": "$(runtime.outdir)/evil.so", "LD_LIBRARY_PATH": "/planted"},
    "a path": {"PATH": "/planted:/usr/bin:/bin"},
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_of_a_package_do_not_reach_the_program_that_makes_the_sandbox(
    name: str, sandbox: Sandbox, site: Site
) -> None:
    env = {"class": "EnvVarRequirement", "envDef": VARIABLES[name]}
    shown = tool("tr '\\0' '\\n' < /proc/1/environ > o.txt; env >> e.txt", output("File", "o.txt"), env)
    assert run_here(site, shown, sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text().strip() == ""


def test_a_package_sets_the_path_in_a_sandbox_as_in_a_container_but_not_the_folders(
    sandbox: Sandbox, site: Site
) -> None:
    given = {"PATH": "/usr/local/none:/usr/bin:/bin", "HOME": "/root", "TMPDIR": "/var/tmp"}
    env = {"class": "EnvVarRequirement", "envDef": given}
    script = 'test "$HOME" = $(runtime.outdir) && test "$TMPDIR" = $(runtime.tmpdir) && echo "$PATH" > o.txt'
    assert run_here(site, tool(script, output("File", "o.txt"), env), sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text().strip() == given["PATH"]


def test_an_input_can_be_read_and_not_changed(sandbox: Sandbox, site: Site) -> None:
    (site.folder / "x.txt").write_text("mine")
    document = tool(
        'cat $0 > o.txt; echo changed > "$0"; rm -f "$0"; chmod 777 "$0"; true',
        output("File", "o.txt"),
        inputs={"x": {"type": "File", "inputBinding": {"position": 1}}},
    )
    given: Any = {"x": {"class": "File", "location": (site.folder / "x.txt").as_uri()}}
    assert run_here(site, document, given, sandbox=sandbox) is None
    assert (site.results / "o" / "o.txt").read_text() == "mine"
    assert (site.folder / "x.txt").read_text() == "mine"


def test_what_a_step_left_running_ends_with_it(sandbox: Sandbox, site: Site) -> None:
    mark = "31.2718281"
    assert (
        run_here(site, gives(f"setsid sh -c 'sleep {mark} & sleep {mark}' > /dev/null 2>&1 &"), sandbox=sandbox) is None
    )
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in read_bytes(path)]
    assert running == []


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_the_end_of_a_step_by_a_signal_is_reported_as_such(sandbox: Sandbox, site: Site) -> None:
    error = run_here(site, tool("kill -9 $$", output("File", "o.txt")), sandbox=sandbox)
    assert error is not None
    assert error.diagnosis.step
    assert str(int(signal.SIGKILL)) in error.diagnosis.cause or "killed" in error.diagnosis.cause


@pytest.mark.parametrize("name", WORKING)
def test_an_honest_package_notices_nothing(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    done = run_package(
        name, tmp_path, ZOO_RUNNER_CONTAINERS="sandbox", ZOO_RUNNER_ISOLATION="isolated", PATH=os.defpath
    )
    assert done.diagnosis is None
    assert done.complaints == []
    assert show(done.document) == json.loads((FEATURES / name / "expected.json").read_text())


def test_the_canary_is_found_where_there_is_no_sandbox(site: Site, host: Host) -> None:
    assert run_here(site, gives(f"cat {host.secret}")) is None
    assert CANARY in (site.results / "o" / "o.txt").read_text()
