"""An isolated launcher that runs foreign code, as if a package had taken it over: it reaches no network."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import CANARY, Document, Host, output, tool
from tests.site import Site
from zoo_runner.engines.cwl_process import javascript_process, step_client
from zoo_runner.engines.cwl_process.container_programs import ContainerFrame, find_foreign, find_refusal
from zoo_runner.engines.cwl_process.job_places import JobPlaces
from zoo_runner.engines.cwl_process.resources import Machine
from zoo_runner.engines.cwl_process.sandbox_programs import RefusedError, opened_mounts, read_step, start
from zoo_runner.engines.cwl_process.step_server import REFUSED, StepServer
from zoo_runner.engines.cwl_process.supervised import Supervised
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.local.control import Control
from zoo_runner.engines.local.given import PrivateFolders
from zoo_runner.engines.local.run import PreparedJob, Run
from zoo_runner.engines.local.sandbox import Sandbox
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


FIRST = ["run", "-i", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=4096", "--pull=never"]
OFFLINE = [
    *FIRST,
    "--mount=type=bind,source=/s/out/1,target=/work",
    "--workdir=/work",
    "--read-only=true",
    "--net=none",
]
HONEST = [*OFFLINE, "--log-driver=none", "--user=0:0", "--rm", "--env=HOME=/work"]
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
    "any number of processes": [*HONEST, "--pids-limit=-1", *STEP],
    "no limit of processes": [word for word in (*HONEST, *STEP) if word != "--pids-limit=4096"],
    "the end of somebody's container": ["kill", "postgres"],
    "the end of a container by its id": ["kill", "0a1b" * 16],
    "the end of a container in good time": ["stop", "postgres"],
    "a container that waits": ["pause", "0a1b" * 16],
    "a container that is removed": ["rm", "--force", "0a1b" * 16],
    "two containers": ["inspect", "debian", "postgres"],
    "another name": [*HONEST, "--name=postgres", *STEP],
    "the place of a container": [*HONEST, "--replace=true", *STEP],
    "a file with the id of its container": [*HONEST, "--cidfile=/s/cids/1", *STEP],
    "its own streams, which may be folders": [*OFFLINE, "--log-driver=passthrough", "--user=0:0", "--rm", *STEP],
    "a report of its start": [*HONEST, "--sdnotify=container", *STEP],
    "a file with the process id of its monitor": [*HONEST, "--conmon-pidfile=/s/monitors/1", *STEP],
    "an archive as an image": [*HONEST, "docker-archive:/home/user/x.tar", "sh"],
    "a folder as an image": [*HONEST, "dir:/home/user/x", "sh"],
    "what an archive has": ["inspect", "docker-archive:/home/user/x.tar"],
    "no image": HONEST,
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
    for folder in (scratch / "out" / "1", scratch / "inputs", given):
        folder.mkdir(parents=True)
    (scratch / "out" / "1" / "kept").write_text("")
    (scratch / "out" / "link").symlink_to("/")
    (scratch / "out" / "own").symlink_to("1")
    (scratch.parent / "job-2").mkdir()
    (scratch.parent / "secret").mkdir()
    (scratch / "programs").touch()
    return str(scratch), str(given)


@pytest.mark.parametrize("name", MOUNTING)
def test_the_supervisor_mounts_nothing_but_files_of_the_job(name: str, folders: tuple[str, str]) -> None:
    scratch, given = folders
    mount = MOUNTING[name].replace("SCRATCH", scratch).replace("GIVEN", given)
    assert find_foreign(["run", f"--mount={mount}", *STEP], JobPlaces(scratch, [given]))


def test_the_supervisor_mounts_files_of_the_job(folders: tuple[str, str]) -> None:
    scratch, given = folders
    mounts = [f"source={scratch}/out/a,target=/a", f"source={given}/b,target=/b,readonly"]
    words = [*(f"--mount=type=bind,{mount}" for mount in mounts), *STEP]
    assert find_foreign(["run", *words], JobPlaces(scratch, [given])) is None


PLAIN: Document = {
    "writable": ["SCRATCH/out/1"],
    "readable": ["SCRATCH/inputs", "SCRATCH/out/1/kept"],
    "variables": {"A": "b"},
    "asks_network": False,
    "memory_mib": 64,
    "command": ["true"],
}
SANDBOXES: dict[str, Any] = {
    "no fields": [],
    "a field of its own": {**PLAIN, "program": "/tmp/evil"},
    "options of bubblewrap": {**PLAIN, "words": ["--bind", "/", "/"]},
    "a field too few": {name: value for name, value in PLAIN.items() if name != "memory_mib"},
    "no folder": {**PLAIN, "writable": []},
    "no command": {**PLAIN, "command": []},
    "a word as a command": {**PLAIN, "command": "true"},
    "an option in a variable": {**PLAIN, "variables": {"A": "b\0--bind\0/\0/host"}},
    "an option in a name": {**PLAIN, "variables": {"A\0b\0--bind\0/\0/host": ""}},
    "an option in a folder": {**PLAIN, "readable": ["SCRATCH/inputs\0--bind\0/\0/host"]},
    "a number as a variable": {**PLAIN, "variables": {"A": 1}},
    "variables in a list": {**PLAIN, "variables": ["A"]},
    "a network by another name": {**PLAIN, "asks_network": "host"},
    "memory without a limit": {**PLAIN, "memory_mib": 0},
    "memory by words": {**PLAIN, "memory_mib": "64"},
    "the machine": {**PLAIN, "readable": ["/"]},
    "passwords": {**PLAIN, "readable": ["/etc/shadow"]},
    "the machine to write to": {**PLAIN, "writable": ["SCRATCH/out/1", "/"]},
    "all of its scratch": {**PLAIN, "writable": ["SCRATCH"]},
    "its scratch to read": {**PLAIN, "readable": ["SCRATCH"]},
    "the socket of the supervisor": {**PLAIN, "readable": ["SCRATCH/programs"]},
    "the folder of another job": {**PLAIN, "readable": ["SCRATCH-2"]},
    "a step up": {**PLAIN, "readable": ["SCRATCH/out/../../secret"]},
    "a step up and back": {**PLAIN, "readable": ["SCRATCH/out/1/../1/kept"]},
    "a link": {**PLAIN, "readable": ["SCRATCH/out/link"]},
    "below a link": {**PLAIN, "readable": ["SCRATCH/out/link/etc"]},
    "a link to its own folder": {**PLAIN, "readable": ["SCRATCH/out/own"]},
    "a target behind a link": {**PLAIN, "readable": ["SCRATCH/out/own/kept"]},
    "a link to write to": {**PLAIN, "writable": ["SCRATCH/out/1", "SCRATCH/out/link"]},
    "an input to write to": {**PLAIN, "writable": ["SCRATCH/out/1", "GIVEN"]},
}


def fill(value: Any, scratch: str, given: str) -> Any:
    return json.loads(json.dumps(value).replace("SCRATCH", scratch).replace("GIVEN", given))


@pytest.mark.parametrize("name", SANDBOXES)
def test_the_supervisor_makes_no_sandbox_but_for_a_step_of_the_job(name: str, folders: tuple[str, str]) -> None:
    scratch, given = folders
    with pytest.raises(RefusedError):
        open_all(fill(SANDBOXES[name], scratch, given), scratch, given)


def open_all(value: Any, scratch: str, given: str) -> list[tuple[str, bool]]:
    with opened_mounts(read_step(value), scratch, JobPlaces(scratch, [given])) as mounts:
        return [(mount.target, mount.writable) for mount in mounts]


def test_the_supervisor_makes_a_sandbox_for_a_step_of_the_job(folders: tuple[str, str]) -> None:
    scratch, given = folders
    found = open_all(fill({**PLAIN, "readable": [*PLAIN["readable"], "GIVEN"]}, scratch, given), scratch, given)
    assert found == [
        (f"{scratch}/out/1", True),
        (f"{scratch}/inputs", False),
        (f"{scratch}/out/1/kept", False),
        (given, False),
    ]


def test_what_is_put_in_the_place_of_a_folder_is_not_mounted(folders: tuple[str, str], sandbox: Sandbox) -> None:
    scratch, given = folders
    step = read_step(fill({**PLAIN, "command": ["touch", "SCRATCH/out/1/reached"]}, scratch, given))
    frame = sandbox.build_frame("job", 64, network=False)
    with opened_mounts(step, scratch, JobPlaces(scratch, [given])) as mounts:
        (Path(scratch) / "out" / "1").rename(Path(scratch) / "out" / "2")
        (Path(scratch) / "out" / "1").symlink_to(given)
        with start(frame, step, mounts, [], (subprocess.DEVNULL,) * 3) as process:
            process.wait(60)
    assert list(Path(given).iterdir()) == []


def test_a_step_gets_no_more_memory_than_its_machine_has(runtime: Path, sandbox: Sandbox) -> None:
    (runtime / "job" / "out").mkdir(parents=True)
    frame = asdict(sandbox.build_frame("job", 64, network=False))
    StepServer(str(runtime / "job"), {"containers": None, "sandbox": frame, "readable": []}, lambda _: None).listen()
    asked = {**PLAIN, "writable": [str(runtime / "job" / "out")], "readable": [], "memory_mib": 1 << 20}
    (runtime / "step").write_text(json.dumps({name: value for name, value in asked.items() if name != "command"}))
    words = ["sandbox", str(runtime / "step"), "sh", "-c", "df -k /tmp | tail -1"]
    client = [sys.executable, "-I", "-S", step_client.__file__, str(runtime / "job"), *words]
    done = subprocess.run(client, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout.split()[1]) == 64 << 10 >> 2
    assert json.loads((runtime / "step").read_text())["used"]["cpu_seconds"] > 0


# in place of podman: notes its words, runs what comes after the image, and kills what it ran under a name
RUNTIME = """#!/bin/sh
echo "$@" >> FOLDER/asked
case "$1" in
  run)
    echo $$ > "FOLDER/${2#--name=}"
    while [ "$1" != image ]; do shift; done
    shift
    exec "$@";;
  kill) kill -9 "$(cat "FOLDER/$2")";;
esac
"""


def allow_containers(folder: Path) -> Document:
    """Return what the supervisor needs to start containers with the program in the place of podman."""
    program = folder / "runtime"
    program.write_text(RUNTIME.replace("FOLDER", str(folder)))
    program.chmod(0o700)
    variables = {"SEEN": "its own", "PATH": os.defpath}
    frame = ContainerFrame(str(program), variables, network=False, prefix="job-1-", monitors=None)
    return {"containers": asdict(frame), "sandbox": None, "readable": []}


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A program in place of podman; the supervisor's part listens."""
    StepServer(str(tmp_path), allow_containers(tmp_path), lambda _: None).listen()
    return tmp_path


def honest(scratch: Path) -> list[str]:
    """Return the words of an honest step of the job in this folder."""
    return [word.replace("/s/", f"{scratch}/") for word in (*HONEST, "--cidfile=/s/cid")]


def ask(scratch: Path, words: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-I", "-S", step_client.__file__, str(scratch), "container", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_program_has_the_streams_of_its_client_and_its_exit_code(runtime: Path) -> None:
    with ask(runtime, [*honest(runtime), "image", "sh", "-c", "cat; echo $SEEN >&2; pwd; exit 7"]) as process:
        printed, complaints = process.communicate("given\n")
    assert (process.returncode, printed, complaints) == (7, "given\n/\n", "its own\n")


def test_a_refused_request_ends_without_a_program(runtime: Path) -> None:
    with ask(runtime, [*honest(runtime), "--net=host", "image", "touch", str(runtime / "reached")]) as process:
        process.communicate()
    assert process.returncode == REFUSED
    assert not (runtime / "reached").exists()


def test_a_mount_of_the_machine_ends_without_a_program(runtime: Path) -> None:
    foreign = "--mount=type=bind,source=/etc/shadow,target=/x,readonly"
    with ask(runtime, [*honest(runtime), foreign, "image", "touch", str(runtime / "reached")]) as process:
        process.communicate()
    assert process.returncode == REFUSED
    assert not (runtime / "reached").exists()


# in place of the launcher: it asks, ignores that it is to end, and claims that all went well
TAKEN_OVER = f"""
import json, os, signal, socket, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
scratch = json.loads(sys.stdin.readline())["scratch"]
open("outputs.json", "w").write("{{}}")
subprocess.run([sys.executable, "-I", "-S", {step_client.__file__!r}, scratch, "container", *sys.argv[1:]])
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
        private = PrivateFolders(isolated.workspace.folders, isolated.settings.cache, None, os.path.realpath)
        run = Run(prepared, isolated.settings, private, launcher, lambda _: None, Cancellation())
        with pytest.raises(RunnerError) as ended:
            run.execute(Staged({}, job.package.document))
    assert ended.value.diagnosis.code == "engine.refused-request"
    assert not ended.value.diagnosis.cause.endswith(": nothing")
    assert not (scratch / "reached").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_is_asked_to_end_with_its_client(number: int, runtime: Path) -> None:
    script = f"trap 'echo ended; : > {runtime}/ended; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with ask(runtime, [*honest(runtime), "image", "sh", "-c", script]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "ended\n"
    assert process.returncode == (3 if number == signal.SIGTERM else -number)


def test_a_launcher_names_no_container(runtime: Path) -> None:
    for _ in range(2):
        with ask(runtime, [*honest(runtime), "image", "true"]) as process:
            process.communicate()
    # by itself, `inspect` shows a container of that name, with its variables
    with ask(runtime, ["inspect", "postgres"]) as process:
        process.communicate()
    first, second, third = (line.split() for line in (runtime / "asked").read_text().splitlines())
    names = {word for words in (first, second) for word in words if word.startswith("--name=")}
    assert len(names) == 2
    assert all(re.fullmatch("--name=job-1-[0-9a-f]{32}", name) for name in names)
    assert third == ["image", "inspect", "postgres"]


def test_a_client_kills_its_own_container_and_no_other(runtime: Path) -> None:
    waits = [*honest(runtime), "image", "sh", "-c", "trap '' TERM; echo ready; read line; echo $line"]
    with ask(runtime, waits) as other, ask(runtime, waits) as process:
        for each in (other, process):
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        process.send_signal(step_client.KILLED_BY)
        assert process.wait(60) == 128 + signal.SIGKILL
        assert other.communicate("still there\n")[0] == "still there\n"
    killed = [line.split()[1:] for line in (runtime / "asked").read_text().splitlines() if line.startswith("kill")]
    assert len(killed) == 1
    assert killed[0][0].startswith("job-1-")


def test_a_container_is_killed_where_its_client_is_gone_and_it_does_not_end(runtime: Path) -> None:
    script = f"trap '' TERM; echo ready; while :; do sleep 0.05; echo > {runtime}/alive; done"
    with ask(runtime, [*honest(runtime), "image", "sh", "-c", script]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        assert process.stdout.readline() == ""


# in place of the launcher: it names containers of others as its own, and what only looks like a name
PLANTING = f"""
import json, os, subprocess, sys
scratch = json.loads(sys.stdin.readline())["scratch"]
os.makedirs(f"{{scratch}}/cids/folder")
open(f"{{scratch}}/cids/one", "w").write("0a1b" * 16)
os.mkfifo(f"{{scratch}}/cids/pipe")
os.symlink("/dev/zero", f"{{scratch}}/cids/device")
words = [sys.executable, "-I", "-S", {step_client.__file__!r}, scratch, "container", *sys.argv[1:]]
subprocess.Popen(words, stdout=subprocess.PIPE).stdout.readline()
"""


def test_the_end_of_a_run_removes_its_containers_and_no_other(tmp_path: Path) -> None:
    words = [*honest(tmp_path), "image", "sh", "-c", "echo ready; exec sleep 100"]
    order: Document = {"command": [sys.executable, "-I", "-c", PLANTING, *words], "env": {}, "cwd": str(tmp_path)}
    job: Document = {"scratch": str(tmp_path), "cid_folder": None, "programs": allow_containers(tmp_path)}
    job["remover"] = [str(tmp_path / "runtime"), "rm", "--force"]
    with Supervised({**order, "cid_folder": None, "remover": [], "waits": True}, sys.executable) as launcher:
        launcher.hand_over(job)
        assert launcher.follow(lambda _: None, Cancellation()) == 0, launcher.complaints
    ran, removed = (line.split() for line in (tmp_path / "asked").read_text().splitlines())
    assert removed == ["rm", "--force", ran[1].removeprefix("--name=")]


LIMITED = """
import json, resource, sys
sys.path[:] = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
from zoo_runner.engines.cwl_process.step_server import StepServer
StepServer(sys.argv[2], json.loads(sys.argv[3]), print).listen()
print("ready", flush=True)
sys.stdin.read()
"""


def test_many_steps_at_once_wait_for_descriptors(tmp_path: Path) -> None:
    words = [*honest(tmp_path), "image", "sh", "-c", "echo done"]
    given = [json.dumps(sys.path), str(tmp_path), json.dumps(allow_containers(tmp_path))]
    command = [sys.executable, "-I", "-c", LIMITED, *given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        asked = [ask(tmp_path, words) for _ in range(40)]
        assert [process.communicate(timeout=60)[0] for process in asked] == ["done\n"] * len(asked)
        server.communicate("")


SENDING = {
    "nothing": (0, b""),
    "no streams": (0, b"x{}\n"),
    "one stream": (1, b"x{}\n"),
    "half a request": (3, b'x{"container": ["ru'),
    "no JSON": (3, b"x]\n"),
    "many levels": (3, b"x" + b"[" * 100_000 + b"\n"),
    "half a character": (3, b'x{"container": ["inspect", "\\ud800"]}\n'),
    "no end": (3, b"x" + b" " * (17 << 20)),
}


@pytest.mark.parametrize("name", SENDING)
def test_whatever_a_launcher_sends_the_supervisor_answers_the_next_request(name: str, runtime: Path) -> None:
    count, sent = SENDING[name]
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.connect(str(runtime / "programs"))
        socket.send_fds(connection, [sent[:1]], [2] * count)
        connection.sendall(sent[1:])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(100)
    with ask(runtime, [*honest(runtime), "image", "echo", "done"]) as process:
        assert process.communicate(timeout=60)[0] == "done\n"


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.usefixtures("sandbox")
def test_a_step_in_a_sandbox_gets_the_network_that_its_launcher_does_not_have(
    asks: bool, site: Site, host: Host
) -> None:
    asking = [{"class": "NetworkAccess", "networkAccess": True}] if asks else []
    script = f"cat /proc/self/status > o.txt; bash -c 'echo > /dev/tcp/127.0.0.1/{host.port}'; true"
    (site.folder / "seen.cwl").write_text(json.dumps(tool(script, output("File", "o.txt"), *asking)))
    variables = {"ZOO_RUNNER_CONTAINERS": "sandbox", "ZOO_RUNNER_ISOLATION": "isolated"}
    isolated = site.having(**variables, ZOO_RUNNER_SANDBOX_NETWORK="asked", PATH=os.defpath)
    done = isolated.command("run", site.folder / "seen.cwl", "-o", site.results)
    assert done.returncode == 0, done.stderr
    assert bool(host.contacts) == asks
    # its own, and none of the launcher's
    status = (site.results / "o" / "o.txt").read_text()
    assert re.findall(r"^Seccomp_filters:\s+(\d+)", status, re.MULTILINE) == ["1"]
