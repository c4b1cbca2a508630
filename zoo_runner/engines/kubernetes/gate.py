"""The start of a submitted job, and what its end says of it if its root object was stopped or is gone."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.background import fail
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.engines.kubernetes.errors import build_not_reached, reaching
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.root import ClusterJob, is_dismissed
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, EngineError, RunnerError
from zoo_runner.model.job import Outcome, Results

LOST = (401, 403)
"""Refusals that may pass when this account has its permissions again."""
Start = Callable[[], None]
"""Starts a submitted job."""
_DISMISSED = ("the job was dismissed", "Nothing to do; run it again if you want its results.")


def reach_cluster(settings: KubernetesSettings) -> Cluster:
    """Connect to the cluster of a job that may run; raises `NotReachedError`."""
    try:
        return connect(settings)
    except RunnerError as error:
        raise build_not_reached(error) from error


class Gate:
    """The start of a job: its root object is suspended until its volume is bound; `is_open`: it was started.

    `waits`: this process has submitted it and started it never, so that its start says whether it is there still.
    """

    def __init__(self, job: ClusterJob, *, waits: bool = False) -> None:
        self.root, self.is_open = job.root, False
        self._names, self._waits = job.names, waits

    def find_start(self) -> Start | None:
        """Return the call that starts it; None if it was started before.

        Raises `NotReachedError` if the cluster does not answer, which says nothing about the job, and `EngineError`
        if it was deleted.
        """
        if self._waits:
            return self._open
        try:
            job = self.root.get()
        except EngineError as error:
            raise build_not_reached(error) from error
        if job is None:
            raise self._build_lost()
        # the last lines of a dismissed job are still read
        self.is_open = is_dismissed(job) or not job["spec"].get("suspend")
        return None if self.is_open else self._open

    def reaching(self) -> AbstractContextManager[None]:
        """Raise `NotReachedError` for errors that say nothing about the job; while it may run, also for refusals."""
        return reaching(*(LOST if self.is_open else ()))

    def _open(self) -> None:
        released = self.root.release()
        self.is_open = True
        # what takes the change without an answer is read
        job = released or self.root.get()
        if job is None:
            raise self._build_lost()
        if is_dismissed(job):  # before it was started
            self.root.dismiss()
            raise DismissedError(*_DISMISSED)

    def _build_lost(self) -> EngineError:
        return EngineError(
            f"the {self.root.kind} {self._names.job} is gone from namespace {self._names.namespace} and left no"
            " results here",
            f"Run the job again: its {self.root.kind} was deleted, or its time (ZOO_RUNNER_KEPT_HOURS) was over.",
            code="job.lost",
        )


def follow_from_gate(
    settings: KubernetesSettings,
    open_job: Callable[[Cluster], ClusterJob],
    begin: Callable[[ClusterJob, Start | None], "Future[Outcome]"],
    conclude: Callable[[ClusterJob, Callable[[], Outcome]], Results],
    cancellation: Cancellation,
    pool: ThreadPoolExecutor | None = None,
    *,
    waits: bool = False,
) -> "Future[Results]":
    """Follow a submitted job from its gate on, with no thread of its own; `conclude` runs in `pool` if that is given.

    `begin` gets the call that starts the job, None if it was started before, and returns how it ended; `conclude` gets
    a call that returns this, or raises why it is not known. `waits`: as for `Gate`.
    """
    try:
        cluster = reach_cluster(settings)
    except RunnerError as error:
        return fail(error)
    job = open_job(cluster)
    gate = Gate(job, waits=waits)

    def pass_gate() -> "Future[Outcome]":
        start = gate.find_start()
        if start:
            cancellation.check()
        return begin(job, start)

    def end(followed: "Future[Outcome]") -> Results:
        return conclude(job, lambda: get_outcome(followed, gate, cancellation))

    return cluster.background.chain(pass_gate, end, pool)


def get_outcome(followed: "Future[Outcome]", gate: Gate, cancellation: Cancellation) -> Outcome:
    """Return how a job ended; raises why that is not known. A cancellation takes precedence."""
    try:
        return followed.result()
    except RunnerError:
        cancellation.check()
        with gate.reaching():
            _ensure_not_dismissed(gate.root.get())
            raise


def _ensure_not_dismissed(job: Manifest | None) -> None:
    if is_dismissed(job):
        raise DismissedError(*_DISMISSED)
