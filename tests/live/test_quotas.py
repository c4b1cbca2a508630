"""Quotas at a real server: what is refused, what is shown, and that a changed profile holds at once."""

import json
from pathlib import Path

from tests.contract.stores import use_database
from tests.live.hub import ECHO, read_code
from tests.servers import S3Server, serve_s3
from tests.serving import ASYNC, Server, serving
from tests.site import Site


def deploy(server: Server) -> None:
    package = json.dumps({"processDescription": {"id": "echo"}, "executionUnit": {"value": ECHO}}).encode()
    sent = server.request("POST", "/processes", package, {"Content-Type": "application/ogcapppkg+json"})
    assert sent.status == 201, sent.body


def list_stored(bucket: S3Server) -> set[str]:
    return {path.name for path in (bucket.folder / "results").rglob("*") if path.is_file()}


def test_a_job_without_room_is_refused_until_the_profile_has_some(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    profiles.write_text(json.dumps({"*": {"quota": {"queuedJobs": 0, "runningJobs": 2}, "retentionDays": 7}}))
    site = Site(tmp_path, tmp_path / "cache").having(
        ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"), ZOO_RUNNER_WORKSPACES=str(profiles)
    )
    inputs = {"inputs": {"message": "x"}}
    with serving(site.environ, tmp_path) as server:
        deploy(server)
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


def test_the_remedy_of_a_full_bucket_can_be_followed(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    profiles.write_text(json.dumps({"*": {"quota": {"resultsMiB": 0.0001}}}))
    (tmp_path / "s3" / "results").mkdir(parents=True)
    inputs = {"inputs": {"message": "x"}}
    with serve_s3(tmp_path / "s3") as bucket, use_database("postgresql") as database:
        site = Site(tmp_path, tmp_path / "cache").having(
            ZOO_RUNNER_DATABASE=database,
            STAGEOUT_OUTPUT="s3://results",
            ZOO_RUNNER_WORKSPACES=str(profiles),
            AWS_ENDPOINT_URL=str(bucket.options.endpoint),
            AWS_ACCESS_KEY_ID=str(bucket.options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(bucket.options.secret_access_key),
        )
        with serving(site.environ, tmp_path) as server:
            deploy(server)
            job = server.execute("echo", {"message": "x"})
            server.wait(job)
            assert {"collection.json", "job.log"} <= list_stored(bucket)
            refused = server.request("POST", "/processes/echo/execution", inputs, ASYNC)
            assert read_code(refused) == (429, "quota.results")
            assert "DELETE /jobs/{id}/results" in refused.json["diagnosis"]["remedy"]
            # its record is removed, and its results stay
            assert server.request("DELETE", f"/jobs/{job}").status == 200
            usage = server.request("GET", "/usage").json
            assert [one["jobID"] for one in usage["largestResults"]] == [job]
            assert usage["resultsMiB"]["used"] > 0.0001
            assert server.request("DELETE", f"/jobs/{job}/results").status == 204
            assert list_stored(bucket) == set()
            assert server.request("GET", "/usage").json["resultsMiB"]["used"] == 0
            assert server.request("POST", "/processes/echo/execution", inputs, ASYNC).status == 201
            assert server.request("DELETE", f"/jobs/{job}/results").status == 404
