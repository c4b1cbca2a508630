"""The API as pages: each document as HTML for clients that prefer it, safe whatever users have written."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Answer, Server, serving
from tests.site import Site
from tests.values import ROOT

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HTML = {"Accept": BROWSER}
HUB = "/api/catalogs/user/catalogs/ws-one"
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
EVIL = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"
HOSTILE = {
    "cwlVersion": "v1.2",
    "$namespaces": {"s": "https://schema.org/"},
    "s:softwareVersion": EVIL,
    "s:keywords": [EVIL],
    "s:license": "javascript:alert(3)",
    "class": "CommandLineTool",
    "id": "hostile",
    "label": EVIL,
    "doc": EVIL,
    "baseCommand": ["sh", "-c", "printf '%s' \"$0\" > cwl.output.json"],
    "inputs": {"text": {"type": "string", "label": EVIL, "doc": EVIL, "default": EVIL}},
    "arguments": [json.dumps({"text": EVIL, "link": "javascript:alert(4)"})],
    "outputs": {"text": {"type": "string", "label": EVIL}, "link": {"type": "string"}},
}
VOID = ("meta", "br", "img", "input", "link")


class Page(HTMLParser):
    """What a page has; the parser raises where its elements do not match one another."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def list_addresses(self) -> list[str]:
        """The addresses of all links."""
        return [attributes["href"] or "" for tag, attributes in self.elements if tag == "a"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pages")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/api/catalogs/user/catalogs",
    )
    with serving(site.environ, folder) as server:
        server.deploy(ECHO)
        server.deploy(ECHO, HUB)
        body = json.dumps(HOSTILE).encode()
        assert server.request("POST", "/processes", body, {"Content-Type": "application/cwl+json"}).status == 201
        yield server


def read(answer: Answer) -> Page:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return Page(answer.body.decode())


def get(server: Server, path: str) -> Page:
    answer = server.request("GET", path, None, HTML)
    assert answer.status == 200, answer.body
    return read(answer)


def list_texts(node: Any) -> list[str]:
    if isinstance(node, dict | list):
        members = node.values() if isinstance(node, dict) else node
        return [text for member in members for text in list_texts(member)]
    return [node] if isinstance(node, str) else []


@pytest.fixture(scope="module")
def job(server: Server) -> str:
    found = server.execute("echo", {"message": "shown"})
    server.wait(found, "successful")
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/conformance",
        "/api",
        "/processes",
        "/processes/echo",
        "/jobs",
        "/jobs/{}",
        "/jobs/{}/results",
        "/jobs/{}/logs",
        "/jobs/{}/definition",
        "/jobs/{}/inputs",
        f"{HUB}/",
        f"{HUB}/processes/echo",
        f"{HUB}/jobs",
    ],
)
def test_a_browser_gets_a_page_and_others_json(server: Server, job: str, path: str) -> None:
    path = path.format(job)
    get(server, path)
    for accept in ("", "*/*", "application/json", "application/json, text/html;q=0.9", "text/html, application/json"):
        answer = server.request("GET", path, None, {"Accept": accept})
        assert (answer.status, "json" in answer.headers["content-type"]) == (200, True)
        assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    "path", ["/", "/conformance", "/processes", "/processes/echo", "/jobs", "/jobs/{}", "/jobs/{}/results"]
)
def test_a_page_has_all_that_its_document_has_and_its_addresses_as_links(server: Server, job: str, path: str) -> None:
    document, page = read_twice(server, path.format(job))
    texts = set(list_texts(document))
    assert {href for href in list_hrefs(document) if re.match("https?://", href)} <= set(page.list_addresses())
    assert [text for text in texts if text not in page.text and text not in page.list_addresses()] == []


def read_twice(server: Server, path: str) -> tuple[Any, Page]:
    return server.request("GET", path).json, get(server, path)


def list_hrefs(node: Any) -> list[str]:
    if isinstance(node, dict | list):
        own = [node["href"]] if isinstance(node, dict) and isinstance(node.get("href"), str) else []
        members = node.values() if isinstance(node, dict) else node
        return [*own, *(href for member in members for href in list_hrefs(member))]
    return []


def test_a_link_asks_for_a_format_whatever_a_client_accepts(server: Server) -> None:
    assert server.request("GET", "/processes?f=json", None, HTML).json["processes"]
    assert read(server.request("GET", "/processes?f=html", None, {"Accept": "application/json"})).text
    refused = server.request("GET", "/processes?f=xml")
    assert (refused.status, refused.json["diagnosis"]["code"]) == (400, "request.invalid")
    (as_json,) = {href for href in get(server, "/jobs?limit=1&status=failed").list_addresses() if "f=json" in href}
    assert server.request("GET", f"/jobs{as_json}", None, HTML).json["jobs"] == []


def test_jobs_are_shown_in_pages_and_narrowed(server: Server) -> None:
    jobs = [server.execute("echo", {}) for _ in range(3)]
    for one in jobs:
        server.wait(one)
    first = server.request("GET", "/jobs?limit=2", None, HTML)
    assert [one for one in jobs if one in read(first).text] == jobs[1:]
    (following,) = {href for href in read(first).list_addresses() if "cursor=" in href}
    assert jobs[0] in get(server, following).text
    assert jobs[0] in get(server, f"/jobs?status=successful&q={jobs[0]}&f=html").text
    assert jobs[0] not in get(server, "/jobs?status=failed&q=&f=html").text


def test_a_job_that_runs_is_looked_at_again_and_one_that_has_ended_is_not(server: Server, job: str) -> None:
    running = server.execute("echo", {})
    started = server.request("GET", f"/jobs/{running}", None, HTML)
    if server.wait(running) and b"accepted" in started.body:
        assert ("meta", {"http-equiv": "refresh", "content": "5"}) in read(started).elements
    assert all(attributes.get("http-equiv") is None for _, attributes in get(server, f"/jobs/{job}").elements)


def test_what_users_have_written_is_text(server: Server) -> None:
    hostile = server.execute("hostile", {"text": EVIL})
    status = server.wait(hostile)
    paths = ["/processes", "/processes/hostile", "/jobs", f"/jobs/{hostile}", f"/jobs/{hostile}/inputs"]
    if status["status"] == "successful":
        paths.append(f"/jobs/{hostile}/results")
    pages = [get(server, path) for path in paths]
    pages.append(read(server.request("GET", f"/jobs/{EVIL}".replace(" ", "%20"), None, HTML)))
    pages.append(read(server.request("GET", "/jobs?q=%22%3E%3Cscript%3E", None, HTML)))
    for page in pages:
        assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "object"})
        assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
        assert all(re.match(r"https?://|\?", href) for href in page.list_addresses())
    assert any(EVIL in page.text for page in pages)
    assert status["status"] == "successful", status


def test_a_person_learns_why_something_failed(server: Server) -> None:
    answer = server.request("GET", "/jobs/nobody", None, HTML)
    assert answer.status == 404
    assert "job.not-found" in read(answer).text
    refused = server.request("POST", "/processes/echo/execution", {"inputs": {"message": 1}}, HTML)
    assert refused.status == 400
    assert "/inputs/message" in read(refused).text
    failed = server.execute("echo", {"message": "hub", "other": 1}, HUB)
    assert "inputs.unknown" in get(server, f"{HUB}/jobs/{failed}").text


def test_results_of_a_synchronous_execution_are_a_page_too(server: Server) -> None:
    answer = server.request("POST", "/processes/echo/execution", {"inputs": {"message": "now"}}, HTML)
    assert (answer.status, "/files/" in "".join(read(answer).list_addresses())) == (200, True)


def test_the_head_of_a_page_is_that_of_a_page(server: Server) -> None:
    head = server.request("HEAD", "/processes", None, HTML)
    assert (head.status, head.headers["content-type"], head.body) == (200, "text/html; charset=utf-8", b"")
