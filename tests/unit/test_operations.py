"""What operators see: the queue, the workers, and each workspace."""

from tests.contract.stores import LONG, PACKAGE, build_job
from zoo_runner.model.job import Status
from zoo_runner.model.needs import Needs
from zoo_runner.server.api import Api, Call
from zoo_runner.server.operations import describe_operations

BASE = "http://eo.example"


def test_workspaces_have_what_runs_and_waits_and_workers_what_they_have(api: Api) -> None:
    for number, (workspace, status) in enumerate(
        (("a", Status.RUNNING), ("a", Status.ACCEPTED), ("b", Status.ACCEPTED), ("b", Status.SUCCESSFUL)), 1
    ):
        job = build_job(number, workspace=workspace, status=status, needs=Needs(2, 512))
        api.store.jobs.create(job, PACKAGE)
    api.store.jobs.lease("job-1", "worker-1", LONG)
    found = describe_operations(api, Call("a", f"{BASE}/ws/a", hub=True, hub_base=f"{BASE}/ws"))
    assert (found["running"], found["waiting"]) == (1, 2)
    assert found["oldestWaitingSeconds"] > 0
    assert found["workers"] == [{"worker": "worker-1", "jobs": 1}]
    assert [(one["workspace"], one["running"], one["waiting"], one["cores"]) for one in found["workspaces"]] == [
        ("a", 1, 1, 2.0),
        ("b", 0, 1, 0.0),
    ]
    assert [one["links"][0]["href"] for one in found["workspaces"]] == [f"{BASE}/ws/a/jobs", f"{BASE}/ws/b/jobs"]


def test_a_server_without_a_path_for_each_workspace_links_to_its_own_alone(api: Api) -> None:
    for number, workspace in enumerate(("a", "b")):
        api.store.jobs.create(build_job(number, workspace=workspace), PACKAGE)
    found = describe_operations(api, Call("a", BASE))["workspaces"]
    assert [len(one["links"]) for one in found] == [1, 0]
