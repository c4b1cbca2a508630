"""Stage-in and packages through the proxy that the variables name: what it is asked, what it is never asked."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stagein.settings import load_options
from stagein.stage import stage_in
from tests.servers import FileServer, serve_files
from zoo_runner.config.settings import load_settings
from zoo_runner.package.documents import Documents
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.contract

DATA = b"II*\x00through the proxy"


class _Handler(BaseHTTPRequestHandler):
    """Answers for every host, as a proxy that has all in its cache."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the addresses that it was asked for."""

    variables: dict[str, str]
    asked: list[str]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    handler = type("Handler", (_Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # of the process: nobody may ask there
        variables = {"http_proxy": f"http://127.0.0.1:{server.server_address[1]}"}
        yield Proxy(variables, handler.asked)  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as server:
        yield server


def bring(href: str, folder: Path, variables: dict[str, str]) -> bytes:
    job: dict[str, Any] = {"a": {"class": "File", "location": href}}
    options = replace(load_options(variables), retries=0, read_timeout_seconds=10)
    return Path(stage_in(job, folder / "in", options)["a"]["path"]).read_bytes()


def test_a_name_that_only_the_proxy_can_resolve(proxy: Proxy, tmp_path: Path) -> None:
    assert bring("http://data.invalid/scene.tif?v=1", tmp_path, proxy.variables) == DATA
    assert proxy.asked == ["http://data.invalid/scene.tif?v=1"]


def test_packages_are_fetched_by_the_proxy_of_the_settings(proxy: Proxy, tmp_path: Path) -> None:
    settings = load_settings({"ZOO_RUNNER_CACHE": str(tmp_path / "cache"), **proxy.variables})
    assert Documents("http://data.invalid/a.cwl", settings).read("http://data.invalid/a.cwl") == DATA
    assert proxy.asked == ["http://data.invalid/a.cwl"]


def test_a_proxy_of_the_process_is_none_of_a_workspace(
    web: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert bring(web.put("a.tif", DATA), tmp_path, {}) == DATA


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200"])
def test_a_metadata_address_is_refused_before_the_proxy_is_asked(proxy: Proxy, host: str, tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        bring(f"http://{host}/latest/meta-data/", tmp_path, proxy.variables)
    assert caught.value.kind is Kind.REFUSED
    assert proxy.asked == []


def test_a_host_that_needs_no_proxy_is_asked_itself(proxy: Proxy, web: FileServer, tmp_path: Path) -> None:
    variables = {**proxy.variables, "no_proxy": "127.0.0.1"}
    assert bring(web.put("a.tif", DATA), tmp_path, variables) == DATA
    assert proxy.asked == []


def test_a_proxy_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        bring("http://data.invalid/scene.tif", tmp_path, {"http_proxy": "http://someone:hidden@127.0.0.1:9"})
    assert "hidden" not in str(caught.value)
    assert caught.value.kind is Kind.UNREACHABLE
    assert caught.value.code == "source.unreachable"
    assert "127.0.0.1:9" in caught.value.reason
    assert "http_proxy" in caught.value.remedy
