"""A service with the handler of the incumbent's templates runs in a kernel with its import line changed, whole."""

import base64
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers import S3Server
from tests.values import EXAMPLES, ROOT
from zoo_runner.testing import KernelDouble, SubmittedJob

SERVICE = ROOT / "tests" / "data" / "incumbent" / "scene_service.py.txt"
ITS_IMPORT = "from zoo_calrissian_runner import ExecutionHandler, ZooCalrissianRunner"
OUR_IMPORT = "from zoo_runner.calrissian_runner import ExecutionHandler, ZooCalrissianRunner"
CLAIMS = base64.urlsafe_b64encode(json.dumps({"user_name": "alice"}).encode()).decode().rstrip("=")
TOKEN = f"canary-header.{CLAIMS}.canary-signature"


@dataclass
class WorkspaceService:
    """What a platform keeps of its workspaces: the keys of a bucket, and collections that somebody registers."""

    url: str
    registered: list[Any] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


@pytest.fixture
def workspaces(s3: S3Server) -> Iterator[WorkspaceService]:
    store = s3.options
    (s3.folder / "alice-bucket").mkdir(exist_ok=True)
    credentials = {
        "endpoint": str(store.endpoint),
        "access": str(store.access_key_id),
        "secret": str(store.secret_access_key),
        "region": store.region,
        "bucketname": "alice-bucket",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"storage": {"credentials": credentials}})

        def do_POST(self) -> None:
            reported = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.registered.append((urlsplit(self.path).path, reported))
            self._answer({})

        def _answer(self, document: Any) -> None:
            service.tokens.add(self.headers.get("Authorization", ""))
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = WorkspaceService(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def kernel(tmp_path: Path, workspaces: WorkspaceService) -> KernelDouble:
    kernel = KernelDouble(
        tmp_path / "zoo",
        environ={
            "ZOO_RUNNER_ENGINE": "local",
            "ZOO_RUNNER_CONTAINERS": "none",
            "ZOO_RUNNER_ISOLATION": "trusted",
            "WORKSPACE_API": workspaces.url,
        },
        sections={"auth_env": {"user": "alice", "jwt": TOKEN}},
        python_path=[path for path in sys.path if path.endswith("site-packages")],
    )
    folder = kernel.deploy("alice", EXAMPLES / "echo" / "echo.cwl", "echo")
    text = SERVICE.read_text()
    assert text.count(ITS_IMPORT) == 1
    (folder / "service.py").write_text(text.replace(ITS_IMPORT, OUR_IMPORT))
    return kernel


def run(kernel: KernelDouble) -> SubmittedJob:
    return kernel.submit("alice", "echo", {"inputs": {"message": "hello"}}).wait()


def test_it_runs_and_its_handler_finds_bucket_results_and_logs(
    kernel: KernelDouble, workspaces: WorkspaceService, s3: S3Server
) -> None:
    job = run(kernel)
    assert job.succeeded, job.message + job.error_log
    # to change the folder is the template's own doing
    assert [text for text in job.violations if "current folder" not in text] == []
    features = json.loads(job.outputs["text"]["value"])["features"]
    links = [asset["href"] for feature in features for asset in feature["assets"].values()]
    assert links
    assert all(link.startswith(f"s3://alice-bucket/alice/processing-results/{job.id}/") for link in links)
    assert all((s3.folder / link.removeprefix("s3://")).is_file() for link in links)

    assert [path for path, _ in workspaces.registered] == ["/workspaces/alice/register-json"]
    assert workspaces.registered[0][1]["type"] == "Collection"
    assert workspaces.tokens == {f"Bearer {TOKEN}"}

    urls = [url for key, url in job.service_logs.items() if key.startswith("url")]
    assert any(url.endswith(f"/echo-{job.id}/write.log") for url in urls)
    assert "Pre execution hook" in job.error_log
    assert "Post execution hook" in job.error_log


def test_no_key_and_no_token_that_the_handler_saw_gets_into_public_files(kernel: KernelDouble, s3: S3Server) -> None:
    job = run(kernel)
    served = [path.read_text(errors="replace") for path in job.temp.rglob("*") if path.is_file()]
    assert served
    assert not any(secret in text for secret in (TOKEN, str(s3.options.secret_access_key)) for text in served)
