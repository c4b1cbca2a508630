"""The log of a job pod: lines that a person can read and from which the caller rebuilds every event; pure.

[write] a line that the step `write` printed
engine info: a line of the engine
{"event": "StepStarted", ...}       whatever has more to say
{"event": "Ended", ...}             the last line: how the job ended
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoo_runner.model.codec import event_from_plain, from_plain, to_plain
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import EngineLine, Event, StepLines
from zoo_runner.model.job import Results
from zoo_runner.model.masking import Masker

_STEP_LINE = re.compile(r"\[(?P<step>[^\]]+)\] (?P<text>.*)", re.DOTALL)
_ENGINE_LINE = re.compile(r"engine (?P<severity>info|warning|error): (?P<text>.*)", re.DOTALL)


@dataclass(frozen=True)
class Ended:
    """How the job pod ended: with results, or with why not. `kind` names the class of the error."""

    results: Results | None = None
    diagnosis: Diagnosis | None = None
    kind: str = ""

    def masked(self, masker: Masker) -> "Ended":
        """Return the same without secrets."""
        results, diagnosis = self.results, self.diagnosis
        return Ended(
            results.masked(masker) if results else None,
            diagnosis.masked(masker.mask) if diagnosis else None,
            self.kind,
        )


def encode_line(event: Event | Ended) -> list[str]:
    """Write an event as lines of the pod's log."""
    match event:
        case StepLines():
            return [f"[{event.step}] {line}" for line in event.lines]
        case EngineLine():
            return [f"engine {event.severity}: {line}" for line in event.text.splitlines()]
        case _:
            return [json.dumps({"event": type(event).__name__, **to_plain(event)}, ensure_ascii=False)]


def decode_line(line: str) -> Event | Ended:
    """Read a line of the pod's log; what is none of ours becomes a line of the engine."""
    if match := _STEP_LINE.fullmatch(line):
        return StepLines(match["step"], (match["text"],))
    if match := _ENGINE_LINE.fullmatch(line):
        return EngineLine(match["severity"], match["text"])
    try:
        data = json.loads(line)
        return from_plain(Ended, data) if data["event"] == Ended.__name__ else event_from_plain(data)
    except (ValueError, KeyError, TypeError):
        return EngineLine("info", line)


def decode_lines(lines: Iterable[str]) -> Iterator[Event | Ended]:
    """Read lines of the pod's log; what a step printed in one go is one event again."""
    step = ""
    printed: list[str] = []
    for event in map(decode_line, lines):
        if printed and not (isinstance(event, StepLines) and event.step == step):
            yield StepLines(step, tuple(printed))
            printed = []
        if isinstance(event, StepLines):
            step = event.step
            printed += event.lines
        else:
            yield event
    if printed:
        yield StepLines(step, tuple(printed))


def build_no_result(image: str, exit_code: int) -> RunnerError:
    """Say that the job's container ended by itself and its log has no line that says how."""
    return EngineError(
        f"the container of the job exited with code {exit_code} without reporting a result",
        f"Read its output in the job log. If {image} is not the job image (deploy/job) of this version, set that in"
        " ZOO_RUNNER_JOB_IMAGE or CALRISSIAN_IMAGE.",
        evidence=(f"exit code {exit_code} of {image}",),
        code="engine.no-result",
    )


def build_error(ended: Ended) -> RunnerError | None:
    """Make the error again that the job ended with; None where it has results."""
    if ended.diagnosis is None:
        return None
    kinds = {kind.__name__: kind for kind in RunnerError.__subclasses__()}
    return kinds.get(ended.kind, kinds["EngineError"]).restore(ended.diagnosis)
