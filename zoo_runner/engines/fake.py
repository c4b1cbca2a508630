"""An engine that runs nothing: the double for tests, held to the same contract as the real ones."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.pipeline import build_not_continuable, build_nothing_kept
from zoo_runner.engines.protocol import Capabilities, Check, Handle, JobSpec, Leftover, Plan
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import Report, StageStarted
from zoo_runner.model.job import Results
from zoo_runner.model.needs import NO_NEEDS, Needs
from zoo_runner.model.package import Package

FAKE_WORK = "nothing, by the fake engine"
"""What it reports to execute."""


class FakeEngine:
    """Ends every job at once, with `document` or with `failure`; with `waits` only when it is cancelled.

    It knows the jobs that were submitted to it until they
    are removed; another process knows none of them, even with a handle.
    """

    name = "fake"
    capabilities = Capabilities(remote=True, isolates=True)

    waits = False

    def __init__(self, configuration: Configuration) -> None:
        self.document: dict[str, object] = {}
        self.failure: RunnerError | None = None
        self.submitted: dict[str, Cancellation] = {}
        self.removed: list[str] = []

    def plan(self, job: JobSpec) -> Plan:
        """Plan nothing but what identifies the job."""
        return Plan(job, Handle(self.name, job.id, {"destination": job.destination}), {})

    def measure(self, package: Package) -> Needs:
        """Take nothing."""
        return NO_NEEDS

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
        """Record the job."""
        cancellation.check()
        self.submitted.setdefault(plan.job.id, Cancellation())

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Future[Results]:
        """End as configured; a waiting job needs no thread."""
        future: Future[Results] = Future()
        own = self.submitted.get(handle.job_id)
        if own is None:
            future.set_exception(
                EngineError(f"job {handle.job_id} is not known to the fake engine", "Run it again.", code="job.lost")
            )
            return future
        try:
            report(StageStarted(Stage.EXECUTE, FAKE_WORK))
            cancellation.check()
            own.check()
            if not self.waits:
                future.set_result(self._finish(handle))
        except Exception as error:  # noqa: BLE001 what waits for the future gets the error
            future.set_exception(error)
        if not future.done():
            cancellation.when_cancelled(lambda: _end(future, cancellation))
            own.when_cancelled(lambda: _end(future, own))
        return future

    def cancel(self, handle: Handle) -> None:
        """Stop the job if it runs."""
        if handle.job_id in self.submitted:
            self.submitted[handle.job_id].cancel()

    def remove(self, handle: Handle) -> None:
        """Forget the job."""
        self.submitted.pop(handle.job_id, None)
        self.removed.append(handle.job_id)

    def publish(self, handle: Handle, job: JobSpec, report: Report, cancellation: Cancellation) -> Results:
        """Keep no results."""
        raise build_nothing_kept(handle)

    def forget(self, handle: Handle) -> None:
        """Have nothing to forget."""

    def ensure_continuable(self, handle: Handle) -> None:
        """Refuse: nothing of the steps of a job that failed is kept."""
        raise build_not_continuable(handle, f"the engine {self.name} keeps nothing of the steps of a job")

    def check(self, destination: str | None, package: Package | None = None) -> Iterator[Check]:
        """Find everything in order."""
        yield Check(ok=True, about="fake engine", found="ready", expected="ready")

    def examine(self, package: Package) -> Iterator[RunnerError]:
        """Find nothing."""
        return iter(())

    def find_leftovers(self, running: Collection[str]) -> list[Leftover]:
        """Find the jobs that were not removed."""
        return [
            Leftover("Job", "", job_id, job_id, "1970-01-01T00:00:00Z")
            for job_id in self.submitted
            if job_id not in running
        ]

    def remove_leftovers(self, leftovers: Iterable[Leftover]) -> None:
        """Forget them."""
        for left in leftovers:
            self.submitted.pop(left.job, None)

    def _finish(self, handle: Handle) -> Results:
        if self.failure:
            raise self.failure
        collection: dict[str, Any] = {"type": "Collection", "id": handle.job_id}
        return Results(self.document, collection, f"{handle.data['destination']}/collection.json")


def _end(future: Future[Results], cancellation: Cancellation) -> None:
    # the other cancellation may have ended it already
    with suppress(InvalidStateError):
        future.set_exception(cancellation.error())


class WaitingEngine(FakeEngine):
    """Ends no job before it is cancelled, also in processes that tests cannot reach."""

    name = "fake-waiting"
    waits = True
