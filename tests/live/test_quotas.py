"""Quotas at a real server: what is refused, what is shown, and that a changed profile holds at once."""

import json
from pathlib import Path

from tests.live.hub import ECHO, read_code
from tests.serving import ASYNC, serving
from tests.site import Site


def test_a_job_without_room_is_refused_until_the_profile_has_some(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    profiles.write_text(json.dumps({"*": {"quota": {"queuedJobs": 0, "runningJobs": 2}, "retentionDays": 7}}))
    site = Site(tmp_path, tmp_path / "cache").having(
        ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"), ZOO_RUNNER_WORKSPACES=str(profiles)
    )
    inputs = {"inputs": {"message": "x"}}
    with serving(site.environ, tmp_path) as server:
        package = json.dumps({"processDescription": {"id": "echo"}, "executionUnit": {"value": ECHO}}).encode()
        sent = server.request("POST", "/processes", package, {"Content-Type": "application/ogcapppkg+json"})
        assert sent.status == 201, sent.body
        refused = server.request("POST", "/processes/echo/execution", inputs, ASYNC)
        assert read_code(refused) == (429, "quota.queued-jobs")
        usage = server.request("GET", "/usage").json
        assert usage["queuedJobs"] == {"used": 0, "most": 0}
        assert usage["runningJobs"] == {"used": 0, "most": 2}
        assert usage["retentionDays"] == 7
        assert server.request("GET", "/jobs").json["jobs"] == []
        profiles.write_text(json.dumps({"*": {"quota": {"queuedJobs": 5, "runningJobs": 1}}}))
        job = server.execute("echo", {"message": "x"})
        server.wait(job)
        assert server.request("GET", "/usage").json["resultsMiB"]["used"] > 0
