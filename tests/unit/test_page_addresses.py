"""The addresses of pages, what surrounds them, and what they load."""

from pathlib import Path
from typing import Any

import pytest

from zoo_runner.server.pages import assets
from zoo_runner.server.pages.addresses import read_address
from zoo_runner.server.pages.assets import find_address, load_assets
from zoo_runner.server.pages.encoding import encode
from zoo_runner.server.pages.frame import build_frame, build_trail


def build_scope(path: str, query: str = "", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": list(headers)}


@pytest.mark.parametrize(
    ("path", "query", "read", "found"),
    [
        ("/jobs.html", "", "/jobs", "f=html"),
        ("/jobs/1.html", "log=a", "/jobs/1", "f=html&log=a"),
        ("/ws/one/processes/echo.html", "", "/ws/one/processes/echo", "f=html"),
        ("/jobs/1/results.html", "f=json", "/jobs/1/results", "f=html&f=json"),
        # what has a name of its own
        ("/jobs/1/files/report.html", "", "/jobs/1/files/report.html", ""),
        ("/jobs/1/logs/a.html", "", "/jobs/1/logs/a.html", ""),
        ("/jobs/1/results/a.html", "", "/jobs/1/results/a.html", ""),
    ],
)
def test_the_ending_html_asks_for_the_page_of_a_document(path: str, query: str, read: str, found: str) -> None:
    scope = read_address(build_scope(path, query))
    assert (scope["path"], scope["query_string"].decode()) == (read, found)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("f=html&q=&status=failed&minDuration=", "f=html&status=failed"),
        ("f=html&q=a%3D%26b", "f=html&q=a%3D%26b"),
        ("q=&minDuration=", "q=&minDuration="),
    ],
)
def test_an_empty_field_of_a_form_narrows_nothing(query: str, found: str) -> None:
    assert read_address(build_scope("/jobs", query))["query_string"].decode() == found


@pytest.mark.parametrize(
    ("base", "path", "trail"),
    [
        ("http://a", "/", [("Start", None)]),
        ("http://a", "/jobs", [("Start", "http://a/"), ("Jobs", None)]),
        # a proxy has taken /zoo off
        (
            "https://a/zoo",
            "/jobs/jobs/results",
            [
                ("Start", "https://a/zoo/"),
                ("Jobs", "https://a/zoo/jobs"),
                ("jobs", "https://a/zoo/jobs/jobs"),
                ("Results", None),
            ],
        ),
        (
            "https://a/zoo/ws/processes",
            "/ws/processes/processes/echo",
            [
                ("Start", "https://a/zoo/ws/processes/"),
                ("Processes", "https://a/zoo/ws/processes/processes"),
                ("echo", None),
            ],
        ),
    ],
)
def test_a_page_shows_the_way_to_it(base: str, path: str, trail: list[tuple[str, str | None]]) -> None:
    assert [(crumb.title, crumb.href) for crumb in build_trail(path, base)] == trail


@pytest.mark.parametrize(
    ("base", "path", "root"),
    [
        ("http://a", "/jobs", ""),
        ("https://a/zoo", "/jobs", "/zoo"),
        ("https://a/zoo/ws/one", "/ws/one/jobs", "/zoo"),
        ("https://a/ws/one", "/ws/one/jobs", ""),
    ],
)
def test_what_pages_load_lies_under_the_address_of_the_server(base: str, path: str, root: str) -> None:
    assert build_frame(build_scope(path), base).root == root


def test_the_same_page_as_json_keeps_its_parameters() -> None:
    assert build_frame(build_scope("/jobs", "f=html&q=a b&status=failed"), "http://a").as_json == (
        "?q=a+b&status=failed&f=json"
    )


def test_every_file_that_pages_load_has_the_digest_of_its_content_in_its_name() -> None:
    files = [path for path in Path(assets.__file__).with_name("static").rglob("*.*") if path.suffix != ".txt"]
    assert sorted(load_assets()) == sorted(path.name for path in files)
    assert len({asset.name for asset in load_assets().values()}) == len(files)
    assert find_address("style.css").startswith("/assets/style.")


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [("gzip, br", True), ("br;q=1, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip;q=0.0", False), ("br", False)],
)
def test_a_body_is_compressed_for_who_takes_it(accepted: str, is_compressed: bool) -> None:
    body, headers = encode(b"a" * 5000, build_scope("/", "", (b"accept-encoding", accepted.encode())))
    assert (len(body) < 5000, headers == {"Content-Encoding": "gzip"}) == (is_compressed, is_compressed)
