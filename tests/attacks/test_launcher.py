"""An isolated launcher that runs foreign code, as if a package had taken it over: it reaches no network."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.attacks.hostile import CANARY, Document, Host, output, tool
from tests.site import Site
from zoo_runner.engines.cwl_process import container_client, javascript_process
from zoo_runner.engines.cwl_process.container_programs import REFUSED, find_foreign, find_refusal, serve
from zoo_runner.engines.cwl_process.resources import Machine
from zoo_runner.engines.cwl_process.supervised import Supervised
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.local.control import Control
from zoo_runner.engines.local.run import PreparedJob, Run
from zoo_runner.engines.pipeline import Staged
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError

FILTER = filter_launcher(os.uname().machine)
needs_filter = pytest.mark.skipif(not FILTER, reason="calls are filtered on two machines")
PREPARED = f"""
import ctypes, os, runpy, socket, subprocess, sys
runpy.run_path({javascript_process.__file__!r})['filter_calls']({FILTER!r})
libc = ctypes.CDLL(None, use_errno=True)
page = ctypes.create_string_buffer(4096)
def call(number, *arguments):
    found = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if found < 0 and ctypes.get_errno() == 1:
        raise PermissionError
    print('reached', found, ctypes.get_errno())
"""
TRYING = {
    "a connection": "socket.create_connection(('127.0.0.1', PORT), 5).sendall(b'reached')",
    "a connection by IPv6": "socket.create_connection(('::1', PORT), 5).sendall(b'reached')",
    "a request": "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:PORT/').read())",
    "a name": "print(socket.getaddrinfo('example.org', 80, family=socket.AF_INET)); socket.socket()",
    "a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'reached', ('127.0.0.1', PORT))",
    "a server": "socket.create_server(('127.0.0.1', 0))",
    "packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "the hypervisor": "socket.socket(40, socket.SOCK_STREAM)",
    "a program": "print(subprocess.run([sys.executable, '-c', 'import socket; socket.create_connection((\"127.0.0.1\","
    " PORT), 5).sendall(b\"reached\")'], capture_output=True, text=True).returncode == 0 or ''); raise PermissionError",
}
TRYING_CALLS = {
    "a ring": "call(425, 8, page)",
    "tracing its parent": "call(101, 16, os.getppid(), 0, 0)",
    "memory of its parent": "call(310, os.getppid(), page, 1, page, 1, 0)",
    "writing its parent's memory": "call(311, os.getppid(), page, 1, page, 1, 0)",
    "descriptors of its parent": "call(438, os.pidfd_open(os.getppid()), 0, 0)",
}


def run_filtered(code: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-I", "-c", PREPARED + code]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@needs_filter
@pytest.mark.parametrize("name", TRYING)
def test_a_launcher_reaches_no_network(name: str, host: Host) -> None:
    done = run_filtered(TRYING[name].replace("PORT", str(host.port)))
    assert any(word in done.stderr for word in ("PermissionError", "not permitted", "gaierror"))
    assert CANARY not in done.stdout
    assert host.contacts == []


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of calls are those of x86-64")
@pytest.mark.parametrize("name", TRYING_CALLS)
def test_a_launcher_uses_no_other_process_of_its_user(name: str) -> None:
    done = run_filtered(TRYING_CALLS[name])
    assert done.stdout == ""
    assert "PermissionError" in done.stderr


@needs_filter
def test_a_launcher_still_talks_to_programs_of_its_machine() -> None:
    assert run_filtered("a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))").stdout == "b'x'\n"


FIRST = ["run", "-i", "--conmon-pidfile=/s/monitors/1", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
FIRST += ["--pids-limit=4096", "--pull=never"]
OFFLINE = [
    *FIRST,
    "--mount=type=bind,source=/s/out/1,target=/work",
    "--workdir=/work",
    "--read-only=true",
    "--net=none",
]
HONEST = [*OFFLINE, "--log-driver=none", "--user=0:0", "--rm", "--cidfile=/s/cids/1", "--env=HOME=/work"]
STEP = ["docker.io/library/debian:bookworm-slim", "sh", "-c", "true", "--net=host"]
ASKING: dict[str, list[str]] = {
    "nothing": [],
    "another image from the network": ["pull", "image"],
    "a program in a container": ["exec", "container", "sh"],
    "a container that is there": ["start", "container"],
    "a build": ["build", "http://127.0.0.1/"],
    "a login": ["login", "registry"],
    "an upload": ["push", "image"],
    "an option before": ["--url=tcp://127.0.0.1", *HONEST, *STEP],
    "an option of what is shown": ["inspect", "--format={{.}}"],
    "the network of the machine": [*HONEST, "--net=host", *STEP],
    "the network by another name": [*HONEST, "--network=host", *STEP],
    "the network of a container": [*HONEST, "--net=container:1", *STEP],
    "the network in two words": [*HONEST, "--net", "host", *STEP],
    "the network without words": [*FIRST, "--rm", *STEP],
    "a port": [*HONEST, "--publish=80:80", *STEP],
    "a host's name": [*HONEST, "--add-host=a:127.0.0.1", *STEP],
    "a pod": [*HONEST, "--pod=other", *STEP],
    "a pull": [*HONEST, "--pull=always", *STEP],
    "privileges": [*HONEST, "--privileged", *STEP],
    "privileges as a value": [*HONEST, "--privileged=true", *STEP],
    "a capability": [*HONEST, "--cap-add=NET_ADMIN", *STEP],
    "no filter of calls": [*HONEST, "--security-opt=seccomp=unconfined", *STEP],
    "a device": [*HONEST, "--device=/dev/net/tun", *STEP],
    "processes of the machine": [*HONEST, "--pid=host", *STEP],
    "its users": [*HONEST, "--userns=host", *STEP],
    "a volume of the runtime": [*HONEST, "--mount=type=volume,source=other,target=/x", *STEP],
    "a volume": [*HONEST, "--volume=/:/host", *STEP],
    "a short volume": [*HONEST, "-v/:/host", *STEP],
    "variables of a file": [*HONEST, "--env-file=/etc/passwd", *STEP],
    "all variables": [*HONEST, "--env", "HOME", *STEP],
    "a hook": [*HONEST, "--hooks-dir=/tmp", *STEP],
    "another runtime": [*HONEST, "--runtime=/tmp/evil", *STEP],
    "a step that keeps its capabilities": [word for word in (*HONEST, *STEP) if word != "--cap-drop=ALL"],
    "a step that pulls": [word for word in (*HONEST, *STEP) if word != "--pull=never"],
}


@pytest.mark.parametrize("name", ASKING)
def test_the_supervisor_starts_nothing_but_steps(name: str) -> None:
    assert find_refusal(ASKING[name], has_network=False)


def test_the_supervisor_starts_steps() -> None:
    assert find_refusal([*HONEST, *STEP], has_network=False) is None
    assert find_refusal([*HONEST, "--userns=keep-id", *STEP], has_network=False) is None
    online = [word for word in (*HONEST, *STEP) if word != "--net=none"]
    assert find_refusal(online, has_network=True) is None
    assert find_refusal(["inspect", "debian:bookworm-slim"], has_network=False) is None
    assert find_refusal(["kill", "0a1b"], has_network=False) is None


MOUNTING = {
    "the machine": "type=bind,source=/,target=/x,readonly",
    "passwords": "type=bind,source=/etc/shadow,target=/x,readonly",
    "the home of root": "type=bind,source=/root,target=/x,readonly",
    "a socket of docker": "type=bind,source=/var/run/docker.sock,target=/x",
    "all of its scratch": "type=bind,source=SCRATCH,target=/x",
    "the socket of the supervisor": "type=bind,source=SCRATCH/programs,target=/x",
    "the folder of another job": "type=bind,source=SCRATCH-2/out,target=/x",
    "a step up": "type=bind,source=SCRATCH/out/../../secret,target=/x",
    "a link": "type=bind,source=SCRATCH/out/link,target=/x",
    "below a link": "type=bind,source=SCRATCH/out/link/etc,target=/x",
    "an input that may be written": "type=bind,source=GIVEN,target=/x",
    "a neighbour of an input": "type=bind,source=GIVEN-2,target=/x,readonly",
    "the folder of an input": "type=bind,source=GIVEN/..,target=/x,readonly",
    "two sources": "type=bind,source=SCRATCH/out,target=/x,source=/etc",
    "a source by another name": "type=bind,source=SCRATCH/out,src=/etc",
    "a source in quotes": 'type=bind,"source=/etc",target=/x',
    "a source without a place": "type=bind,source=etc,target=/x",
    "mounts that come back": "type=bind,source=SCRATCH/out,target=/x,bind-propagation=shared",
    "a file system in memory": "type=tmpfs,target=/x,tmpfs-size=1",
    "an image": "type=image,source=other,target=/x",
    "a line break without quotes": "type=bind,source=GIVEN/a\nb,target=/c,readonly",
    "a line break that podman reads in another way": 'type=bind,"source=GIVEN/a\r\nb",target=/c,readonly',
}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """The folder of a job, where a step left a link to the machine, and an input elsewhere."""
    scratch, given = tmp_path / "job", tmp_path / "given"
    for folder in (scratch / "out", scratch / "cids", scratch / "monitors", given):
        folder.mkdir(parents=True)
    (scratch / "out" / "link").symlink_to("/")
    return str(scratch), str(given)


@pytest.mark.parametrize("name", MOUNTING)
def test_the_supervisor_mounts_nothing_but_files_of_the_job(name: str, folders: tuple[str, str]) -> None:
    scratch, given = folders
    mount = MOUNTING[name].replace("SCRATCH", scratch).replace("GIVEN", given)
    assert find_foreign(["run", f"--mount={mount}", *STEP], scratch, [given])


@pytest.mark.parametrize(
    "option", ["--cidfile=/etc/cron.d/x", "--conmon-pidfile=SCRATCH/cids/x", "--cidfile=SCRATCH/x"]
)
def test_the_supervisor_has_nothing_written_elsewhere(option: str, folders: tuple[str, str]) -> None:
    scratch, _ = folders
    assert find_foreign(["run", option.replace("SCRATCH", scratch), *STEP], scratch, [])


def test_the_supervisor_mounts_files_of_the_job(folders: tuple[str, str]) -> None:
    scratch, given = folders
    mounts = [f"source={scratch}/out/a,target=/a", f"source={given}/b,target=/b,readonly"]
    words = [*(f"--mount=type=bind,{mount}" for mount in mounts), f"--cidfile={scratch}/cids/1", *STEP]
    assert find_foreign(["run", *words], scratch, [given]) is None


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A program in place of podman, which runs what comes after the image; the supervisor's part listens."""
    program = tmp_path / "runtime"
    program.write_text('#!/bin/sh\nwhile [ "$1" != IMAGE ]; do shift; done\nshift\nexec "$@"\n')
    program.chmod(0o700)
    order: Document = {"runtime": str(program), "env": {"SEEN": "its own"}, "network": False, "readable": []}
    serve(str(tmp_path), order, lambda _: None)
    return tmp_path


def honest(scratch: Path) -> list[str]:
    """Return the words of an honest step of the job in this folder."""
    return [word.replace("/s/", f"{scratch}/") for word in HONEST]


def ask(scratch: Path, words: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-I", "-S", container_client.__file__, str(scratch), *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_program_has_the_streams_of_its_client_and_its_exit_code(runtime: Path) -> None:
    with ask(runtime, [*honest(runtime), "IMAGE", "sh", "-c", "cat; echo $SEEN >&2; pwd; exit 7"]) as process:
        printed, complaints = process.communicate("given\n")
    assert (process.returncode, printed, complaints) == (7, f"given\n{runtime}\n", "its own\n")


def test_a_refused_request_ends_without_a_program(runtime: Path) -> None:
    with ask(runtime, [*honest(runtime), "--net=host", "IMAGE", "touch", str(runtime / "reached")]) as process:
        process.communicate()
    assert process.returncode == REFUSED
    assert not (runtime / "reached").exists()


def test_a_mount_of_the_machine_ends_without_a_program(runtime: Path) -> None:
    foreign = "--mount=type=bind,source=/etc/shadow,target=/x,readonly"
    with ask(runtime, [*honest(runtime), foreign, "IMAGE", "touch", str(runtime / "reached")]) as process:
        process.communicate()
    assert process.returncode == REFUSED
    assert not (runtime / "reached").exists()


# in place of the launcher: it asks, ignores that it is to end, and claims that all went well
TAKEN_OVER = f"""
import json, os, signal, socket, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
scratch = json.loads(sys.stdin.readline())["scratch"]
open("outputs.json", "w").write("{{}}")
subprocess.run([sys.executable, "-I", "-S", {container_client.__file__!r}, scratch, *sys.argv[1:]])
open("reached", "w").close()
for _ in range(1000):
    print("refused: nothing", file=sys.stderr)
"""
FORBIDDEN = {
    "a mount of the machine": [*FIRST, "--mount=type=bind,source=/etc/shadow,target=/x", "--net=none", *STEP],
    "the network": [*FIRST, "--mount=type=bind,source=SCRATCH/out,target=/x", "--net=host", *STEP],
    "another image": ["pull", "image"],
    "nothing": [],
    "lines": [*OFFLINE, "--privileged\nrefused: a\n", *STEP],
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_request_ends_the_job_and_is_reported(name: str, site: Site) -> None:
    isolated = site.having(ZOO_RUNNER_ISOLATION="isolated", ZOO_RUNNER_CONTAINERS="podman")
    (site.folder / "package.cwl").write_text(json.dumps(tool("true", output("File", "o.txt"))))
    job = isolated.accept(site.folder / "package.cwl")
    scratch = job.paths.scratch
    (scratch / "out").mkdir(parents=True)
    words = [word.replace("SCRATCH", str(scratch)) for word in FORBIDDEN[name]]
    order: Document = {"command": [sys.executable, "-I", "-c", TAKEN_OVER, *words], "env": {}, "cwd": str(scratch)}
    order |= {"cid_folder": None, "remover": [], "waits": True}
    prepared = PreparedJob(job, "podman", Machine(1, 1024, 1024), Control(scratch))
    with closing(prepared.control), Supervised(order, sys.executable) as launcher:
        run = Run(prepared, isolated.settings, launcher, lambda _: None, Cancellation())
        with pytest.raises(RunnerError) as ended:
            run.execute(Staged({}, job.package.document))
    assert ended.value.diagnosis.code == "engine.refused-request"
    assert not ended.value.diagnosis.cause.endswith(": nothing")
    assert not (scratch / "reached").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_is_asked_to_end_with_its_client(number: int, runtime: Path) -> None:
    script = f"trap 'echo ended; : > {runtime}/ended; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with ask(runtime, [*honest(runtime), "IMAGE", "sh", "-c", script]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
    assert process.returncode == (3 if number == signal.SIGTERM else -number)


@needs_filter
@pytest.mark.parametrize(("asks", "filters"), [(False, 2), (True, 1)])
@pytest.mark.usefixtures("sandbox")
def test_a_launcher_gives_up_the_network_but_for_a_sandbox_that_has_it(asks: bool, filters: int, site: Site) -> None:
    asking = [{"class": "NetworkAccess", "networkAccess": True}] if asks else []
    package = site.folder / "seen.cwl"
    package.write_text(json.dumps(tool("cat /proc/self/status > o.txt", output("File", "o.txt"), *asking)))
    variables = {"ZOO_RUNNER_CONTAINERS": "sandbox", "ZOO_RUNNER_ISOLATION": "isolated"}
    isolated = site.having(**variables, ZOO_RUNNER_SANDBOX_NETWORK="asked", PATH=os.defpath)
    done = isolated.command("run", package, "-o", site.results)
    assert done.returncode == 0, done.stderr
    status = (site.results / "o" / "o.txt").read_text()
    # what a step inherits, and its own
    assert re.findall(r"^Seccomp_filters:\s+(\d+)", status, re.MULTILINE) == [str(filters)]
