"""What is read before a request is denied: as much for what is private as for what is not there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import PACKAGE, build_job
from tests.server_api import opened_api
from zoo_runner.model.process import Process
from zoo_runner.server.access.admission import find_facts
from zoo_runner.server.api import Api
from zoo_runner.store.sql.jobs import SqlJobs
from zoo_runner.store.sql.processes import SqlProcesses

NOW = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is read of the database, in order."""
    found: list[str] = []
    for kind in (SqlJobs, SqlProcesses):
        get: Any = kind.get

        def noted(*given: Any, name: str = kind.__name__, get: Any = get) -> Any:
            found.append(name)
            return get(*given)

        monkeypatch.setattr(kind, "get", noted)
    return found


def list_reads(api: Api, reads: list[str], **params: str) -> list[str]:
    reads.clear()
    find_facts(api, "alpha", params)
    return list(reads)


def test_as_much_is_read_for_what_is_private_as_for_what_is_not_there(tmp_path: Path, reads: list[str]) -> None:
    with opened_api(tmp_path) as api:
        api.store.processes.deploy(Process("alpha", "hidden", PACKAGE.digest, {}, NOW, NOW), PACKAGE)
        for workspace in ("alpha", "beta"):
            job = replace(build_job(), id=f"of-{workspace}", workspace=workspace, process_id="hidden")
            api.store.jobs.create(job, PACKAGE)
        processes = [list_reads(api, reads, process_id=name) for name in ("hidden", "absent")]
        assert processes == [["SqlProcesses"]] * 2
        jobs = [list_reads(api, reads, job_id=name) for name in ("of-alpha", "of-beta", "absent")]
        assert jobs == [["SqlJobs", "SqlProcesses"]] * 3
        assert find_facts(api, "alpha", {"job_id": "of-beta"}) == {"process": None, "job": None}
        assert find_facts(api, "alpha", {"job_id": "of-alpha"})["process"]["is_deployed"]
