"""Public processes and user services that another workspace executes: where they run, and whose jobs they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.hub import ACCESS, ECHO, PREFIX, Hub, hub, read_code
from tests.site import Site
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def alpha(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    profiles = folder / "profiles.json"
    # the caller's results go to a bucket of its own
    profiles.write_text('{"beta": {"results": "s3://of-beta/results"}}')
    (folder / "s3" / "of-beta").mkdir(parents=True)
    (folder / "s3" / "access").mkdir(parents=True)
    with hub(folder, ZOO_RUNNER_WORKSPACES=str(profiles)) as running:
        yield running


def find_logs(folder: Path, job: str) -> list[Path]:
    return [path.relative_to(folder) for path in (folder / "temp").rglob(f"*{job}*")]


@pytest.mark.parametrize(("process", "executed_by"), [("shown", "beta"), ("service", "alpha")])
def test_others_execute_what_is_public_and_the_job_is_theirs(alpha: Hub, process: str, executed_by: str) -> None:
    job = alpha.execute(alpha.ben, "alpha", process)
    own = f"/beta/jobs/{job['jobID']}"
    links = {link["rel"]: link["href"] for link in job["links"]}
    assert links["monitor"].endswith(f"{PREFIX}{own}")
    assert links["up"].endswith(f"{PREFIX}/alpha/processes/{process}")
    status = alpha.wait(alpha.ben, own)
    assert status["status"] == "successful", status
    # its results are the caller's, wherever it ran
    results = alpha.ask(alpha.ben, f"{own}/results")
    assert results.status == 200
    assert list((alpha.folder / "s3" / "of-beta" / "results").rglob(f"*{job['jobID']}*"))
    # its logs are in the folders of the workspace that executed it
    assert {path.parts[1] for path in find_logs(alpha.folder, job["jobID"])} == {executed_by}
    # the owner of the process has no part in it
    assert read_code(alpha.ask(alpha.ada, f"/alpha/jobs/{job['jobID']}")) == (404, "job.not-found")
    assert job["jobID"] not in alpha.ask(alpha.ada, "/alpha/jobs").body.decode()
    assert read_code(alpha.ask(alpha.ada, own)) == (403, "policy.denied")
    assert alpha.ask(alpha.ben, f"{own}/validation").json["valid"]


def test_private_processes_and_unknown_ones_are_not_executed_for_others(alpha: Hub) -> None:
    for process in ("hidden", "absent"):
        answer = alpha.ask(alpha.ben, f"/alpha/processes/{process}/execution", "POST", {"inputs": {"message": "x"}})
        assert read_code(answer) == (403, "policy.denied")
    answer = alpha.ask(alpha.nobody, "/alpha/processes/shown/execution", "POST", {"inputs": {"message": "x"}})
    assert read_code(answer) == (400, "workspace.choice")
    named = {"inputs": {"message": "x", "workspace": "alpha"}}
    answer = alpha.ask(alpha.ben, "/alpha/processes/shown/execution", "POST", named)
    assert read_code(answer) == (403, "identity.workspace")


def test_what_is_public_changes_with_the_bucket_and_the_last_of_it_holds_without(alpha: Hub) -> None:
    assert alpha.ask(alpha.ben, "/alpha/processes/shown").status == 200
    alpha.publish("alpha", {})
    wait_for(lambda: alpha.ask(alpha.ben, "/alpha/processes/shown").status == 403, 30)
    alpha.publish("alpha", ACCESS)
    wait_for(lambda: alpha.ask(alpha.ben, "/alpha/processes/shown").status == 200, 30)
    (alpha.folder / "s3" / "access" / "alpha.json").write_text("{")
    try:
        # it is read again at a request
        wait_for(
            lambda: (
                alpha.ask(alpha.ben, "/alpha/processes/shown").status != 200
                or "document of alpha cannot be read" in alpha.server.log.read_text()
            ),
            30,
        )
        assert alpha.ask(alpha.ben, "/alpha/processes/shown").status == 200
    finally:
        alpha.publish("alpha", ACCESS)


def test_without_a_document_and_its_bucket_nothing_is_public_and_members_work_on(alpha: Hub) -> None:
    # of a workspace that was never read
    (alpha.folder / "s3" / "access" / "gamma.json").write_text("no document")
    assert read_code(alpha.ask(alpha.ben, "/gamma/processes/shown")) == (503, "access.unavailable")
    (alpha.folder / "s3" / "access" / "beta.json").write_text("no document")
    assert alpha.ask(alpha.ben, "/beta/processes").status == 200


def test_reserved_names_are_refused_at_deployment_with_the_reason(alpha: Hub) -> None:
    cases = {
        "package.input-name": ECHO.replace("message", "CALLING_WORKSPACE_ACCESS_TOKEN"),
        "package.step-name": ECHO.replace("write", "node_stage_in"),
    }
    for code, package in cases.items():
        headers = alpha.ada | {"Content-Type": "application/cwl+yaml"}
        answer = alpha.server.request("POST", f"{PREFIX}/alpha/processes", package.encode(), headers)
        assert read_code(answer) == (400, code), answer.body
        assert "reserved" in answer.json["detail"]


def test_the_command_line_shows_and_changes_what_is_public(alpha: Hub) -> None:
    site = Site(alpha.folder, alpha.folder / "cache").having(
        **{
            name: value
            for name, value in alpha.server.environ.items()
            if name.startswith(("AWS_", "ZOO_RUNNER_ACCESS"))
        }
    )
    assert site.command("access", "set", "alpha", "hidden", "user-service").returncode == 0
    try:
        wait_for(lambda: alpha.ask(alpha.ben, "/alpha/processes/hidden").status == 200, 30)
        shown = site.command("access", "show", "alpha")
        # what was in it stays
        assert json.loads(shown.stdout)["workflows"] == {**ACCESS, "hidden": ACCESS["service"]}
    finally:
        assert site.command("access", "set", "alpha", "hidden", "private").returncode == 0
    wait_for(lambda: alpha.ask(alpha.ben, "/alpha/processes/hidden").status == 403, 30)
    assert site.command("access", "show", "../alpha").returncode == 4
    assert site.having(ZOO_RUNNER_ACCESS="").command("access", "show", "alpha").returncode == 2
