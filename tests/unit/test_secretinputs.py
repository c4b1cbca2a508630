"""Secret inputs of a job on Kubernetes: nothing that is written down has their values."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.unit.test_steppod import NAMES, OWNER, REQUEST
from tests.values import configuration_in, small_job
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.kubernetes.bundle import read_job
from zoo_runner.engines.kubernetes.job_pod.steppod import build_step_pod, build_step_settings, show_pod
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.secret_inputs import pick_secret_inputs
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.engines.secret_inputs import find_placeholders, hide_secret_inputs
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import StepLines, mask_event
from zoo_runner.model.masking import MASK, Masker
from zoo_runner.package.extensions import SECRETS

ZERO, ONE = "ZOO_RUNNER_SECRET_INPUT_0", "ZOO_RUNNER_SECRET_INPUT_1"


def build_job(folder: Path) -> JobSpec:
    names = ["absent", "password", "token"]
    inputs = [{"id": f"#main/{name}", "type": ["null", "string"]} for name in (*names, "user")]
    order = {"password": "canary-p", "token": "canary-t", "user": "ada", "absent": None}
    return small_job(folder, order, inputs=inputs, hints=[{"class": SECRETS, "secrets": names}])


def build_pod(*args: str, **environ: str) -> Manifest:
    settings = build_step_settings(NAMES, KubernetesSettings(), [ZERO, ONE])
    return build_step_pod(replace(REQUEST, args=args, variables=environ), settings, "b", OWNER)


def test_a_job_is_sent_with_placeholders(tmp_path: Path) -> None:
    hidden, values = hide_secret_inputs(build_job(tmp_path))
    placeholders = {"password": f"(secret-{ZERO})", "token": f"(secret-{ONE})"}
    assert hidden.order == {**placeholders, "user": "ada", "absent": None}
    assert values == {ZERO: "canary-p", ONE: "canary-t"}
    assert find_placeholders(pick_secret_inputs({**values, "OTHER": "x"})) == {
        f"(secret-{ZERO})": "canary-p",
        f"(secret-{ONE})": "canary-t",
    }


def test_each_text_in_a_secret_input_is_masked(tmp_path: Path) -> None:
    order = {"password": ["canary-1", {"key": "canary-2"}], "user": "ada"}
    assert replace(build_job(tmp_path), order=order).secrets == ("canary-1", "canary-2")


def test_a_secret_input_of_several_lines_is_masked_in_a_batch_of_lines(tmp_path: Path) -> None:
    masker = Masker(replace(build_job(tmp_path), order={"password": "canary-1\n  canary-2\n"}).secrets)
    event = StepLines("a", ("before", "canary-1", "  canary-2", "after"))
    assert mask_event(event, masker).lines == ("before", MASK, f"  {MASK}", "after")


def test_a_step_gets_the_secret_inputs_that_its_command_names() -> None:
    [container] = build_pod(f"--token=(secret-{ONE})", "$(HOME)")["spec"]["containers"]
    assert container["args"][-2:] == [f"--token=$({ONE})", "$$(HOME)"]
    assert container["env"] == [
        {"name": ONE, "valueFrom": {"secretKeyRef": {"name": "job-1-staging", "key": ONE}}},
    ]


def test_a_variable_that_holds_a_secret_input_comes_after_it() -> None:
    [container] = build_pod("env", LOGIN=f"ada:(secret-{ZERO})")["spec"]["containers"]
    assert [entry["name"] for entry in container["env"]] == [ZERO, "LOGIN"]
    assert container["env"][1]["value"] == f"ada:$({ZERO})"


def test_a_step_without_secret_inputs_gets_none() -> None:
    [container] = build_pod("echo", A="b")["spec"]["containers"]
    assert container["env"] == [{"name": "A", "value": "b"}]


def test_the_manifest_in_the_log_names_the_secret_that_a_value_comes_from() -> None:
    shown = json.loads(show_pod(build_pod(f"(secret-{ZERO})", A="b"), Masker()))
    assert shown["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["key"] == ZERO


class _Accepting(BaseHTTPRequestHandler):
    """A cluster that has nothing and takes everything."""

    posted: ClassVar[list[Manifest]] = []

    def do_GET(self) -> None:
        self._answer(404, {"kind": "Status", "reason": "NotFound", "message": "not found", "code": 404})

    def do_POST(self) -> None:
        manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if manifest["kind"] == "SelfSubjectAccessReview":
            self._answer(201, {"status": {"allowed": True}})
            return
        manifest["metadata"]["uid"] = f"uid-{len(self.posted)}"
        self.posted.append(manifest)
        self._answer(201, manifest)

    def _answer(self, status: int, document: Manifest) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cluster() -> Iterator[str]:
    _Accepting.posted.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Accepting) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_only_the_secret_of_the_job_is_sent_with_secret_inputs(tmp_path: Path, cluster: str) -> None:
    job = replace(build_job(tmp_path), destination="s3://results/x", uid="u1")
    engine = CalrissianEngine(configuration_in(tmp_path, ZOO_RUNNER_KUBERNETES_URL=cluster))
    plan = engine.plan(job)
    assert "canary" not in json.dumps([plan.submission[part] for part in ("manifests", "steps", "tenant")])
    engine.submit(plan, lambda _: None, Cancellation())
    handle = plan.handle
    assert json.loads(json.dumps(handle.data)) == handle.data
    assert "canary" not in json.dumps(handle.data)
    planned = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in plan.submission["manifests"]]
    sent = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in _Accepting.posted]
    assert sorted(planned) == sorted(sent[len(plan.submission["tenant"]) :])
    [secret] = [manifest for manifest in _Accepting.posted if manifest["kind"] == "Secret"]
    assert {base64.b64decode(secret["data"][name]) for name in (ZERO, ONE)} == {b"canary-p", b"canary-t"}
    [bundle] = [manifest for manifest in _Accepting.posted if manifest["kind"] == "ConfigMap"]
    opened, _ = read_job(base64.b64decode(bundle["binaryData"]["part-0000"]), tmp_path / "pod", tmp_path / "logs")
    assert opened.order["password"] == f"(secret-{ZERO})"
    engine.submit(plan, lambda _: None, Cancellation())
    [again] = [manifest for manifest in _Accepting.posted if manifest["kind"] == "ConfigMap"][1:]
    assert again["binaryData"] == bundle["binaryData"], "a bundle may be put together of two attempts"
