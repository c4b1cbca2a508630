"""The policy agent and the bucket of access documents are killed in the middle of a run: what goes on."""

import json
import os
import signal
from pathlib import Path

from tests.live.hub import PREFIX, hub, read_code
from tests.serving import ASYNC
from tests.site import Pipe, processes_of
from tests.steps import write_package
from tests.waiting import wait_for


def kill_bucket(folder: Path) -> None:
    """Kill the S3 server of a folder without any chance to tidy up."""
    (pid,) = [one for one in processes_of(folder) if b"rclone" in Path(f"/proc/{one}/cmdline").read_bytes()]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not processes_of(folder))


def test_a_job_goes_on_while_agent_and_bucket_are_away_and_nobody_learns_of_it_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "s3" / "access").mkdir(parents=True)
    begun, gate = Pipe(tmp_path / "begun"), Pipe(tmp_path / "gate")
    with hub(tmp_path) as alpha:
        package = json.loads(
            write_package(tmp_path, f"echo x > {begun.path}; read go < {gate.path}; echo ended").read_text()
        )
        # the steps of this hub run as plain programs
        del package["$graph"][1]["requirements"][0]
        headers = alpha.ada | {"Content-Type": "application/cwl+json"}
        path = f"{PREFIX}/alpha/processes"
        assert alpha.server.request("POST", f"{path}?w=flow", json.dumps(package).encode(), headers).status == 201
        started = alpha.server.request("POST", f"{path}/flow/execution", {"inputs": {}}, alpha.ada | ASYNC)
        job = f"/alpha/jobs/{started.json['jobID']}"
        begun.read()
        # of alpha the last document is known, of gamma none
        assert alpha.ask(alpha.ben, "/alpha/processes/shown").status == 200
        kill_bucket(tmp_path / "s3")

        def holds() -> bool:
            assert alpha.ask(alpha.ben, "/alpha/processes/shown").status == 200
            return "document of alpha cannot be read" in alpha.server.log.read_text()

        wait_for(holds, 30)
        assert read_code(alpha.ask(alpha.ben, "/gamma/processes/shown")) == (503, "access.unavailable")
        assert alpha.ask(alpha.ada, job).json["status"] == "running"
        alpha.agent.kill()
        for user in (alpha.ada, alpha.ben):
            assert read_code(alpha.ask(user, job)) == (503, "policy.unavailable")
        assert alpha.server.request("GET", "/health/ready").status == 200
        gate.release()
        # it ends by itself, which its worker logs
        wait_for(lambda: '"job ended"' in alpha.server.log.read_text())
        alpha.agent.start()
        assert alpha.wait(alpha.ada, job)["status"] == "successful"
        assert read_code(alpha.ask(alpha.ben, job)) == (403, "policy.denied")
    for pipe in (begun, gate):
        pipe.close()
