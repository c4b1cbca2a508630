"""What happens in a job, as values given to a callback; no lower layer calls a higher one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.masking import Masker
from zoo_runner.model.text_lines import TextLines, join_lines
from zoo_staging.progress import Transferred


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of the job begins; `about` says with what."""

    stage: Stage
    about: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step of the package begins. `command` is the part of the command line that the user recognises."""

    step: str
    command: str
    started: float


@dataclass(frozen=True, slots=True)
class StepLines:
    """Lines that a step printed, in order: as many as there were to read at once. They do not change (`TextLines`)."""

    step: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step ended. Times are seconds since the epoch; what could not be measured is None.

    `exit_code` is 128 and the number of the signal where one ended the step.
    """

    step: str
    started: float
    ended: float
    exit_code: int | None
    cpu_seconds: float | None
    peak_memory_mib: float | None


@dataclass(frozen=True, slots=True)
class StepReused:
    """A job of a step was not run: its outputs are those of an earlier job, whose step had the same content."""

    step: str
    job: str


@dataclass(frozen=True, slots=True)
class EngineLine:
    """A message of the engine itself; `severity` is info, warning or error."""

    severity: str
    text: str


_ANEW = "an earlier pod of this job was lost: "


def build_anew(pod: str) -> EngineLine:
    """Build what a pod says first that runs a job in the place of a lost one: it does not know why that was lost."""
    return EngineLine("warning", f"{_ANEW}the pod {pod} begins anew")


def begins_anew(event: object) -> bool:
    """Whether an event is the first of a pod in the place of another, whose events are not reported again."""
    return isinstance(event, EngineLine) and is_anew_line(event.text)


def is_anew_line(text: str) -> bool:
    """Whether a line of a log is that of such an event."""
    return text.startswith(_ANEW)


_NOT_AGAIN = " has ended in the earlier pod of this job: it is not run again"


def build_not_again(step: str) -> EngineLine:
    """Build what such a pod says of a step that had ended in the lost one."""
    return EngineLine("info", f"step {step!r}{_NOT_AGAIN}")


def is_not_again(event: EngineLine) -> bool:
    """Whether an event says that a step had ended, and is not run again."""
    return event.text.endswith(_NOT_AGAIN)


@dataclass(frozen=True, slots=True)
class Published:
    """Logs, usage report and results document were stored beside the results; `href` is their folder."""

    href: str


Event = StageStarted | StepStarted | StepLines | StepEnded | StepReused | EngineLine | Transferred | Published
Report = Callable[[Event], None]

Kind = TypeVar("Kind", bound=Event)
_WORDS = ("stage", "severity")
_LATEST_SECONDS = 1e11
_WIRE: dict[str, type[Any]] = {kind.__name__: kind for kind in (StepStarted, StepLines, StepEnded, EngineLine)}


def mask_event(event: Kind, masker: Masker) -> Kind:
    """Return the event without secrets."""
    if isinstance(event, StepLines):
        masked = masker.mask_lines(event.lines)
        return event if masked is event.lines else replace(event, lines=masked)
    return mask_texts(event, masker.mask)


def mask_texts(event: Kind, mask: Callable[[str], str]) -> Kind:
    """Return an event other than `StepLines` with its texts passed through `mask`; words of the model stay.

    These are stage and severity.
    """
    texts = {name: value for name, value in asdict(event).items() if isinstance(value, str) and name not in _WORDS}
    masked: dict[str, Any] = {name: mask(text) for name, text in texts.items()}
    return replace(event, **masked)


def encode_event(event: StepStarted | StepLines | StepEnded | EngineLine) -> str:
    """Write an event as one line of JSON."""
    # not `asdict`, which copies every line of a step
    values = {each.name: getattr(event, each.name) for each in fields(event)}
    if isinstance(event, StepLines):
        # one long text takes a third of the time of many short ones
        values["lines"] = join_lines(event.lines)
    return json.dumps({"event": type(event).__name__, **values})


def decode_event(line: str) -> Event | None:
    """Read an event from its line; None for a line that is not an event."""
    try:
        values = json.loads(line)
        kind = _WIRE[values.pop("event")]
        event: Event = kind(**values)
        if isinstance(event, StepLines):
            event = StepLines(event.step, TextLines(values["lines"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return event if is_sound(event) else None


def is_sound(event: Event) -> bool:
    """Whether the values of an event of a step or engine are what it declares: a package's code may have sent it."""
    if isinstance(event, StepLines):
        return isinstance(event.step, str) and _are_lines(event.lines)
    return type(event) not in _WIRE.values() or all(
        _fits(getattr(event, each.name), each.type) for each in fields(event)
    )


def _are_lines(lines: Sequence[str]) -> bool:
    if isinstance(lines, TextLines):
        return isinstance(lines.text, str)
    return set(map(type, lines)) <= {str}


def _fits(value: Any, declared: Any) -> bool:
    # a time that is none has no text
    return isinstance(value, declared) and not (isinstance(value, float) and not 0 <= value < _LATEST_SECONDS)
