"""What two jobs have in common and where they differ, for who may read it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import PACKAGE, build_job
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.events import StepEnded
from zoo_runner.model.job import Job, Outcome, Results, Status
from zoo_runner.model.package import Package
from zoo_runner.server.access.audit import Note
from zoo_runner.server.api import Api, Call
from zoo_runner.server.comparison import compare_jobs, list_differences, list_results, pair_values
from zoo_runner.server.documents import ComparedValue, Comparison
from zoo_runner.server.result_bucket import BucketFiles

BASE = "http://eo.example"
FAILED = Outcome(
    Status.FAILED,
    diagnosis=Diagnosis(Stage.EXECUTE, Level.USER, "no band 9", "Look.", step="clip", code="step.failed"),
    usage=(StepEnded("clip", 1.0, 3.0, 2, 0.5, 10.0),),
)


def build_ended(number: int, destination: str, size: int, **more: Any) -> Job:
    location = destination if "://" in destination else Path(destination).as_uri()
    outputs = {
        "image": {"class": "File", "location": f"{location}/image/a%20b.tif", "size": size},
        "share": 0.5,
        "folder": {"class": "Directory", "location": f"{location}/folder"},
    }
    ended = Outcome(
        Status.SUCCESSFUL, Results({}, {}, "", outputs, size), usage=(StepEnded("clip", 1, 2, 0, None, None),)
    )
    times = {"started": "2026-01-01T00:00:04.000Z", "finished": "2026-01-01T00:00:09.000Z"}
    return build_job(number, destination=destination, outcome=ended, status=Status.SUCCESSFUL, **{**times, **more})


def compare(api: Api, first: Job, second: Job, *forbidden: str) -> Comparison:
    for job in (first, second):
        api.store.jobs.create(job, PACKAGE)
    call = Call("ws", BASE, may_with=lambda action, _: action not in forbidden)
    return compare_jobs(api, call, first.id, second.id, Note())


def find(values: list[ComparedValue], name: str) -> tuple[Any, Any, bool]:
    (found,) = [(one["a"], one["b"], one["same"]) for one in values if one["name"] == name]
    return found


def test_runs_inputs_steps_and_results_are_compared(api: Api) -> None:
    second = build_job(2, status=Status.FAILED, outcome=FAILED, inputs={"x": 2}, process_id="q")
    found = compare(api, build_ended(1, "/results/1", 7), second)
    assert find(found["facts"], "processID") == ("p", "q", False)
    assert find(found["facts"], "engine") == ("local", "local", True)
    assert find(found["facts"], "queueSeconds") == (3.0, None, False)
    assert find(found["facts"], "runSeconds") == (5.0, None, False)
    assert find(found["facts"], "code") == (None, "step.failed", False)
    assert find(found["inputs"], "x") == (1, 2, False)
    assert [step["seconds"] for step in find(found["steps"], "clip")[:2]] == [1, 2.0]
    assert find(found["results"], "image/a b.tif") == ({"size": 7}, None, False)


@pytest.mark.parametrize(
    ("first", "second", "public"),
    [
        ("/results/1", "/elsewhere/2", None),
        ("s3://bucket/one/1", "s3://bucket/two/2", None),
        ("https://eo.example/data/one/1", "https://eo.example/data/two/2", None),
    ],
)
def test_results_are_the_same_wherever_they_lie(api: Api, first: str, second: str, public: str | None) -> None:
    found = compare(api, build_ended(1, first, 7), build_ended(2, second, 7))
    assert [(one["name"], one["same"]) for one in found["results"]] == [("share", True), ("image/a b.tif", True)]


def build_package(digest: str, *steps: dict[str, Any], **more: Any) -> Package:
    document = {**PACKAGE.document, "steps": list(steps), **more}
    return replace(PACKAGE, digest=digest * 64, document=document)


def test_the_parts_of_packages_that_differ_are_listed_by_their_way(api: Api) -> None:
    clip, mask = {"id": "#main/clip", "run": "a.cwl", "in": []}, {"id": "#main/mask", "run": "b.cwl"}
    first, second = build_package("1", clip, doc="x"), build_package("2", mask, {**clip, "run": "c.cwl"}, doc="x")
    for package, number in ((first, 1), (second, 2)):
        api.store.jobs.create(replace(build_ended(number, "/r", 1), package=package.digest), package)
    call = Call("ws", BASE)
    found = compare_jobs(api, call, "job-1", "job-2", note := Note())
    assert found["package"] == [
        {"name": "steps / clip / run", "a": "a.cwl", "b": "c.cwl", "same": False},
        {"name": "steps / mask / id", "a": None, "b": "#main/mask", "same": False},
        {"name": "steps / mask / run", "a": None, "b": "b.cwl", "same": False},
    ]
    assert [act.action for act in note.acts][:2] == ["process.package"] * 2
    hidden = replace(call, may_with=lambda action, _: action != "process.package")
    assert "package" not in compare_jobs(api, hidden, "job-1", "job-2", Note())
    assert "package" not in compare_jobs(api, call, "job-1", "job-1", Note())


def test_a_package_of_very_many_levels_or_parts_is_compared_as_far_as_it_goes() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = [deep]
    found = list_differences(build_package("1", x=deep), build_package("2", x=[0] * 50_000))
    assert len(found) == 1000


def test_results_are_known_by_their_public_address() -> None:
    job = build_ended(1, "s3://bucket/one/1", 7)
    outputs = {"image": {"class": "File", "location": "https://eo.example/one/1/image/a.tif", "size": 7}}
    shown = replace(job, public_url="https://eo.example/", outcome=Outcome(job.status, Results({}, {}, "", outputs)))
    assert list_results(shown, BucketFiles(shown, None)) == {"image/a.tif": {"size": 7}}


def test_what_the_client_may_not_read_is_left_out(api: Api) -> None:
    found = compare(api, build_ended(1, "/1", 1), build_ended(2, "/2", 1), "job.inputs", "job.results")
    assert {"inputs", "results"} & set(found) == set()


def test_a_job_whose_status_may_not_be_seen_is_not_found(api: Api) -> None:
    with pytest.raises(JobNotFoundError):
        compare(api, build_ended(1, "/1", 1), build_ended(2, "/2", 1), "job.status")


def test_null_is_not_the_same_as_nothing() -> None:
    assert pair_values({"a": None}, {}) == [{"name": "a", "a": None, "b": None, "same": False}]
