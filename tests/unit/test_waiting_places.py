"""Requests that wait for jobs: so many at once, of which one workspace has a share."""

import asyncio
import threading
from typing import Any, cast

from tests.contract.stores import build_job
from zoo_runner.model.job import Job, Status
from zoo_runner.server.waiting import Endings
from zoo_runner.store.sql import SqlStore


class Store:
    """A store with one job, which has the status that the test sets."""

    def __init__(self) -> None:
        self.jobs, self.status = self, Status.RUNNING
        self.asked = threading.Semaphore(0)

    def get(self, job_id: str) -> Job:
        self.asked.release()
        return build_job(1, status=self.status)


def test_a_workspace_that_takes_its_share_of_the_places_holds_up_nobody() -> None:
    store, endings = Store(), Endings()

    def wait(workspace: str) -> Any:
        return asyncio.create_task(endings.wait_aside(cast(SqlStore, store), workspace, "job-1", 60))

    async def try_it() -> None:
        greedy = [wait("greedy") for _ in range(100)]
        await asyncio.to_thread(lambda: [store.asked.acquire() for _ in greedy])
        assert (await wait("greedy")).status is Status.RUNNING
        other = wait("other")
        await asyncio.to_thread(store.asked.acquire)
        store.status = Status.SUCCESSFUL
        endings.notify("job-1")
        assert {job.status for job in await asyncio.gather(other, *greedy)} == {Status.SUCCESSFUL}

    asyncio.run(try_it())
