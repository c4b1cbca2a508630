"""Traces by OpenTelemetry: a span for each request and each job, with the stages of the job below it.

Without the address of a collector nothing of this is imported. A job belongs to the trace of the request that asked for
it, also where a worker on another machine runs it: its record has the context of that trace. Attributes are ids, paths
without parameters, states and codes, so that neither inputs nor addresses of data leave the server.

Sources: W3C Trace Context (`traceparent`); semantic conventions of OpenTelemetry for HTTP spans.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import time_ns
from typing import TYPE_CHECKING

from zoo_runner.config.extras import extra
from zoo_runner.config.server import ServerSettings
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted
from zoo_runner.model.job import Job, Status

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CURRENT: ContextVar["RequestSpan | None"] = ContextVar("span", default=None)
_NAME = "traceparent"
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class PlannedSpan:
    """A part of a job's life: times in nanoseconds since the epoch."""

    name: str
    begin: int
    end: int


@dataclass
class StageTimes:
    """When each stage of a job began, as it is reported; `report` is given its events."""

    now: Callable[[], int] = time_ns
    begun: list[tuple[Stage, int]] = field(default_factory=list)

    def report(self, event: Event) -> None:
        """Note the beginning of a stage."""
        if isinstance(event, StageStarted):
            self.begun.append((event.stage, self.now()))


def plan_spans(job: Job, begun: list[tuple[Stage, int]]) -> list[PlannedSpan]:
    """Plan the spans of a job that has ended: the whole of it first, then the time in the queue, then its stages."""
    created, finished = _read_time(job.created), _read_time(job.finished or job.updated)
    started = _read_time(job.started) if job.started else finished
    ends = [*(moment for _, moment in begun), finished][1:]
    return [
        PlannedSpan(f"job {job.process_id}", created, finished),
        PlannedSpan("queue", created, started),
        # the times of the record are whole milliseconds
        *(PlannedSpan(stage.value, moment, max(moment, end)) for (stage, moment), end in zip(begun, ends, strict=True)),
    ]


def _read_time(text: str) -> int:
    return int(clock.to_seconds(text) * _NANOSECONDS)


class Tracing:
    """What sends spans to a collector; one for each process."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("zoo-runner")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    @contextmanager
    def trace_request(self, headers: Mapping[str, str], method: str) -> Iterator["RequestSpan"]:
        """Trace a request; a client's `traceparent` makes it a part of the client's trace."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        span = self._tracer.start_span(method, propagator.extract(headers), SpanKind.SERVER)
        span.set_attribute("http.request.method", method)
        try:
            yield RequestSpan(self._tracer, span)
        finally:
            span.end()

    def record_job(self, job: Job, times: StageTimes) -> None:
        """Send the spans of a job that has ended."""
        from opentelemetry.trace import Status as SpanStatus
        from opentelemetry.trace import StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        whole, *parts = plan_spans(job, times.begun)
        parent = TraceContextTextMapPropagator().extract({_NAME: job.trace} if job.trace else {})
        span = self._tracer.start_span(whole.name, parent, start_time=whole.begin, attributes=_describe(job))
        if job.status is Status.FAILED:
            span.set_status(SpanStatus(StatusCode.ERROR))
        within = set_span_in_context(span)
        for part in parts:
            self._tracer.start_span(part.name, within, start_time=part.begin).end(part.end)
        span.end(whole.end)


class RequestSpan:
    """The span of a request."""

    def __init__(self, tracer: "Tracer", span: "Span") -> None:
        self._tracer, self._span = tracer, span

    @property
    def context(self) -> str:
        """Its context, in the form of `traceparent`."""
        found = self._span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"

    @contextmanager
    def trace_part(self, name: str) -> Iterator[None]:
        """Trace a part of the request."""
        from opentelemetry.trace import set_span_in_context

        part = self._tracer.start_span(name, set_span_in_context(self._span))
        try:
            yield
        finally:
            part.end()

    def conclude(self, method: str, path: str | None, status: int) -> None:
        """Note how the request was answered; `path` is the pattern of its path, as ids would make a name of each."""
        from opentelemetry.trace import Status as SpanStatus
        from opentelemetry.trace import StatusCode

        if path:
            self._span.update_name(f"{method} {path}")
            self._span.set_attribute("http.route", path)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(SpanStatus(StatusCode.ERROR))


def trace_part(name: str) -> AbstractContextManager[None]:
    """Trace a part of the current request; without traces nothing happens."""
    current = _CURRENT.get()
    return current.trace_part(name) if current else nullcontext()


def read_context() -> str | None:
    """Return the context of the span of the current request, in the form of `traceparent`; None without traces."""
    current = _CURRENT.get()
    return current.context if current else None


def _describe(job: Job) -> dict[str, str]:
    found = {
        "zoo_runner.job.id": job.id,
        "zoo_runner.job.status": job.status.value,
        "zoo_runner.workspace": job.workspace,
        "zoo_runner.process.id": job.process_id,
        "zoo_runner.engine": job.engine,
    }
    diagnosis = job.outcome.diagnosis if job.outcome else None
    return {**found, "error.type": diagnosis.code} if diagnosis else found


def open_tracing(settings: ServerSettings, part: str) -> Tracing | None:
    """Open what sends the spans of this process, a server or a worker; None where the settings name no collector.

    The OpenTelemetry SDK reads its own variables (OTEL_…): headers, time limits, sampling, attributes of the service.
    Raises `SettingsError` where the extra is missing.
    """
    if settings.trace_disabled or not (settings.trace_endpoint or settings.otlp_endpoint):
        return None
    with extra("opentelemetry"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    about = {"service.name": "zoo-runner", "zoo_runner.part": part}
    # what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins
    provider = TracerProvider(resource=Resource.create(about).merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class Traced:
    """ASGI middleware: a span for each request."""

    def __init__(self, app: "ASGIApp", tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_noted(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        found = [value.decode("latin-1") for name, value in scope["headers"] if name == _NAME.encode()]
        with self._tracing.trace_request({_NAME: found[0]} if len(found) == 1 else {}, scope["method"]) as span:
            _CURRENT.set(span)
            try:
                await self._app(scope, receive, send_noted)
            finally:
                span.conclude(scope["method"], getattr(scope.get("route"), "path", None), status)


def keep_tracing(settings: ServerSettings, part: str, stack: ExitStack) -> Tracing | None:
    """Open what sends the spans of this process; `stack` has the last ones sent."""
    tracing = open_tracing(settings, part)
    if tracing:
        stack.callback(tracing.close)
    return tracing
