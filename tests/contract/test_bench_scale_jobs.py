"""The measurement of large databases, with few jobs: each of its operations works, whatever their number."""

from contextlib import closing
from pathlib import Path

import pytest

from bench.many_jobs import fill
from bench.scale_jobs import build_operations, time_operation
from tests.contract.stores import PACKAGE, build_job
from zoo_runner.store.sql import open_sql_store


@pytest.mark.parametrize("jobs", [1, 250, 3000])
def test_few_jobs_are_measured_as_many_are(tmp_path: Path, jobs: int) -> None:
    url = f"sqlite:///{tmp_path}/runner.db"
    with closing(open_sql_store(url)) as store:
        store.jobs.create(build_job(0), PACKAGE)
        store.jobs.delete("job-0")
        fill(url, jobs)
        timed = {one.name: time_operation(one, 1) for one in build_operations(store, jobs)}
    assert {len(times) for times in timed.values()} == {1}
    assert f"list of {jobs // 2:,}: last page, by `skip`" in timed
