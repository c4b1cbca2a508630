"""The restore drill of docs/runbook.md on a real cluster, command by command, with a job that runs all the while."""

import json
import re
import subprocess
from time import monotonic
from typing import Any
from urllib.error import URLError

from tests.live.test_helm_chart import (
    GATE,
    NAME,
    NAMESPACE,
    START_SECONDS,
    Release,
    install,
    open_gate,
    release,
    start_gate,
    wait_for_step,
)
from tests.serving import Server
from tests.values import ROOT
from tests.waiting import wait_for

__all__ = ["release"]
RUNBOOK = ROOT / "docs" / "runbook.md"


def read_commands(heading: str) -> str:
    """The commands of the runbook that follow some words of it."""
    text = RUNBOOK.read_text()
    block = re.search(r"```sh\n(.*?)```", text[text.index(heading) :], re.DOTALL)
    assert block, heading
    return block[1]


def do(release: Release, commands: str, **places: str) -> tuple[str, float]:
    """Do what an operator reads, with the names of this release; return what was said, and how long it took."""
    for name, value in places.items():
        commands = commands.replace(name, value)
    commands = commands.replace("-n zoo-runner", f"-n {NAMESPACE}")
    commands = re.sub(r"(deployment|cronjob)/zoo-runner", rf"\1/{NAME}-zoo-runner", commands)
    begun = monotonic()
    environ = {**release.site.environ, "KUBECONFIG": release.kubeconfig}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * START_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr + release.describe()
    return done.stdout, monotonic() - begun


def ask(server: Server, done: str, running: str) -> dict[str, Any]:
    """What everybody may ask about jobs and processes; of the job that runs, what does not change meanwhile."""
    paths = (f"/jobs/{done}", f"/jobs/{done}/results", f"/jobs/{done}/logs", "/processes", "/processes/gate")
    found = {path: server.request("GET", path).json for path in paths}
    runs = server.request("GET", f"/jobs/{running}").json
    listed = server.request("GET", "/jobs").json["jobs"]
    return {
        **found,
        "running": {name: runs[name] for name in ("status", "processID", "created", "started")},
        "listed": sorted((one["jobID"], one["status"]) for one in listed),
    }


def test_a_database_that_was_lost_is_restored_while_a_job_runs(release: Release) -> None:
    release, server = install(release)
    done, running = start_gate(server), ""
    wait_for_step(release, done)
    open_gate(release, done)
    assert server.wait(done, seconds=START_SECONDS)["status"] == "successful"
    running = start_gate(server)
    wait_for_step(release, running)

    said, backup = do(release, read_commands("**Drill.**"))
    (name,) = set(re.findall(r"/backups/(\S+?)\.zip", said))
    before = ask(server, done, running)
    assert before["running"]["status"] == "running"
    _lose_notes(release)
    _lose_database(release)
    assert not _knows(server, done)

    commands, _, test = read_commands("**Restore.**").partition("zoo-runner system-test")
    assert test, "the last thing that the runbook has is the test of all"
    _, restore = do(release, commands, NAME=name)
    server.wait_ready()
    assert ask(server, done, running) == before
    open_gate(release, running)
    assert server.wait(running, seconds=START_SECONDS)["status"] == "successful"
    assert server.request("GET", f"/jobs/{running}/results").status == 200
    # what it had deployed is not taken for that of others
    release.source.push({"gate.cwl": json.dumps({**GATE, "doc": "after the restore"})})
    wait_for(
        lambda: server.request("GET", "/processes/gate").json.get("description") == "after the restore", START_SECONDS
    )
    tested = release.site.command("system-test", server.url, timeout=START_SECONDS)
    assert tested.returncode == 0, tested.stdout + tested.stderr + release.describe()
    print(f"DRILL backup: {backup:.0f} s; restore, from stopping servers until they answer: {restore:.0f} s")  # noqa: T201


def _knows(server: Server, job: str) -> bool:
    try:
        return server.request("GET", f"/jobs/{job}").status == 200
    except URLError:
        # no server is ready
        return False


def _lose_notes(release: Release) -> None:
    """Have nothing left of what the harvester has noted."""
    release.kubectl("scale", f"deployment/{NAME}-zoo-runner-harvester", "--replicas=0")
    wait_for(lambda: not release.list_pods("harvester"), START_SECONDS)
    worker = f"deployment/{NAME}-zoo-runner-worker"
    command = "rm /var/lib/zoo-runner/jobs/.harvest/harvester/*.json"
    release.kubectl("exec", worker, "--", "sh", "-c", command)


def _lose_database(release: Release) -> None:
    """Have nothing left of the database, as after the loss of its volume: its pod makes a new one, which is empty."""
    pod = f"{NAME}-zoo-runner-postgresql-0"
    release.kubectl("exec", pod, "--", "sh", "-c", "rm -rf /var/lib/postgresql/data/*")
    release.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
    release.kubectl("rollout", "status", f"statefulset/{NAME}-zoo-runner-postgresql", f"--timeout={START_SECONDS}s")
