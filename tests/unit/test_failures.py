"""Jobs that failed are counted by cause, within what the client may see."""

from urllib.parse import parse_qs, urlsplit

from tests.contract.stores import PACKAGE, build_job
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.job import Outcome, Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.failures import list_failures
from zoo_runner.store.protocol import JobQuery

BASE = "http://eo.example"


def fail(api: Api, number: int, process: str, code: str, step: str | None) -> None:
    found = Diagnosis(Stage.EXECUTE, Level.USER, f"cause {number}", "Look.", step=step, code=code)
    job = build_job(
        number,
        process_id=process,
        status=Status.FAILED,
        outcome=Outcome(Status.FAILED, diagnosis=found),
        deployed_in="ws",
    )
    api.store.jobs.create(job, PACKAGE)


def test_the_most_frequent_cause_is_first_with_its_newest_job_and_a_link_to_all_of_them(api: Api) -> None:
    for number, process in enumerate(("ndvi", "ndvi", "water"), 1):
        fail(api, number, process, "step.out-of-memory", "mosaic")
    fail(api, 4, "ndvi", "job.lost", None)
    call = Call("ws", BASE, query=(("processID", "ndvi"), ("status", "running"), ("f", "html")))
    found = list_failures(api, call, JobQuery(process_ids=("ndvi",), statuses=(Status.RUNNING,)))
    assert [(one["code"], one.get("step"), one["count"], one.get("cause")) for one in found["failures"]] == [
        ("step.out-of-memory", "mosaic", 2, "cause 2"),
        ("job.lost", None, 1, "cause 4"),
    ]
    assert found["numberTotal"] == 3
    (link,) = found["failures"][0]["links"]
    assert parse_qs(urlsplit(link["href"]).query) == {
        "processID": ["ndvi"],
        "status": ["failed"],
        "code": ["step.out-of-memory"],
        "step": ["mosaic"],
    }


def test_who_sees_some_processes_only_has_their_failures_counted(api: Api) -> None:
    fail(api, 1, "ndvi", "job.lost", None)
    fail(api, 2, "hidden", "step.failed", "secret-step")
    found = list_failures(api, Call("ws", BASE, visible=frozenset({"ndvi"})), JobQuery())
    assert [one["code"] for one in found["failures"]] == ["job.lost"]
    assert list_failures(api, Call("ws", BASE, visible=frozenset()), JobQuery())["numberTotal"] == 0
    assert list_failures(api, Call("other", BASE), JobQuery())["failures"] == []
