"""Figures of a worker in the format of Prometheus: jobs, leases, the queue, requests to Kubernetes."""

from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zoo_runner.engines.kubernetes.counts import NO_ANSWER, REQUESTS
from zoo_runner.execution.keeper import Look
from zoo_runner.metrics import create_registry
from zoo_runner.model import clock
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Job, Status

LEFT = "left"
"""The end of work on a job that has not ended: it could not be followed, and is tried again."""
_JOB_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_WAIT_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)


class Working(Protocol):
    """What a worker says of itself when it is asked."""

    @property
    def jobs(self) -> int:
        """How many jobs it works on."""
        ...

    @property
    def most_jobs(self) -> int:
        """How many it works on at most."""
        ...

    @property
    def jobs_away(self) -> int:
        """How many could not be followed, and are tried again later."""
        ...


class WorkerMetrics:
    """Counts what a worker does; threads may share it."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry = create_registry()
        self._looks = Counter(
            "zoo_runner_worker_looks", "Looks at the queue, by what they found.", ("outcome",), registry=self.registry
        )
        self._leases = Counter(
            "zoo_runner_worker_leases",
            "Leases of jobs that were renewed or lost, or about which the database did not answer.",
            ("outcome",),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "zoo_runner_worker_job_seconds",
            "Time from when a job was taken until the work on it ended.",
            ("engine", "status"),
            buckets=_JOB_SECONDS,
            registry=self.registry,
        )
        self._waits = Histogram(
            "zoo_runner_worker_wait_seconds",
            "Time that new jobs had waited when they were taken.",
            buckets=_WAIT_SECONDS,
            registry=self.registry,
        )
        for outcome in ("job", "nothing", "failed"):
            # what is not there is no 0 for Prometheus, and its first increase is not seen
            self._looks.labels(outcome)
        for look in Look:
            self._leases.labels(look.value)

    def watch(self, worker: Working, find_oldest_waiting: Callable[[], str | None]) -> None:
        """Ask these whenever the figures are read; `find_oldest_waiting` may raise `RunnerError`."""
        self.registry.register(_Now(worker, find_oldest_waiting))

    def count_look(self, job: Job | None) -> None:
        """Count a look at the queue, and how long a new job had waited."""
        self._looks.labels("job" if job else "nothing").inc()
        # one that was taken from another worker has waited for that one before
        if job and job.status is Status.ACCEPTED:
            self._waits.observe(max(0.0, clock.seconds_since(job.created)))

    def count_failed_look(self) -> None:
        """Count a look at the queue that the database did not answer."""
        self._looks.labels("failed").inc()

    def count_leases(self, look: Look, count: int) -> None:
        """Count leases that were looked at."""
        self._leases.labels(look.value).inc(count)

    def count_end(self, job: Job, status: str, seconds: float) -> None:
        """Count the end of the work on a job."""
        self._seconds.labels(job.engine, status).observe(seconds)


class _Now(Collector):
    """What is counted when it is asked for."""

    def __init__(self, worker: Working, find_oldest_waiting: Callable[[], str | None]) -> None:
        self._worker, self._find_oldest_waiting = worker, find_oldest_waiting

    def describe(self) -> Iterator[Metric]:
        """Name nothing before it is asked for: that would ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Ask the worker and the database; the age of the queue is left out where the database does not answer."""
        worker = self._worker
        yield GaugeMetricFamily("zoo_runner_worker_jobs", "Jobs that the worker works on.", worker.jobs)
        yield GaugeMetricFamily("zoo_runner_worker_jobs_limit", "Most jobs that it works on at once.", worker.most_jobs)
        yield GaugeMetricFamily(
            "zoo_runner_worker_jobs_away", "Jobs that it could not follow, and tries again later.", worker.jobs_away
        )
        try:
            created = self._find_oldest_waiting()
        except RunnerError:
            pass
        else:
            waits = 0.0 if created is None else clock.seconds_since(created)
            yield GaugeMetricFamily(
                "zoo_runner_worker_queue_oldest_seconds", "How long the oldest waiting job waits.", max(0.0, waits)
            )
        requests = CounterMetricFamily(
            "zoo_runner_kubernetes_requests",
            "Requests to the API of Kubernetes, by verb and status; none: no answer.",
            labels=["verb", "status"],
        )
        for (verb, status), count in sorted(REQUESTS.read().items()):
            requests.add_metric([verb, "none" if status == NO_ANSWER else str(status)], count)
        yield requests
