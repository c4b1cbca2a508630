"""Stage-in through the proxy that the environment names: what it is asked, what it is never asked."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from tests.servers import FileServer, serve_files
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.contract

QUICK = StageInOptions(retries=0, read_timeout_seconds=10)
DATA = b"through the proxy"


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the proxy of the environment is asked for, as it is asked."""
    handler = type("Handler", (_Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        yield handler.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as server:
        yield server


def bring(href: str, folder: Path, options: StageInOptions = QUICK) -> bytes:
    job: dict[str, Any] = {"a": {"class": "File", "location": href}}
    return Path(stage_in(job, folder / "in", options)["a"]["path"]).read_bytes()


def test_a_name_that_only_the_proxy_can_resolve(asked: list[str], tmp_path: Path) -> None:
    assert bring("http://data.invalid/scene.tif?v=1", tmp_path) == DATA
    assert asked == ["http://data.invalid/scene.tif?v=1"]


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200"])
def test_a_metadata_address_is_refused_before_the_proxy_is_asked(asked: list[str], host: str, tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        bring(f"http://{host}/latest/meta-data/", tmp_path)
    assert caught.value.kind is Kind.REFUSED
    assert asked == []


def test_a_host_that_needs_no_proxy_is_asked_itself(
    asked: list[str], web: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert bring(web.put("a.tif", b"direct"), tmp_path) == b"direct"
    assert asked == []


def test_a_proxy_that_is_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://someone:hidden@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(StagingError) as caught:
        bring("http://data.invalid/scene.tif", tmp_path)
    assert caught.value.kind is Kind.UNREACHABLE
    assert caught.value.code == "source.unreachable"
    assert "127.0.0.1:9" in caught.value.reason
    assert "http_proxy" in caught.value.remedy
