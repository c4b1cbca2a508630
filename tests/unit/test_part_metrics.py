"""What worker, harvester and ingester count, and what their listener takes."""

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, Gauge

from tests.contract.stores import PACKAGE, build_job
from zoo_runner.cli.metrics_option import parse_address, write_metrics_option
from zoo_runner.engines.kubernetes import connection, counts
from zoo_runner.engines.kubernetes.counts import RequestCounts, find_verb
from zoo_runner.execution.keeper import Keeper, Look
from zoo_runner.harvest.applying import Done
from zoo_runner.harvest.delivery import Delivered, Delivery, Outcome
from zoo_runner.harvest.harvester import Report
from zoo_runner.harvest.ingester import Handled
from zoo_runner.harvest.messages import Message
from zoo_runner.harvest.metrics import HarvestMetrics, IngestMetrics
from zoo_runner.harvest.planning import Change, Kind
from zoo_runner.harvest.sources import Source
from zoo_runner.harvest.workflows import Finding
from zoo_runner.metrics import serving_metrics
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import NotReachedError, SettingsError
from zoo_runner.package.findings import Severity
from zoo_runner.server.worker_metrics import WorkerMetrics
from zoo_runner.store.memory import MemoryStore
from zoo_runner.store.protocol import Held
from zoo_staging.curl import CurlError

PROBLEM = Diagnosis(Stage.EXECUTE, Level.PLATFORM, "away", "Wait.", code="harvest.refused")
FOREST = Source("https://reader@git.example.org/forest.git", "alpha")
BEACH = Source("https://git.example.org/beach.git", "alpha")


class Clock:
    """A clock that tests set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def read(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def label(source: Source) -> dict[str, str]:
    return {"source": str(source), "workspace": source.workspace}


def report(source: Source, **more: Any) -> Report:
    return replace(Report(str(source), source.workspace, "c0ffee"), **more)


def test_a_source_is_as_old_as_its_last_success_or_as_it_is_known() -> None:
    clock, last = Clock(), "zoo_runner_harvest_last_success_timestamp_seconds"
    metrics = HarvestMetrics(clock)
    metrics.set_sources([FOREST, BEACH])
    clock.now = 1500.0
    metrics.count_run(report(FOREST), 0.2)
    metrics.count_run(report(BEACH, problem=PROBLEM, commit=""), 0.2)
    assert read(metrics.registry, last, **label(FOREST)) == 1500.0
    assert read(metrics.registry, last, **label(BEACH)) == 1000.0
    assert read(metrics.registry, "zoo_runner_harvest_problem", **label(BEACH)) == 1.0
    assert read(metrics.registry, "zoo_runner_harvest_runs_total", **label(BEACH), outcome="failed") == 1.0
    assert read(metrics.registry, "zoo_runner_harvest_runs_total", **label(FOREST), outcome="failed") == 0.0
    # no user name of an address, which may be a token
    assert "reader" not in str(label(FOREST))


def test_findings_stay_those_of_the_commit_that_was_looked_at() -> None:
    metrics = HarvestMetrics()
    metrics.set_sources([FOREST])
    findings = tuple(
        Finding("a.cwl", one, "package.invalid", "wrong") for one in (Severity.ERROR, Severity.WARNING) * 2
    )
    name = "zoo_runner_harvest_findings"
    metrics.count_run(report(FOREST, findings=findings, given_up=("a",)), 0.1)
    metrics.count_run(report(FOREST, unchanged=True), 0.1)
    metrics.count_run(report(FOREST, problem=PROBLEM, commit=""), 0.1)
    assert [read(metrics.registry, name, **label(FOREST), severity=one.value) for one in Severity] == [2.0, 2.0, 0.0]
    # what could not be looked at says nothing of what was given up
    assert read(metrics.registry, "zoo_runner_harvest_given_up", **label(FOREST)) == 0.0
    metrics.count_run(report(FOREST), 0.1)
    assert read(metrics.registry, name, **label(FOREST), severity="error") == 0.0


def test_figures_of_a_source_go_with_it() -> None:
    metrics = HarvestMetrics()
    metrics.set_sources([FOREST, BEACH])
    metrics.count_run(report(FOREST, findings=(Finding("a", Severity.INFO, "c", "m"),)), 0.1)
    metrics.set_sources([BEACH])
    samples = [one for family in metrics.registry.collect() for one in family.samples]
    assert {one.labels["source"] for one in samples if "source" in one.labels} == {str(BEACH)}


def test_branches_have_figures_of_their_own_until_they_are_gone_and_their_source_is_as_old_as_its_listing() -> None:
    clock, last = Clock(), "zoo_runner_harvest_last_success_timestamp_seconds"
    metrics, several = HarvestMetrics(clock), replace(FOREST, branches=("main", "release/*"))
    main, release = (replace(several, branch=name) for name in ("main", "release/1"))
    metrics.set_sources([several])
    clock.now = 6000.0
    metrics.count_run(report(main, of=str(several)), 0.1)
    metrics.count_run(report(release, of=str(several), problem=PROBLEM), 0.1)
    clock.now = 7000.0
    metrics.count_run(report(release, of=str(several), problem=PROBLEM), 0.1)
    ages = {str(one): read(metrics.registry, last, **label(one)) for one in (several, main, release)}
    assert ages == {str(several): 7000.0, str(main): 6000.0, str(release): 6000.0}
    assert read(metrics.registry, "zoo_runner_harvest_problem", **label(release)) == 1.0
    metrics.count_run(report(release, of=str(several), commit="", gone=True), 0.1)
    assert read(metrics.registry, "zoo_runner_harvest_problem", **label(release)) is None
    # a source that cannot be asked
    clock.now = 9000.0
    metrics.count_run(report(several, commit="", problem=PROBLEM), 0.1)
    assert read(metrics.registry, last, **label(several)) == 7000.0
    metrics.set_sources([BEACH])
    samples = [one for family in metrics.registry.collect() for one in family.samples]
    assert {one.labels["source"] for one in samples if "source" in one.labels} == {str(BEACH)}


def test_changes_are_counted_by_kind_and_outcome() -> None:
    metrics = HarvestMetrics()
    change = Change(Kind.REPLACE, "a", "a.cwl")
    metrics.count_run(report(FOREST, done=(Done(change), Done(change), Done(change, PROBLEM))), 0.1)
    name = "zoo_runner_harvest_changes_total"
    assert read(metrics.registry, name, kind="replace", outcome="done") == 2.0
    assert read(metrics.registry, name, kind="replace", outcome="failed") == 1.0
    # there before the first one, so that its increase is seen
    assert read(metrics.registry, name, kind="undeploy", outcome="failed") == 0.0


class Holding(Delivery):
    """A delivery that has messages."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages

    @property
    def unhandled(self) -> tuple[Message, ...]:
        return self.messages


def test_the_oldest_message_that_is_not_done_is_as_old_as_its_sending() -> None:
    clock = Clock()
    metrics = IngestMetrics(lambda: True, clock)
    assert read(metrics.registry, "zoo_runner_ingest_oldest_seconds") == 0.0
    metrics.watch(Holding(Message("a", b"", 990_000, "t"), Message("b", b"", 940_000, "t")))
    assert read(metrics.registry, "zoo_runner_ingest_oldest_seconds") == 60.0
    assert read(metrics.registry, "zoo_runner_ingest_unhandled") == 2.0
    assert read(metrics.registry, "zoo_runner_ingest_connected") == 1.0


@pytest.mark.parametrize(
    ("outcome", "attempt", "label"),
    [(Outcome.DONE, 1, "done"), (Outcome.WAITS, 2, "waits"), (Outcome.WAITS, 0, "outage"), (Outcome.DEAD, 9, "dead")],
    ids=["done", "waits", "outage", "dead"],
)
def test_attempts_of_messages_are_counted_by_outcome(outcome: Outcome, attempt: int, label: str) -> None:
    metrics = IngestMetrics(lambda: False)
    metrics.count(Delivered("a", outcome, attempt, Handled()))
    counted = {
        one: read(metrics.registry, "zoo_runner_ingest_messages_total", outcome=one)
        for one in ("done", "waits", "outage", "dead")
    }
    assert counted == {**dict.fromkeys(counted, 0.0), label: 1.0}


def test_a_lease_is_counted_as_lost_once_and_without_an_answer_each_time() -> None:
    store, seen, enough = MemoryStore(), list[tuple[Look, int]](), threading.Event()
    store.create(build_job(1), PACKAGE)
    lease = store.lease("job-1", "me", 60)
    assert lease
    keeper = Keeper(store, beat_seconds=0.001, lease_seconds=600)
    looks, renew_all = 0, store.renew_all

    def find_held(leases: Any) -> dict[str, Held | None]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("away")
        if looks > 5:
            enough.set()
        return {"job-1": None}

    def renew(leases: Any, seconds: float) -> Any:
        return {"job-1": None} if looks else renew_all(leases, seconds)

    store.find_held, store.renew_all = find_held, renew  # type: ignore[method-assign]
    keeper.count = lambda look, count: seen.append((look, count))
    with keeper.keeping(lease, Cancellation(), None):
        assert enough.wait(30)
    assert seen == [(Look.RENEWED, 1), (Look.UNANSWERED, 1), (Look.LOST, 1)]


class Idle:
    jobs, most_jobs, jobs_away = 3, 200, 1


def test_a_worker_whose_database_is_away_shows_the_rest() -> None:
    def fail() -> str | None:
        raise NotReachedError("away", "Wait.")

    metrics = WorkerMetrics()
    metrics.watch(Idle(), fail)
    assert read(metrics.registry, "zoo_runner_worker_jobs") == 3.0
    assert read(metrics.registry, "zoo_runner_worker_jobs_limit") == 200.0
    assert read(metrics.registry, "zoo_runner_worker_jobs_away") == 1.0
    assert read(metrics.registry, "zoo_runner_worker_queue_oldest_seconds") is None
    assert (read(metrics.registry, "zoo_runner_threads") or 0.0) >= 1.0


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        ("GET", "/api/v1/nodes", {"limit": "100"}, "get"),
        ("GET", "/api/v1/pods", {"watch": "true"}, "watch"),
        ("GET", "/api/v1/namespaces/a/pods/b/log", {}, "log"),
        ("POST", "/api/v1/namespaces/a/pods", {}, "create"),
        ("DELETE", "/api/v1/namespaces/a/pods/b", {}, "delete"),
        ("OPTIONS", "/", {}, "other"),
    ],
    ids=["get", "watch", "log", "create", "delete", "other"],
)
def test_requests_to_kubernetes_have_the_verb_of_its_permissions(
    method: str, path: str, query: dict[str, str], verb: str
) -> None:
    assert find_verb(method, path, query) == verb


def test_requests_to_kubernetes_are_counted_also_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answered:
        async def read_head(self, seconds: float) -> tuple[int, str, dict[str, str]]:
            return 201, "Created", {}

    class Silent:
        async def read_head(self, seconds: float) -> tuple[int, str, dict[str, str]]:
            raise CurlError("broken", "the connection broke", 0, None)

    requests = RequestCounts()
    for module in (connection, counts):
        monkeypatch.setattr(module, "REQUESTS", requests)
    asyncio.run(connection._read_head(cast(Any, Answered()), "create", 1.0))
    with pytest.raises(CurlError):
        asyncio.run(connection._read_head(cast(Any, Silent()), "watch", 1.0))
    assert requests.read() == {("create", 201): 1, ("watch", 0): 1}


@pytest.fixture
def served() -> Iterator[int]:
    registry = CollectorRegistry()
    Gauge("one", "One.", registry=registry).set(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with serving_metrics(registry, ("127.0.0.1", port)):
        yield port


def test_clients_that_say_nothing_take_few_places_and_give_them_back(served: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", served)) for _ in range(8)]
    # the ninth is left at once
    with socket.create_connection(("127.0.0.1", served), timeout=30) as ninth:
        assert ninth.recv(1) == b""
    for one in silent:
        one.close()
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{served}/metrics", timeout=30) as answer:
                assert b"one 1.0" in answer.read()
                return
        except OSError:
            # the threads of those that left are about to end
            continue
    pytest.fail("nobody was answered any more")


def test_an_address_in_use_is_a_setting_to_change(served: int) -> None:
    with (
        pytest.raises(SettingsError) as caught,
        serving_metrics(CollectorRegistry(), ("127.0.0.1", served)),
    ):
        pass
    assert str(served) in caught.value.diagnosis.cause
    assert "--metrics" in caught.value.diagnosis.remedy


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("fd00::7:9464", ("fd00::7", 9464)),
    ],
    ids=["port", "all", "bracketed", "bare"],
)
def test_an_address_is_read_and_written_for_a_program_that_starts_anew(given: str, address: tuple[str, int]) -> None:
    assert parse_address(given) == address
    assert parse_address(write_metrics_option(address)[1]) == address


@pytest.mark.parametrize("given", ["", "0", "65536", "host", ":9464", "host:", "host:http", "\N{SUPERSCRIPT TWO}"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(given)


def test_no_address_is_no_option(tmp_path: Path) -> None:
    assert write_metrics_option(None) == []
