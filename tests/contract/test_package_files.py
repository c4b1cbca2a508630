"""Files that a package from the web refers to itself: fetched with the inputs, by the same rules."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import FileServer
from tests.site import Site, Story
from zoo_runner.model.errors import PackageError
from zoo_runner.model.events import StepStarted
from zoo_runner.model.job import Status

Parts = dict[str, Any]
METADATA = "http://169.254.169.254/latest/meta-data"
TEXT, INDEX = "from the web\n", "its index\n"


def at(location: str) -> Parts:
    return {"class": "File", "location": location}


def build_tool(default: Any, **more: Any) -> Parts:
    """A tool that gives the files of its input `x`, and of its working folder."""
    parameter = {"type": "File?", "inputBinding": {"position": 1}, **({"default": default} if default else {})}
    return {
        "class": "CommandLineTool",
        "inputs": {"x": {**parameter, **more.pop("input", {})}},
        "baseCommand": ["sh", "-c", 'cat "$@" $(ls) > all.txt', "-"],
        "outputs": {"all": {"type": "File", "outputBinding": {"glob": "all.txt"}}},
        **more,
    }


def build_workflow(run: Any, step: Any = None) -> Parts:
    return {
        "class": "Workflow",
        "inputs": {},
        "outputs": {"all": {"type": "File", "outputSource": "show/all"}},
        "steps": {"show": {"run": run, "in": {"x": {"default": step}} if step else {}, "out": ["all"]}},
    }


def put(web: FileServer, name: str, document: Parts) -> str:
    return web.put(f"app/{name}", json.dumps({"cwlVersion": "v1.2", **document}).encode())


def put_tool(web: FileServer, **members: Any) -> str:
    put(web, "tool.cwl", build_tool(**members))
    return put(web, "app.cwl", build_workflow("tool.cwl"))


def put_graph(web: FileServer) -> str:
    graph = [{"id": "main", **build_workflow("#tool")}, {"id": "tool", **build_tool(at("a.txt"))}]
    return put(web, "graph.cwl", {"$graph": graph})


def put_step(web: FileServer) -> str:
    put(web, "tool.cwl", build_tool(None))
    return put(web, "app.cwl", build_workflow("tool.cwl", step=at("a.txt")))


def put_working_folder(web: FileServer) -> str:
    listing = {"InitialWorkDirRequirement": {"listing": [at("a.txt")]}}
    return put_tool(web, default=None, requirements=listing)


PACKAGES: dict[str, Callable[[FileServer], str]] = {
    "the default of a tool": lambda web: put_tool(web, default=at("a.txt")),
    "the default of a tool in a graph": put_graph,
    "the default of a step": put_step,
    "the working folder": put_working_folder,
}


def run(site: Site, url: str) -> Story:
    return site.run(site.accept(url))


@pytest.mark.parametrize("name", PACKAGES)
def test_a_file_beside_a_package_from_the_web_is_fetched_for_its_step(name: str, site: Site, web: FileServer) -> None:
    web.put("app/a.txt", TEXT.encode())
    story = run(site, PACKAGES[name](web))
    assert story.outcome.diagnosis is None
    assert next(site.results.rglob("all.txt")).read_text() == TEXT
    assert web.count("app/a.txt") == 1


@pytest.mark.parametrize("name", PACKAGES)
def test_a_file_beside_a_package_of_this_machine_is_given_to_its_step(name: str, site: Site, web: FileServer) -> None:
    web.put("app/a.txt", TEXT.encode())
    url = PACKAGES[name](web)
    assert run(site, str(web.folder / url.removeprefix(f"{web.url}/"))).outcome.diagnosis is None
    assert next(site.results.rglob("all.txt")).read_text() == TEXT
    assert web.requests == []


def test_its_secondary_files_are_fetched_beside_it(site: Site, web: FileServer) -> None:
    for name, text in (("a.txt", TEXT), ("a.txt.idx", INDEX)):
        web.put(f"app/{name}", text.encode())
    command = ["sh", "-c", 'cat "$1" "$1.idx" > all.txt', "-"]
    url = put_tool(web, default=at("a.txt"), input={"secondaryFiles": [".idx"]}, baseCommand=command)
    assert run(site, url).outcome.diagnosis is None
    assert next(site.results.rglob("all.txt")).read_text() == TEXT + INDEX


@pytest.mark.parametrize(
    ("location", "code"),
    [(METADATA, "source.refused"), ("missing.txt", "source.not-found"), ("ftp://h/x", "source.unsupported")],
)
def test_what_cannot_be_fetched_fails_the_job_before_a_step_runs(
    location: str, code: str, site: Site, web: FileServer
) -> None:
    story = run(site, put_tool(web, default=at(location)))
    assert story.outcome.status is Status.FAILED
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.code == code
    assert not [event for event in story.events if isinstance(event, StepStarted)]


def test_a_file_of_this_machine_is_refused_before_there_is_a_job(site: Site, web: FileServer) -> None:
    with pytest.raises(PackageError) as caught:
        run(site, put_tool(web, default=at("file:///etc/hostname")))
    assert caught.value.diagnosis.code == "package.refused"
