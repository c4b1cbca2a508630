"""An engine that runs nothing: the double for tests, which keeps the same contract as the real ones."""

import threading

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.protocol import Capabilities, JobSpec, Plan
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import Report, StageStarted
from zoo_runner.model.job import Outcome, Results, Status


class FakeEngine:
    """Ends every job as it was told: at once with `document`, with `failure`, or not before it is cancelled."""

    name = "fake"
    capabilities = Capabilities(remote=True, isolates=True)

    waits = False

    def __init__(self, configuration: Configuration) -> None:
        self.document: dict[str, object] = {}
        self.failure: RunnerError | None = None
        self.finished: dict[str, Outcome] = {}
        self.cancelled: list[str] = []
        self._running: dict[str, Cancellation] = {}

    def plan(self, job: JobSpec) -> Plan:
        """Plan nothing."""
        return Plan(job, self.name, {})

    def run(self, plan: Plan, report: Report, cancellation: Cancellation) -> Outcome:
        """End as told."""
        job = plan.job
        self._running[job.id] = cancellation
        report(StageStarted(Stage.EXECUTE, "nothing, by the fake engine"))
        if self.waits:
            stopped = threading.Event()
            with cancellation.calling(stopped.set):
                stopped.wait()
        cancellation.check()
        if self.failure:
            raise self.failure
        results = Results(self.document, {"type": "Collection", "id": job.id}, f"{job.destination}/collection.json")
        self.finished[job.id] = Outcome(Status.SUCCESSFUL, results)
        return self.finished[job.id]

    def reattach(self, job_id: str, report: Report, cancellation: Cancellation) -> Outcome:
        """Return how the job ended."""
        try:
            return self.finished[job_id]
        except KeyError:
            raise EngineError(f"job {job_id} is not known to the fake engine", "Run it first.") from None

    def cancel(self, job_id: str) -> None:
        """Stop the job if it runs."""
        self.cancelled.append(job_id)
        if job_id in self._running:
            self._running[job_id].cancel()


class WaitingEngine(FakeEngine):
    """Ends no job before it is cancelled, also in processes that tests cannot reach."""

    name = "fake-waiting"
    waits = True
