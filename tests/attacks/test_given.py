"""Inputs of an isolated job that have the data, records or logs of other jobs in them, by every entry point."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import CANARY, Document, output, tool
from tests.serving import ASYNC, CWL, serving
from tests.site import Site
from zoo_runner.engines import open_engine
from zoo_runner.model.errors import InputError
from zoo_runner.model.events import StepStarted
from zoo_runner.testing import KernelDouble

ISOLATED = {"ZOO_RUNNER_ISOLATION": "isolated", "ZOO_RUNNER_CONTAINERS": "sandbox"}
SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]


def showing(kind: str) -> Document:
    inputs = {"x": {"type": kind, "inputBinding": {"position": 1}}}
    return tool("cp -rL $0 shown", output(kind, "shown"), inputs=inputs)


SHOWING = showing("Any")
NAMING: dict[str, Any] = {
    "the machine": "/",
    "all of the site": "SITE",
    "it by steps up": "SITE/data/..",
    "it in other letters": "file://SITE/%2e/data/%2e%2e",
    "data of all jobs": "SITE/scratch",
    "data of another job": "SITE/scratch/other",
    "a file of another job": "SITE/scratch/other/outputs/x.txt",
    "records of all jobs": "SITE/state",
    "the record of another job": "SITE/state/other/job.json",
    "logs of all jobs": "SITE/temp",
    "packages of others": "CACHE",
}


def place(site: Site, location: str) -> str:
    return location.replace("SITE", str(site.folder)).replace("CACHE", str(site.cache))


def name_folder(location: str) -> Document:
    return {"class": "Directory", "location": location}


@pytest.fixture
def isolated(site: Site) -> Site:
    """An installation where another job runs, in isolated mode."""
    for path in ("data/x.txt", "scratch/other/outputs/x.txt", "state/other/job.json", "temp/other.log"):
        (site.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (site.folder / path).write_text("given" if path.startswith("data") else CANARY)
    (site.folder / "show.cwl").write_text(json.dumps(SHOWING))
    return site.having(**ISOLATED)


def plan(site: Site, value: Any) -> None:
    job_file = site.folder / "job.json"
    job_file.write_text(json.dumps({"x": value}))
    open_engine("local", site.configuration).plan(site.accept(site.folder / "show.cwl", job_file))


@pytest.mark.parametrize("name", NAMING)
def test_an_input_with_folders_of_other_jobs_is_refused_before_the_job_is_made(name: str, isolated: Site) -> None:
    with pytest.raises(InputError) as refused:
        plan(isolated, name_folder(place(isolated, NAMING[name])))
    assert refused.value.diagnosis.code == "isolation.input"
    assert [problem.pointer for problem in refused.value.diagnosis.problems] == ["/x"]


def test_all_such_inputs_are_named_wherever_they_are_and_no_other_one(isolated: Site) -> None:
    root, data = name_folder("/"), name_folder(str(isolated.folder / "data"))
    nested = {"class": "Directory", "basename": "x", "listing": [data, root]}
    with pytest.raises(InputError) as refused:
        plan(isolated, [data, root, {"a": root}, nested])
    assert [problem.pointer for problem in refused.value.diagnosis.problems] == ["/x/1", "/x/2/a", "/x/3/listing/1"]
    plan(isolated, data)
    # stage-in refuses it, and nobody learns what is where a client may not look
    plan(isolated.having(STAGEIN_ALLOWED_ROOTS=str(isolated.folder / "data")), root)
    plan(isolated.having(ZOO_RUNNER_ISOLATION="trusted", ZOO_RUNNER_CONTAINERS="none"), root)


LEADING = {
    "a link to the machine": ("/", "link"),
    "a link to data of another job": ("SITE/scratch/other", "link"),
    "a link in a link": ("SITE/data/first", "link"),
    "a link below a folder": ("SITE", "data"),
    "a link below a folder to another job": ("SITE/scratch/other/outputs/x.txt", "data"),
}


@pytest.mark.parametrize("name", LEADING)
@pytest.mark.usefixtures("sandbox")
def test_no_link_leads_to_folders_of_other_jobs(name: str, isolated: Site) -> None:
    target, given = LEADING[name]
    (isolated.folder / "data" / "first").symlink_to("/")
    link = isolated.folder / ("link" if given == "link" else "data/first")
    link.unlink(missing_ok=True)
    link.symlink_to(place(isolated, target))
    folder = name_folder(str(isolated.folder / given))
    job = isolated.accept(isolated.folder / "show.cwl", None, f"x={json.dumps(folder)}")
    story = isolated.run(job)
    assert story.outcome.diagnosis is not None
    assert story.outcome.diagnosis.code == "isolation.input"
    assert [problem.pointer for problem in story.outcome.diagnosis.problems] == ["/x"]
    assert [event for event in story.events if isinstance(event, StepStarted)] == []
    assert [path.name for path in (isolated.folder / "scratch").iterdir()] == ["other"]


def test_the_command_line_says_which_input_it_is(isolated: Site) -> None:
    words = ("-i", f"x={json.dumps(name_folder('/'))}", "--format", "json")
    done = isolated.command("run", isolated.folder / "show.cwl", *words)
    diagnosis = json.loads(done.stdout)["diagnosis"]
    assert (done.returncode, diagnosis["code"], diagnosis["level"]) == (4, "isolation.input", "user")
    assert [problem["pointer"] for problem in diagnosis["problems"]] == ["/x"]


def test_a_server_refuses_the_request(isolated: Site) -> None:
    environ = isolated.having(STAGEIN_ALLOWED_ROOTS="/").environ
    with serving(environ, isolated.folder) as server:
        body = json.dumps({**SHOWING, "id": "show"}).encode()
        assert server.request("POST", "/processes", body, {"Content-Type": CWL}).status == 201
        for location in ("/", str(isolated.folder)):
            request = {"inputs": {"x": {"value": name_folder(location)}}}
            answer = server.request("POST", "/processes/show/execution", request, ASYNC)
            assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "isolation.input")
            assert [problem["pointer"] for problem in answer.json["diagnosis"]["problems"]] == ["/inputs/x"]
        assert server.request("GET", "/jobs").json["jobs"] == []


def test_a_service_of_a_zoo_kernel_refuses_the_request(tmp_path: Path, isolated: Site) -> None:
    kernel = KernelDouble(
        tmp_path / "zoo", environ={**ISOLATED, "STAGEIN_ALLOWED_ROOTS": "/"}, python_path=SITE_PACKAGES
    )
    # a kernel has no description of `Any`
    package = isolated.folder / "folder.cwl"
    package.write_text(json.dumps(showing("Directory")))
    kernel.deploy("alice", package, "attack", warm=False)
    inputs = {"x": {"value": json.dumps(name_folder("/"))}}
    job = kernel.submit("alice", "attack", {"inputs": inputs}).wait()
    assert not job.succeeded
    assert "isolation.input" in json.dumps(job.findings) + job.error_log + job.message
