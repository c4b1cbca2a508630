"""What a system test says of a job that fails, by the status of the job."""

import json
from typing import Any, cast

import pytest

from zoo_runner.api_client import Answer, ApiClient
from zoo_runner.system_test.checks import Subject, run_checks
from zoo_runner.system_test.report import Finding, Verdict

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
