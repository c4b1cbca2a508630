"""What a system test says of a job that fails, by the status of the job."""

import json
from dataclasses import dataclass, field
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from zoo_runner.api_client import Answer, ApiClient
from zoo_runner.system_test.checks import Subject, run_checks
from zoo_runner.system_test.report import Finding, Verdict, build_junit, format_finding, format_summary

CLASSES = ["http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf/deploy-replace-undeploy"]
BROKEN = {"code": "containers.broken", "level": "platform", "cause": "no runtime", "remedy": "Repair it."}
BY_TOOL = {"code": "step.exit-code", "level": "user", "cause": "exit code 3", "remedy": "Read its log."}


class Server:
    """A server whose jobs fail with a diagnosis."""

    def __init__(self, diagnosis: dict[str, Any]) -> None:
        self._job = {"jobID": "1", "status": "failed", "message": "failed", "diagnosis": diagnosis}

    def mask(self, text: str) -> str:
        return text

    def call(self, method: str, path: str, body: bytes | None = None, *fields: str) -> Answer:
        document: dict[str, Any] = {"conformsTo": CLASSES, "inputs": {"word": {}}, **self._job}
        return Answer(200, {}, json.dumps(document).encode())


def find(diagnosis: dict[str, Any]) -> dict[str, Finding]:
    subject = Subject(cast(ApiClient, Server(diagnosis)), "https://hub.example.org", "1", 0.0)
    return {finding.name: finding for finding in run_checks(subject)}


@pytest.mark.parametrize(("diagnosis", "verdict"), [(BROKEN, Verdict.FAILED), (BY_TOOL, Verdict.PASSED)])
def test_a_job_that_fails_has_to_fail_by_its_tool(diagnosis: dict[str, Any], verdict: Verdict) -> None:
    failure = find(diagnosis)["failure"]
    assert failure.verdict is verdict
    assert diagnosis["code"] in failure.found
    assert failure.remedy == (diagnosis["remedy"] if verdict is Verdict.FAILED else "")


def test_results_and_logs_of_a_job_that_failed_are_not_looked_at() -> None:
    found = find(BROKEN)
    assert found["run"].verdict is Verdict.FAILED
    assert {found[name].verdict for name in ("results", "logs")} == {Verdict.SKIPPED}


# --- a ZOO kernel

HUB = "https://hub.example.org"
COLLECTION = {"type": "Collection", "links": [{"rel": "root", "href": "c.json"}, {"rel": "item", "href": "i/i.json"}]}
BY_STEP = "step 'speak': exit code 3"


@dataclass(frozen=True)
class Kernel:
    """Answers as a ZOO kernel does: the jobs `echo`, `fails` and `waits`, whose results are a catalog in `temp`."""

    file: str = "said: 1"
    message: str = BY_STEP
    powered_by: str = "ZOO-Project-DRU"
    processes: tuple[str, ...] = ("echo", "fails", "waits")
    removed: list[str] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=lambda: COLLECTION)

    def mask(self, text: str) -> str:
        return text

    def replace_token(self, token: str) -> "Kernel":
        return self

    def call(self, method: str, path: str, body: bytes | None = None, *fields: str) -> Answer:
        path = path.removeprefix(HUB)
        kind = path.removesuffix("/execution").rpartition("-")[2]
        if path.startswith("/processes/") or method == "POST":
            return self.answer_process(method, path, kind)
        documents: dict[str, dict[str, Any]] = {
            "/conformance": {"conformsTo": CLASSES},
            "/processes": {"processes": [{"id": f"system-test-1-{one}"} for one in self.processes]},
            "/jobs": {"jobs": []},
        }
        if path in documents:
            return build(200, documents[path], {"x-powered-by": self.powered_by})
        return self.answer_job(method, path)

    def answer_process(self, method: str, path: str, kind: str) -> Answer:
        if kind not in self.processes or path in self.removed:
            return build(404, {"title": "NoSuchProcess", "detail": "Unable to parse the ZCFG file: x.zcfg"})
        if path.endswith("/execution"):
            return build(201, {"jobID": kind})
        if method == "DELETE":
            self.removed.append(path)
        return build({"POST": 201, "DELETE": 204}.get(method, 200), {"inputs": {"word": {}}})

    def answer_job(self, method: str, path: str) -> Answer:
        status = {"echo": "successful", "fails": "failed", "waits": "running"}
        links = [{"title": "Tool log", "href": f"{HUB}/temp/speak.log"}]
        files = {
            "/jobs/echo/results": self.results,
            "/i/i.json": {"assets": {"said": {"href": "said.txt"}}},
            **{
                f"/jobs/{one}": {"status": said, "message": self.message, "links": links}
                for one, said in status.items()
            },
        }
        if method == "DELETE":
            self.removed.append(path)
            return build(200, {})
        if path in self.removed:
            return build(404, {})
        if path in files:
            return build(200, files[path])
        return Answer(200, {}, self.file.encode() if path == "/i/said.txt" else b"system test says 1")


def build(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps(document).encode())


def ask(kernel: Kernel, other: Kernel | None = None, **more: Any) -> dict[str, Finding]:
    named = cast("ApiClient | None", other)
    subject = Subject(cast(ApiClient, kernel), HUB, "1", 0.0, other=named, intruder=named, **more)
    return {finding.name: finding for finding in run_checks(subject)}


@pytest.mark.parametrize("powered_by", ["ZOO-Project-DRU", "", "something"])
def test_what_a_kernel_cannot_do_is_not_applicable_and_never_passed(powered_by: str) -> None:
    found = ask(Kernel(powered_by=powered_by), Kernel(powered_by=powered_by, processes=()))
    passed = ("landing", "deploy", "run", "results", "logs", "failure", "dismiss", "undeploy")
    assert {name: one.verdict for name, one in found.items()} == (
        dict.fromkeys(passed, Verdict.PASSED)
        | dict.fromkeys(("login", "isolation", "access"), Verdict.NOT_APPLICABLE)
        | {"backup": Verdict.SKIPPED}
    )
    findings = list(found.values())
    assert "8 passed, 0 failed, 1 skipped, 3 not applicable in " in format_summary(HUB, findings)
    assert format_finding(found["access"]).split()[:3] == ["not", "applicable", "access"]
    suite = ElementTree.fromstring(build_junit(HUB, findings))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("12", "0", "4")
    messages = [case.find("skipped") for case in suite if case.get("name") == "access"]
    assert [str(one.get("message")).partition(":")[0] for one in messages if one is not None] == ["not applicable"]


def test_a_kernel_that_shows_others_what_a_workspace_has_deployed_fails() -> None:
    isolation = ask(Kernel(), Kernel())["isolation"]
    assert (isolation.verdict, isolation.remedy != "") == (Verdict.FAILED, True)
    assert "/processes/system-test-1-echo" in isolation.found


def test_a_kernel_behind_a_login_is_tested_like_other_servers() -> None:
    found = ask(Kernel(), Kernel(processes=()), has_token=True)
    # nobody is refused here
    assert (found["login"].verdict, found["isolation"].verdict) == (Verdict.FAILED, Verdict.FAILED)
    assert all("/temp/" in found[name].remedy for name in ("login", "isolation"))


@pytest.mark.parametrize(
    ("kernel", "has_files"),
    [
        (Kernel(file="said: another"), True),
        (Kernel(results={"links": []}), False),
    ],
    ids=["file", "none"],
)
def test_files_that_the_server_keeps_have_to_have_what_was_said(kernel: Kernel, has_files: bool) -> None:
    results = ask(kernel)["results"]
    # how many files were looked at
    assert (results.verdict, " 2 " in results.found) == (Verdict.FAILED, has_files)


def test_results_in_a_bucket_are_not_read() -> None:
    results = ask(Kernel(results={"said": {"href": "s3://bucket/said.txt"}}))["results"]
    assert results.verdict is Verdict.PASSED
    assert results.found.endswith("s3://bucket/said.txt")


@pytest.mark.parametrize("message", ["", "no image of the job can be pulled"])
def test_a_message_about_another_failure_than_that_of_the_tool_fails(message: str) -> None:
    failure = ask(Kernel(message=message))["failure"]
    assert failure.verdict is Verdict.FAILED
    assert message in failure.found
