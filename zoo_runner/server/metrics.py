"""Figures of the server in the format of Prometheus: requests, jobs by status, how long jobs wait, workers."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from time import perf_counter

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_runner.model.job import Status
from zoo_runner.server.api import Api
from zoo_runner.server.health import measure_wait
from zoo_runner.store.protocol import JobQuery

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


def add_metrics(app: FastAPI, api: Api, count_workers: Callable[[], int]) -> None:
    """Add the path, and count the requests of all paths."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Jobs(api, count_workers))
    requests = Counter(
        "zoo_runner_requests", "Requests, by path, method and status.", ("path", "method", "status"), registry=registry
    )
    seconds = Histogram(
        "zoo_runner_request_seconds",
        "Time until an answer begins.",
        ("path", "method"),
        buckets=_SECONDS,
        registry=registry,
    )
    app.add_middleware(Counted, requests=requests, seconds=seconds)

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, tags=["operation"])
    def get_metrics() -> Response:
        """Show the figures of the server."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Jobs(Collector):
    """What is counted when it is asked for."""

    def __init__(self, api: Api, count_workers: Callable[[], int]) -> None:
        self._api, self._count_workers = api, count_workers

    def describe(self) -> Iterator[Metric]:
        """Name nothing before it is asked for: that would ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Count the jobs of all workspaces; raises `RunnerError` where the database does not answer."""
        jobs = GaugeMetricFamily("zoo_runner_jobs", "Jobs that are kept, by status.", labels=["status"])
        for status in Status:
            jobs.add_metric([status.value], self._api.store.jobs.count(JobQuery(statuses=(status,))))
        yield jobs
        wait = measure_wait(self._api)
        yield GaugeMetricFamily("zoo_runner_queue_oldest_seconds", "How long the oldest waiting job waits.", wait)
        yield GaugeMetricFamily("zoo_runner_workers", "Workers of this server that run.", self._count_workers())


class Counted:
    """ASGI middleware: counts requests, and measures the time until their answers begin."""

    def __init__(self, app: ASGIApp, requests: Counter, seconds: Histogram) -> None:
        self._app = app
        # there are as many as patterns of paths, methods and statuses; to find one again costs less so
        self._requests, self._seconds = lru_cache(4096)(requests.labels), lru_cache(1024)(seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, begun = perf_counter(), False

        def count(status: int) -> None:
            # the pattern of the path: ids would make a figure of each job
            route = scope.get("route")
            path, method = getattr(route, "path", "other"), scope["method"] if route else "other"
            self._requests(path, method, status).inc()
            self._seconds(path, method).observe(perf_counter() - started)

        async def send_counted(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            # an internal error: its answer is written further out
            if not begun:
                count(500)
            raise
