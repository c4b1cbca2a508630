"""What is published of a job for its recovery."""

import json
from dataclasses import replace

import pytest

from zoo_runner.execution import job_record
from zoo_runner.execution.job_record import PACKAGE, RECORD, build_documents, build_package, build_record
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.package import NO_PACKAGE, Package
from zoo_runner.model.written import WrittenNumber
from zoo_runner.server.recovery.records import parse_package, parse_record

ID, TIME = "11111111-2222-4333-8444-555555555555", "2026-01-31T12:00:00.000Z"
SECRET = "canary-of-a-record"
JOB = Job(
    id=ID,
    workspace="forest",
    process_id="ndvi",
    workflow_id="ndvi",
    engine="local",
    package="digest",
    inputs={"limit": WrittenNumber("10.50"), "scene": "https://example.org/a?X-Amz-Signature=0123456789abcdef"},
    destination="s3://results/forest/1",
    created=TIME,
    updated=TIME,
    status=Status.FAILED,
    finished=TIME,
    caller="somebody",
    log="/var/lib/logs/1.log",
    allowed_roots=("/data",),
    trace="00-1-2-01",
    handle={"engine": "local"},
    settings={"STEP_IMAGE": "image"},
    request={"outputs": {"text": {}}, "subscriber": {"successUri": "https://example.org/"}},
    outcome=Outcome(
        Status.FAILED, diagnosis=Diagnosis(Stage.EXECUTE, Level.USER, f"a cause {SECRET}", "a remedy", log="/var/1.log")
    ),
)
DOCUMENT = {"cwlVersion": "v1.2", "$graph": [{"id": "#main", "class": "Workflow", "doc": "10.50"}]}
PACKED = Package(
    DOCUMENT, "#main", "ndvi", {"#a": "a"}, "digest", origins={"#main": "https://example.org/?token=abcdef"}
)


def test_a_record_has_neither_people_nor_secrets_nor_paths_of_the_machine() -> None:
    text = build_record(JOB, Masker([SECRET])).decode()
    for hidden in ("somebody", SECRET, "0123456789abcdef", "/var", "/data", "STEP_IMAGE", "successUri", "00-1-2-01"):
        assert hidden not in text
    assert json.loads(text)["job"]["request"] == {"outputs": {"text": {}}}


def test_what_is_written_is_read_again() -> None:
    job = parse_record(build_record(JOB, Masker()), ID)
    assert (job.process_id, job.status, job.finished) == ("ndvi", Status.FAILED, TIME)
    assert job.inputs["limit"].text == "10.50"
    assert job.outcome
    assert job.outcome.diagnosis
    assert job.outcome.diagnosis.cause == f"a cause {SECRET}"
    assert job.package == NO_PACKAGE.digest


def test_a_package_is_published_as_it_is_or_not_at_all() -> None:
    body = build_package(JOB, PACKED, Masker())
    assert body is not None
    assert b"token=" not in body
    published = parse_package(body)
    assert (json.loads(published.text), published.entry, published.types) == (DOCUMENT, "#main", {"#a": "a"})
    assert build_package(JOB, replace(PACKED, document={**DOCUMENT, "doc": SECRET}), Masker([SECRET])) is None
    assert build_package(JOB, NO_PACKAGE, Masker()) is None


def test_the_package_of_a_provider_is_not_given_to_its_users() -> None:
    assert build_package(replace(JOB, runs_in="provider"), PACKED, Masker()) is None


def test_sizes_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_documents(JOB, PACKED, Masker()).keys() == {RECORD, PACKAGE}
    monkeypatch.setattr(job_record, "MOST_PACKAGE_BYTES", 10)
    assert build_documents(JOB, PACKED, Masker()).keys() == {RECORD}
    monkeypatch.setattr(job_record, "MOST_RECORD_BYTES", 10)
    with pytest.raises(ValueError, match=r"limit is 10$"):
        build_documents(JOB, PACKED, Masker())
