"""Figures of harvester and ingester in the format of Prometheus."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zoo_runner.harvest.applying import Done
from zoo_runner.harvest.delivery import Delivered, Delivery, Outcome
from zoo_runner.harvest.harvester import Report
from zoo_runner.harvest.planning import Kind
from zoo_runner.harvest.sources import Source
from zoo_runner.metrics import create_registry
from zoo_runner.package.findings import Severity

_RUN_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_SOURCE = ("source", "workspace")
_RESULTS = ("done", "failed")


class HarvestMetrics:
    """Counts the runs of sources. Labels name a source without its password, and are gone when the source is."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.registry: CollectorRegistry = create_registry()
        self._clock, self._started = clock, clock()
        self._known: set[tuple[str, str]] = set()
        self._branches: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._runs = Counter(
            "zoo_runner_harvest_runs", "Runs of sources, by outcome.", (*_SOURCE, "outcome"), registry=self.registry
        )
        self._broken_off = Counter(
            "zoo_runner_harvest_broken_off",
            "Runs of all sources that could not begin or go on, such as for a file of sources that is invalid.",
            registry=self.registry,
        )
        self._seconds = Histogram(
            "zoo_runner_harvest_run_seconds",
            "Time that a run of a source took.",
            buckets=_RUN_SECONDS,
            registry=self.registry,
        )
        self._problem = self._add_gauge("problem", "1 where the last run of a source left something undone, or 0.")
        self._last = self._add_gauge(
            "last_success_timestamp_seconds",
            "When a source was last harvested with success; before that, when this process came to know it.",
        )
        self._given_up = self._add_gauge("given_up", "Workflows whose change failed too often to be tried again.")
        self._findings = self._add_gauge("findings", "Findings in the last commit that was looked at.", "severity")
        self._changes = _add_changes("zoo_runner_harvest_changes", self.registry)

    def _add_gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"zoo_runner_harvest_{name}", text, (*_SOURCE, *labels), registry=self.registry)

    def set_sources(self, sources: Iterable[Source]) -> None:
        """Take note of the sources that there are; figures of others are removed."""
        known = {(str(source), source.workspace) for source in sources}
        for labels in self._known - known:
            for each in (labels, *self._branches.pop(labels, ())):
                self._remove(each)
        for labels in known - self._known:
            self._last.labels(*labels).set(self._clock())
            for outcome in _RESULTS:
                self._runs.labels(*labels, outcome)
        self._known = known

    def count_run(self, report: Report, seconds: float) -> None:
        """Count a run of a source."""
        labels, succeeded = (report.source, report.workspace), report.succeeded
        branches = self._count_listed(report)
        if branches is not None and labels not in branches:
            branches.add(labels)
            self._last.labels(*labels).set(self._clock())
        self._seconds.observe(seconds)
        self._runs.labels(*labels, "done" if succeeded else "failed").inc()
        self._problem.labels(*labels).set(not succeeded)
        if report.commit:
            self._given_up.labels(*labels).set(len(report.given_up))
        if succeeded:
            self._last.labels(*labels).set(self._clock())
        # one that found the commit of the last run did not look at it, and one with a problem may not have
        if report.problem is None and not report.unchanged:
            for severity in Severity:
                count = sum(one.severity is severity for one in report.findings)
                self._findings.labels(*labels, severity.value).set(count)
        _count_changes(self._changes, report.done)
        if branches is not None and report.gone:
            branches.discard(labels)
            self._remove(labels)

    def _count_listed(self, report: Report) -> set[tuple[str, str]] | None:
        """Take note that a source showed its branches; return the known ones, None for a report of none."""
        if not report.of:
            return None
        labels = (report.of, report.workspace)
        # each branch has figures of its own: of the source itself, they say whether it can be asked
        self._last.labels(*labels).set(self._clock())
        self._problem.labels(*labels).set(0)
        return self._branches.setdefault(labels, set())

    def count_broken_off(self) -> None:
        """Count a run of all sources that could not begin, or go on."""
        self._broken_off.inc()

    def _remove(self, labels: tuple[str, str]) -> None:
        rests: list[tuple[Counter | Gauge, tuple[str, ...]]] = [
            *((self._runs, (outcome,)) for outcome in _RESULTS),
            *((self._findings, (severity.value,)) for severity in Severity),
            *((gauge, ()) for gauge in (self._problem, self._last, self._given_up)),
        ]
        for family, rest in rests:
            # one that was never harvested has few
            with suppress(KeyError):
                family.remove(*labels, *rest)


class IngestMetrics:
    """Counts the attempts of messages; threads may share it."""

    def __init__(self, is_connected: Callable[[], bool], clock: Callable[[], float] = time) -> None:
        self.registry: CollectorRegistry = create_registry()
        self._messages = Counter(
            "zoo_runner_ingest_messages", "Attempts of messages, by outcome.", ("outcome",), registry=self.registry
        )
        self._changes = _add_changes("zoo_runner_ingest_changes", self.registry)
        self._now = _Unhandled(is_connected, clock)
        self.registry.register(self._now)
        for outcome in ("done", "waits", "outage", "dead"):
            # what is not there is no 0 for Prometheus, and its first increase is not seen
            self._messages.labels(outcome)

    def watch(self, delivery: Delivery) -> None:
        """Ask this from now on which messages are not done."""
        self._now.delivery = delivery

    def count(self, delivered: Delivered) -> None:
        """Count an attempt; one that ended by an outage of the server or the bucket counts as `outage`."""
        outcome = {Outcome.DONE: "done", Outcome.DEAD: "dead"}.get(delivered.outcome, "waits")
        self._messages.labels("outage" if outcome == "waits" and not delivered.attempt else outcome).inc()
        _count_changes(self._changes, delivered.handled.done)


class _Unhandled(Collector):
    """The messages that were received and are not done, and whether more can come."""

    def __init__(self, is_connected: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._is_connected, self._clock = is_connected, clock
        self.delivery: Delivery | None = None

    def collect(self) -> Iterator[Metric]:
        """Ask for them."""
        unhandled = self.delivery.unhandled if self.delivery else ()
        age = max((self._clock() - one.published / 1000 for one in unhandled), default=0.0)
        yield GaugeMetricFamily("zoo_runner_ingest_connected", "1 while the bus sends messages.", self._is_connected())
        yield GaugeMetricFamily(
            "zoo_runner_ingest_unhandled", "Messages that were received and are not done.", len(unhandled)
        )
        yield GaugeMetricFamily(
            "zoo_runner_ingest_oldest_seconds", "Time since the oldest of them was sent; 0 where all are done.", age
        )


def _add_changes(name: str, registry: CollectorRegistry) -> Counter:
    changes = Counter(name, "Changes of processes, by kind and outcome.", ("kind", "outcome"), registry=registry)
    for kind in Kind:
        for outcome in _RESULTS:
            changes.labels(kind.value, outcome)
    return changes


def _count_changes(changes: Counter, done: Iterable[Done]) -> None:
    for one in done:
        changes.labels(one.change.kind.value, "failed" if one.problem else "done").inc()
