"""What happened in a job over time: its time in the queue, its stages and its steps, as bars on one axis; pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted, StepEnded, StepReused, StepStarted
from zoo_runner.model.job import FINAL, Job
from zoo_runner.model.package import Package
from zoo_runner.package.requirements import find_effective, walk_tools
from zoo_runner.server.pages.words import show_duration

QUEUE, STAGE_IN, STAGE_OUT = "queue", "stage-in", "stage-out"
_TICKS = 4
_ROUND = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_LEAST_PERCENT, _LEAST_CORES = 0.4, 0.01
# what engines add to the name of a step that runs several times
_NUMBER = re.compile(r"_\d+$")


@dataclass(frozen=True)
class Bar:
    """One thing that took time. `ended` is None while it goes on; times are seconds since the epoch.

    `kind` is queue, stage or step, `state` one of waiting, running, succeeded, failed, reused, stopped. `cores` and
    `memory_mib` are what its step asks for, `cpu_seconds` and `peak_memory_mib` what it used; None: not known.
    `attempt` is the number of this attempt of the step, of `attempts`.
    """

    name: str
    kind: str
    state: str
    started: float
    ended: float | None = None
    about: str = ""
    attempt: int = 1
    attempts: int = 1
    exit_code: int | None = None
    cpu_seconds: float | None = None
    peak_memory_mib: float | None = None
    cores: float | None = None
    memory_mib: float | None = None


@dataclass(frozen=True)
class Row:
    """A bar on the axis, in percent of it, with what is written beside it."""

    bar: Bar
    left: float
    width: float
    duration: str
    cpu: str
    memory: str


@dataclass(frozen=True)
class Tick:
    """A place on the axis, in percent of it, and the time since its begin."""

    left: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """The rows of a job in their order, and the axis."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Request:
    """What a step asks for, as far as it is known before it runs; `seconds` is its ToolTimeLimit."""

    cores: float | None = None
    memory_mib: float | None = None
    disk_mib: float | None = None
    seconds: float | None = None


def build_timeline(job: Job, events: Iterable[Event], requests: Mapping[str, Request], now: float) -> Timeline:
    """Build the timeline of a job; `now` ends what goes on."""
    bars = [_add_request(bar, requests) for bar in list_bars(job, list(events))]
    if not bars:
        return Timeline((), ())
    first = min(bar.started for bar in bars)
    last = max(now if bar.ended is None else bar.ended for bar in bars)
    span = max(last - first, 0.001)
    return Timeline(tuple(_place(bar, first, span, now) for bar in bars), _build_ticks(span))


def list_bars(job: Job, events: list[Event]) -> list[Bar]:
    """List what took time, in the order in which it began."""
    created, finished = clock.to_seconds(job.created), clock.to_seconds(job.finished) if job.finished else None
    if job.started is None:
        return [Bar("Queue", QUEUE, "stopped" if finished else "waiting", created, finished)]
    started = clock.to_seconds(job.started)
    steps = _list_steps(job, events)
    stages = {event.stage for event in events if isinstance(event, StageStarted)}
    bars = [Bar("Queue", QUEUE, "succeeded", created, started)]
    if Stage.STAGE_IN in stages:
        begin = min((step.started for step in steps), default=finished)
        bars.append(_build_stage(job, Stage.STAGE_IN, started, begin, is_last=len(stages) == 1))
    bars += steps
    if Stage.STAGE_OUT in stages:
        begun = max((step.ended or step.started for step in steps), default=started)
        bars.append(_build_stage(job, Stage.STAGE_OUT, begun, finished, is_last=True))
    return bars


def _build_stage(job: Job, stage: Stage, started: float, ended: float | None, *, is_last: bool) -> Bar:
    diagnosis = job.outcome.diagnosis if job.outcome else None
    failed = diagnosis is not None and diagnosis.stage is stage
    state = "failed" if failed else "running" if is_last and job.status not in FINAL else "succeeded"
    return Bar(stage.value.capitalize(), stage.value, state, started, None if state == "running" else ended)


def _list_steps(job: Job, events: Iterable[Event]) -> list[Bar]:
    steps: list[Bar] = []
    for event in events:
        match event:
            case StepStarted():
                _stop(steps, event)
                attempt = 1 + sum(step.name == event.step for step in steps)
                steps.append(Bar(event.step, "step", "running", event.started, None, event.command, attempt))
            case StepEnded():
                _end_step(steps, event)
            case StepReused():
                begun = steps[-1].started if steps else clock.to_seconds(job.started or job.created)
                steps.append(Bar(event.step, "step", "reused", begun, begun, f"outputs of job {event.job}"))
    if job.status in FINAL:
        # whatever had not ended by then was ended with the job
        ended = clock.to_seconds(job.finished) if job.finished else None
        steps = [replace(step, state="stopped", ended=ended) if step.state == "running" else step for step in steps]
    attempts = {step.name: step.attempt for step in steps}
    return [replace(step, attempts=attempts[step.name]) for step in steps]


def _stop(steps: list[Bar], event: StepStarted) -> None:
    """Stop an attempt that was lost: the step begins again, and nothing says how the attempt ended."""
    for number, step in enumerate(steps):
        if step.name == event.step and step.state == "running":
            steps[number] = replace(step, state="stopped", ended=event.started)


def _end_step(steps: list[Bar], event: StepEnded) -> None:
    state = "succeeded" if event.exit_code == 0 else "failed"
    for number in range(len(steps) - 1, -1, -1):
        if steps[number].name == event.step and steps[number].state == "running":
            break
    else:
        number = len(steps)
        steps.append(Bar(event.step, "step", "running", event.started))
    steps[number] = replace(
        steps[number],
        state=state,
        # of a step that was begun again, an engine may report the time of all attempts
        started=event.started if steps[number].attempt == 1 else max(event.started, steps[number].started),
        ended=event.ended,
        exit_code=event.exit_code,
        cpu_seconds=event.cpu_seconds,
        peak_memory_mib=event.peak_memory_mib,
    )


def find_requests(package: Package) -> dict[str, Request]:
    """Find what each step of a package asks for; expressions, which only a run can evaluate, are left out."""
    found: dict[str, Request] = {}
    for use in walk_tools(package):
        if use.step not in found:
            resources, time = (find_effective(use.holders, name) for name in ("ResourceRequirement", "ToolTimeLimit"))
            asked = resources.body if resources else {}
            found[use.step] = Request(
                _read_amount(asked, "cores"),
                _read_amount(asked, "ram"),
                _read_amount(asked, "outdir"),
                _read_number(time.body.get("timelimit") if time else None),
            )
    return found


def find_step(name: str, requests: Mapping[str, Request]) -> str | None:
    """Find the step of a package that an engine runs under a name, such as that of an attempt; None for no step."""
    return next((one for one in (name, _NUMBER.sub("", name)) if one in requests), None)


def _read_amount(body: Mapping[str, object], resource: str) -> float | None:
    return _read_number(body.get(f"{resource}Min", body.get(f"{resource}Max")))


def _read_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _add_request(bar: Bar, requests: Mapping[str, Request]) -> Bar:
    step = find_step(bar.name, requests) if bar.kind == "step" else None
    return replace(bar, cores=requests[step].cores, memory_mib=requests[step].memory_mib) if step else bar


def _place(bar: Bar, first: float, span: float, now: float) -> Row:
    seconds = max((now if bar.ended is None else bar.ended) - bar.started, 0.0)
    width = min(max(100 * seconds / span, _LEAST_PERCENT), 100)
    left = min(max(100 * (bar.started - first) / span, 0.0), 100 - width)
    duration = "" if bar.state == "reused" else show_duration(seconds)
    return Row(bar, round(left, 2), round(width, 2), duration, _show_cpu(bar, seconds), _show_memory(bar))


def _show_cpu(bar: Bar, seconds: float) -> str:
    used = bar.cpu_seconds / seconds if bar.cpu_seconds is not None and seconds > 0 else None
    shown = None if used is None else f"{used:.2g}" if used >= _LEAST_CORES else f"< {_LEAST_CORES}"
    return _show_share(shown, f"{bar.cores:g}" if bar.cores is not None else None, "cores")


def _show_memory(bar: Bar) -> str:
    used = f"{bar.peak_memory_mib:.0f}" if bar.peak_memory_mib is not None else None
    return _show_share(used, f"{bar.memory_mib:g}" if bar.memory_mib is not None else None, "MiB")


def _show_share(used: str | None, asked: str | None, unit: str) -> str:
    if used is None:
        return f"{asked} {unit} requested" if asked is not None else ""
    return f"{used} of {asked} {unit}" if asked is not None else f"{used} {unit}"


def _build_ticks(span: float) -> tuple[Tick, ...]:
    step = next((size for size in _ROUND if span / size <= _TICKS), span / _TICKS)
    places = (number * step for number in range(int(span / step) + 1))
    return tuple(Tick(round(100 * place / span, 2), show_duration(place) if place else "0") for place in places)
