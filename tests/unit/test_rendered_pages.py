"""How pages show the values of their documents."""

from typing import Any

import pytest

from tests.markup import EVIL, Page
from zoo_runner.server.documents import PreflightProblem
from zoo_runner.server.pages.deploy_form import DeployPage
from zoo_runner.server.pages.frame import build_frame
from zoo_runner.server.pages.job_list_page import JobListPage, build_filters
from zoo_runner.server.pages.maps import MapView, Shape
from zoo_runner.server.pages.rendering import render
from zoo_runner.server.pages.result_items import Asset, ResultItem
from zoo_runner.server.pages.results_page import SHOWN_BYTES, ResultPlace, ResultsPage, ShownFile
from zoo_runner.server.pages.search_page import SearchPage
from zoo_runner.server.pages.source_lines import place_findings
from zoo_runner.server.pages.tables import build_chart, build_table
from zoo_runner.server.pages.tokens_page import TokensPage
from zoo_runner.server.pages.workspace_page import Gauge, WorkspacePage

BASE = "https://eo.example/api"
LINKS = [
    {"href": f"{BASE}/x", "rel": EVIL, "title": EVIL, "type": EVIL},
    {"href": "javascript:alert(1)", "rel": "self", "title": EVIL},
    {"href": "//[", "rel": "up"},
]
DIAGNOSIS = {
    **dict.fromkeys(("code", "stage", "level", "cause", "remedy", "step"), EVIL),
    "evidence": [EVIL],
    "problems": [{"code": EVIL, "pointer": EVIL, "message": EVIL}],
}
JOB = {
    **dict.fromkeys(
        ("jobID", "id", "processID", "message", "caller", "created", "started", "finished", "updated"), EVIL
    ),
    "status": "failed",
    "progress": 40,
    "diagnosis": DIAGNOSIS,
    "links": LINKS,
}
PARAMETER = {
    **{"title": EVIL, "description": EVIL, "minOccurs": 0, "maxOccurs": EVIL},
    "schema": {"type": EVIL, "format": EVIL, "default": EVIL},
}
PROCESS = {
    **dict.fromkeys(("id", "version", "title", "description"), EVIL),
    "keywords": [EVIL],
    "metadata": [{"title": EVIL, "href": "javascript:alert(1)"}],
    "jobControlOptions": [EVIL],
    "outputTransmission": [EVIL],
    "inputs": {EVIL: PARAMETER},
    "outputs": {EVIL: PARAMETER},
    "source": {"kind": "repository", **dict.fromkeys(("href", "commit", "path", "by", "at", "digest"), EVIL)},
    "links": LINKS,
}
PROBLEM = {"type": EVIL, "title": EVIL, "status": 400, "detail": EVIL, "diagnosis": DIAGNOSIS}
VALUES = [
    {"name": EVIL, "a": EVIL, "b": {"href": "javascript:alert(1)"}, "same": False},
    {"name": "n", "a": None, "b": None, "same": True},
]
PAGES: dict[str, Any] = {
    "comparison": {
        **{"a": EVIL, "b": EVIL, "facts": VALUES, "steps": [], "inputs": VALUES, "results": VALUES},
        "links": [{**link, "rel": "item"} for link in LINKS[:2]],
    },
    "failures": {
        "failures": [
            {"code": EVIL, "title": EVIL, "step": EVIL, "count": 2, "newest": EVIL, "cause": EVIL, "links": LINKS},
            {"code": "c", "title": "t", "count": 1, "newest": "", "links": LINKS},
        ],
        **{"numberTotal": 3, "links": LINKS},
    },
    "shared": {"href": EVIL, "jobID": EVIL, "path": EVIL, "expires": EVIL, "links": LINKS},
    "uses": {
        **{"href": EVIL, "type": EVIL, "links": LINKS},
        "uses": [
            {
                **{"processID": EVIL, "title": EVIL, "input": EVIL, "inputTitle": EVIL, "links": LINKS},
                **{"pointer": EVIL, "inputs": {EVIL: {"href": EVIL}}},
            },
            {"processID": "p", "input": "i", "inputs": {}, "links": [{"href": f"{BASE}/processes/p", "rel": "up"}]},
        ],
    },
    "usage": {
        "largestResults": [{"jobID": EVIL, "sizeMiB": 1.5, "stored": EVIL}],
        **{"retentionDays": 7, "resultsRetentionDays": 30, "links": LINKS},
    },
    "people": {
        "people": [
            {
                **{"caller": EVIL, "workspace": EVIL, "jobs": 3, "running": 1, "waiting": 1, "failed": 1},
                **{"newest": "2026-01-01T00:00:00.000Z", "links": LINKS},
            }
        ],
        "links": LINKS,
    },
    "operations": {
        **{"waiting": 1, "running": 2, "oldestWaitingSeconds": 3.5, "links": LINKS},
        "workers": [{"worker": EVIL, "jobs": 1}],
        "workspaces": [{"workspace": EVIL, "running": 1, "waiting": 2, "cores": 0.5, "memoryMiB": 7.0, "links": LINKS}],
    },
    "engine": {
        **{"engine": EVIL, "ok": False, "links": LINKS},
        "checks": [
            {**dict.fromkeys(("about", "found", "expected", "remedy", "code", "level"), EVIL), "ok": False},
            {**dict.fromkeys(("about", "found", "expected", "level"), EVIL), "ok": True},
        ],
    },
    "tokens": {
        "tokens": [{"id": EVIL, "title": EVIL, "scopes": [EVIL], "expires": EVIL}],
        "links": LINKS,
    },
    "token": {"token": EVIL, "scopes": [EVIL], "expires": EVIL},
    "items": {
        **{"catalog": EVIL, "links": LINKS},
        "items": [
            {"id": EVIL, "href": "javascript:alert(1)", "datetime": EVIL, "collection": EVIL},
            {"id": "i", "href": f"{BASE}/i", "datetime": ""},
        ],
    },
    "selection": {
        "action": EVIL,
        "jobs": [
            {"jobID": EVIL, "problem": PROBLEM, "links": LINKS},
            {"jobID": EVIL, "status": EVIL, "newJobID": EVIL, "links": LINKS},
            {"jobID": EVIL, "status": EVIL, "links": LINKS},
        ],
        **{"numberRefused": 1, "links": LINKS},
    },
    "api": {
        "info": {"title": EVIL, "description": EVIL, "version": EVIL},
        "openapi": EVIL,
        "paths": {EVIL: {EVIL: {"description": EVIL}, "get": {"summary": EVIL}, "put": {}}},
    },
    "conformance": {"conformsTo": [EVIL, "javascript:alert(1)"]},
    "document": {EVIL: EVIL, "list": [EVIL, {"href": "javascript:alert(1)", "title": EVIL, EVIL: EVIL}]},
    "job": JOB,
    "jobs": {"jobs": [JOB, {**JOB, "status": "running"}], "numberTotal": 2, "links": LINKS},
    "logs": {"links": LINKS},
    "landing": {"title": EVIL, "description": EVIL, "links": LINKS},
    "problem": PROBLEM,
    "process": PROCESS,
    "processes": {"processes": [PROCESS], "links": LINKS},
    "results": {EVIL: {"href": "javascript:alert(1)", "type": EVIL}, "stac": {"links": LINKS, "title": EVIL}},
}
SHAPE = Shape(EVIL, {"type": EVIL}, (1.0, 2.0, 3.0, 4.0), "item", "javascript:alert(1)", EVIL)
MAP = MapView((SHAPE,), {EVIL: EVIL})
ROWS = [["n", EVIL, "text"], *([str(number), "1", EVIL] for number in range(5))]
FINDING: PreflightProblem = {"code": EVIL, "level": "error", "pointer": EVIL, "message": EVIL, "remedy": EVIL}
AT_LINE: PreflightProblem = {**FINDING, "level": "warning", "document": EVIL, "line": 1, "column": 1}
VIEWS: dict[str, Any] = {
    "usage": WorkspacePage(
        (Gauge(EVIL, EVIL, 1.0, 2.0), Gauge("t", "", 0.25, None)),
        **dict.fromkeys(("has_tokens", "has_secrets", "has_operations", "may_remove"), True),
    ),
    "tokens": TokensPage(90.0),
    "items": SearchPage(EVIL, (EVIL,), dict.fromkeys(("bbox", "datetime", "collections"), EVIL), MAP),
    "jobs": JobListPage(
        build_filters((("q", EVIL), ("datetime", EVIL), ("limit", EVIL))), MAP, may_choose=True, shows_callers=True
    ),
    "processes": DeployPage(
        filled=dict.fromkeys(("href", "package", "w", "id"), EVIL),
        found={"valid": False, "problems": [FINDING, AT_LINE]},
        findings=place_findings([FINDING, AT_LINE], lambda _: EVIL),
    ),
    "results": ResultsPage(
        (
            ShownFile(EVIL, EVIL, "javascript:alert(1)", EVIL, EVIL, SHOWN_BYTES + 1),
            ShownFile(EVIL, EVIL, BASE, EVIL, picture=f"{BASE}/x"),
            ShownFile(EVIL, EVIL, BASE, EVIL, EVIL, 9, table=build_table(ROWS, is_cut=True), chart=build_chart(ROWS)),
        ),
        (ResultItem(EVIL, EVIL, None, {}, (Asset(EVIL, EVIL, EVIL),)),),
        MAP,
        (ResultPlace(EVIL, EVIL, f"{BASE}/{EVIL}", f"s3://{EVIL}", EVIL),),
        f"{BASE}/links",
    ),
}


def show(page: str, document: Any, path: str = "/x", query: bytes = b"") -> str:
    frame = build_frame({"method": "GET", "path": path, "query_string": query}, BASE)
    return render(page, document, frame, VIEWS.get(page))


def nest(value: Any, levels: int, as_list: bool) -> Any:
    for _ in range(levels):
        value = [value] if as_list else {"a": value}
    return value


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("levels", [3, 300, 600])
def test_a_value_of_many_levels_is_shown(levels: int, as_list: bool) -> None:
    assert "innermost" in show("document", {"value": nest("innermost", levels, as_list)})


@pytest.mark.parametrize("page", PAGES)
def test_what_others_have_written_is_text_on_every_page(page: str) -> None:
    shown = Page(show(page, PAGES[page], f"/jobs/{EVIL}", b"q=%22%3E%3Cscript%3E"))
    shown.ensure_safe()
    assert EVIL in shown.text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_walked_without_a_pointer(page: str) -> None:
    shown = Page(show(page, PAGES[page], "/jobs/one"))
    assert len(shown.list_all("h1")) == len(shown.list_all("main")) == 1
    assert shown.list_addresses()[0] == "#content"
    ids = [one["id"] for _, one in shown.elements if "id" in one]
    assert len(ids) == len(set(ids))
    assert all("aria-label" in one for one in shown.list_all("nav"))
