"""Attacks on a job's pods: what is found where a package is evaluated, and in a step. Nothing leaks.

The token of an account is a JSON Web Token: it begins with `eyJhbGciOi`, the start of its header in base64.
"""

import json
import shlex
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import WORKSPACE, find_argo, kubectl
from tests.servers import S3Server
from tests.site import Site, Story
from tests.steps import DEBIAN, WAITS, find_pods, let_go, write_package
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Status

OWN_WORKSPACE = f"{WORKSPACE}-attacks"
NAMESPACE = f"ws-{OWN_WORKSPACE}"

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
CANARY = "canary-of-the-store-4f1d0c"
CANARIES = (CANARY.encode(), b"eyJhbGciOi")
ENGINES = ("calrissian", "argo")
# asks the other container for a step that mounts a Secret, over a connection of its own and over the launcher's
ASK = """
import ctypes, json, os, socket
def ask(connection):
    step = {"serviceAccountName": "zoo-runner-job", "privileged": True, "image": "x", "mounts": []}
    connection.sendall(json.dumps({"step": step, "number": 99}).encode() + b"\\n")
    print("ASKED")
try:
    with socket.socket(socket.AF_UNIX) as own:
        own.connect("/channel/job")
        ask(own)
except OSError as error:
    print("channel:", error)
libc = ctypes.CDLL(None, use_errno=True)
for number in range(3, 40):
    taken = libc.syscall(438, os.pidfd_open(1), number, 0)
    if taken >= 0:
        try:
            ask(socket.socket(fileno=taken))
        except OSError as error:
            print("taken:", error)
"""
PYTHON = "/opt/calrissian/bin/python"
SCRIPTS = {
    "the token": f"cat {TOKEN}; ls -lR /var/run/secrets /run/secrets; find / -name token -path '*serviceaccount*'",
    "the environment of every process": "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'",
    "the files of the job": "ls -la / /job /bundle /channel; cat /job/*.json /bundle/* /tmp/logs/*/*",
    "descriptors of other processes": "for one in /proc/[0-9]*/fd/*; do timeout 1 head -c 2000 $one; done",
    "the API": f"{PYTHON} -c 'import os, ssl, urllib.request as u;"
    'print(u.urlopen("https://" + os.environ["KUBERNETES_SERVICE_HOST"] + "/api/v1/namespaces/kube-system/secrets",'
    "context=ssl._create_unverified_context(), timeout=3).read())'",
}


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


@pytest.fixture(scope="module")
def secret() -> str:
    return CANARY


def write(folder: Path, tool: dict[str, Any]) -> Path:
    path = folder / "attack.cwl"
    own = tool.pop("requirements", [])
    docker = {"class": "DockerRequirement", "dockerPull": DEBIAN}
    requirements = [
        *([] if any(one["class"] == docker["class"] for one in own) else [docker]),
        {"class": "ResourceRequirement", "coresMin": 0.1, "ramMin": 32},
        {"class": "InlineJavascriptRequirement"},
        *own,
    ]
    base = {"class": "CommandLineTool", "id": "attack", "inputs": {}, "stdout": "out.txt"}
    outputs = {"seen": "stdout", **tool.pop("outputs", {})}
    document = {"cwlVersion": "v1.2", **base, "requirements": requirements, "outputs": outputs, **tool}
    path.write_text(json.dumps(document))
    return path


def attack(site: Site, package: Path, s3: S3Server, on: Callable[[Event], None] = lambda _: None) -> Story:
    """Run a hostile package; no byte of what it leaves behind has a canary."""
    story = site.run(site.accept(package, None, destination="s3://results/attacks"), on=on)
    files = [path for folder in (site.folder, s3.folder) for path in folder.rglob("*") if path.is_file()]
    leaked = [str(path) for path in files if any(canary in path.read_bytes() for canary in CANARIES)]
    assert leaked == [], story.log
    assert not any(canary.decode() in str(story.outcome) for canary in CANARIES)
    return story


@pytest.fixture(params=ENGINES)
def attacked(request: pytest.FixtureRequest, site: Site) -> Site:
    if request.param == "argo":
        find_argo()
    return site.having(ZOO_RUNNER_ENGINE=request.param)


class Intruder:
    """Runs scripts in the container that evaluates the package, as an expression that left its interpreter could."""

    def __init__(self, site: Site, scripts: Mapping[str, str]) -> None:
        self._site, self._scripts = site, scripts
        self._threads: list[threading.Thread] = []
        self.seen: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepLines) and not self._threads:
            self._threads.append(threading.Thread(target=self._act))
            self._threads[0].start()

    def _act(self) -> None:
        job, step = (self._find_pod(role) for role in ("job", "step"))
        try:
            for what, script in self._scripts.items():
                words = ("exec", job, "-n", NAMESPACE, "-c", "cwl", "--", "/bin/sh", "-c")
                shown = f"{{ {script}; }} 2>&1 | tr -cd '[:print:]\\n' | head -c 200000; true"
                self.seen[what] = kubectl(self._site, *words, shown)
        finally:
            let_go(self._site, NAMESPACE, step)

    def _find_pod(self, role: str) -> str:
        return find_pods(self._site, NAMESPACE, f"zoo-runner/role={role}")[-1]


def test_whoever_leaves_the_interpreter_finds_no_secret(attacked: Site, s3: S3Server, tmp_path: Path) -> None:
    intruder = Intruder(attacked, SCRIPTS)
    story = attack(attacked, write_package(tmp_path, WAITS), s3, intruder)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert intruder.seen.keys() == SCRIPTS.keys()
    leaked = [what for what, seen in intruder.seen.items() if any(one.decode() in seen for one in CANARIES)]
    assert leaked == [], intruder.seen
    assert "AWS_" not in intruder.seen["the environment of every process"]
    files = intruder.seen["the files of the job"]
    assert not [name for name in ("job.json", "staged.json", "outcome.json", "logs") if f" {name}\n" in files]
    assert "Forbidden" in intruder.seen["the API"] or "Unauthorized" in intruder.seen["the API"]


def test_the_process_that_evaluates_the_package_may_open_no_connection(
    attacked: Site, s3: S3Server, tmp_path: Path
) -> None:
    # on Argo it is a child of Argo's own program
    most = "grep -h Seccomp_filters /proc/[0-9]*/status | sort -n -t: -k2 | tail -n 1"
    intruder = Intruder(attacked, {"its filters": f"{most}; grep -h Seccomp_filters /proc/self/status"})
    story = attack(attacked, write_package(tmp_path, WAITS), s3, intruder)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    # what comes into the container later has only those of the container
    launcher, other = (int(line.partition(":")[2]) for line in intruder.seen["its filters"].splitlines())
    assert launcher > other


def test_whoever_talks_to_the_other_container_gets_no_pod_of_their_own_making(
    attacked: Site, s3: S3Server, tmp_path: Path
) -> None:
    intruder = Intruder(attacked, {"ask": f"{PYTHON} -c {shlex.quote(ASK)}"})
    story = attack(attacked, write_package(tmp_path, WAITS), s3, intruder)
    if story.outcome.diagnosis:
        # the connection of the launcher was taken, and what was asked for on it was refused
        assert story.outcome.diagnosis.code == "engine.refused-request", story.log
    else:
        assert "ASKED" not in intruder.seen["ask"]
    assert "refused" in intruder.seen["ask"]
    pods = [line for line in story.log.splitlines() if " pod " in line and "{" in line]
    assert len(pods) == 1
    assert "zoo-runner-job" not in pods[0]


PACKAGES: dict[str, dict[str, Any]] = {
    "a glob": {"outputs": {"token": {"type": "File?", "outputBinding": {"glob": TOKEN}}}},
    "a glob with steps up": {"outputs": {"token": {"type": "File?", "outputBinding": {"glob": f"../../../..{TOKEN}"}}}},
    "outputEval": {
        "outputs": {
            "token": {
                "type": "File?",
                "outputBinding": {"outputEval": '${ return {"class": "File", "location": "file://' + TOKEN + '"}; }'},
            }
        }
    },
    "a file that is put into the working directory": {
        "requirements": [
            {
                "class": "InitialWorkDirRequirement",
                "listing": '${ return [{"class": "File", "location": "file://' + TOKEN + '", "basename": "token"}]; }',
            }
        ],
        "baseCommand": ["cat", "token"],
    },
    "a link": {
        "baseCommand": ["ln", "-s", TOKEN, "token"],
        "outputs": {"token": {"type": "File?", "outputBinding": {"glob": "token"}}},
    },
    "a link to the environment of process 1": {
        "baseCommand": ["ln", "-s", "/proc/1/environ", "token"],
        "outputs": {"token": {"type": "File?", "outputBinding": {"glob": "token"}}},
    },
    "another output folder": {
        "requirements": [
            {"class": "DockerRequirement", "dockerPull": DEBIAN, "dockerOutputDirectory": "/var/run/secrets"}
        ]
    },
    "variables that the kubelet would replace": {
        "requirements": [
            {"class": "EnvVarRequirement", "envDef": {"A": "$(AWS_SECRET_ACCESS_KEY) (secret-AWS_SECRET_ACCESS_KEY)"}}
        ],
    },
    "hints of Calrissian for its pods": {
        "hints": [
            {"class": "http://calrissian.example#Pod", "serviceAccountName": "zoo-runner-job", "hostNetwork": True}
        ]
    },
}
LOOK = f"env; cat {TOKEN}; ls -R /var/run/secrets /run/secrets; cat /proc/*/environ; grep -rl {CANARY[:6]} /job /tmp"


@pytest.mark.parametrize("what", PACKAGES)
def test_a_package_gets_no_token_and_no_secret_by(what: str, site: Site, s3: S3Server, tmp_path: Path) -> None:
    tool = {
        "baseCommand": ["sh", "-c", f"{{ {LOOK}; }} 2>&1 | tr '\\0' '\\n'"],
        **json.loads(json.dumps(PACKAGES[what])),
    }
    story = attack(site, write(tmp_path, tool), s3)
    assert "AWS_SECRET_ACCESS_KEY=" not in story.log
