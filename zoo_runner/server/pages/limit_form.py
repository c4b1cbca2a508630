"""The form that runs a job again with a higher limit of the step that reached it; pure."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import parse_qsl

from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.pages.timeline import Bar, Request, find_step
from zoo_runner.server.pages.words import show_duration

MEMORY, DISK, SECONDS = "memory", "disk", "seconds"
_REACHED: Mapping[str, str] = {
    "step.out-of-memory": MEMORY,
    "resources.disk-full": DISK,
    "step.time-limit": SECONDS,
}
"""What is raised, by the code of a diagnosis; limits of the operator, such as job.time-limit, no client can raise."""
# what a step gets that asks for nothing (CWL v1.2, ResourceRequirement)
_USUAL_MIB: Mapping[str, float] = {MEMORY: 256, DISK: 1024}
_STEP_MIB, _STEP_SECONDS = 256, 60
_MOST_FIELDS, _MOST_DIGITS = 10, 12


@dataclass(frozen=True)
class RaisedLimit:
    """A limit that may be raised: of which step, what (memory, disk or seconds), to which value, and why that one.

    The value is in MiB, or in seconds.
    """

    step: str
    kind: str
    value: int
    about: str

    @property
    def changes(self) -> dict[str, Any]:
        """The request that runs the job again with it."""
        return build_changes(self.step, self.kind, self.value)


def suggest_limit(
    diagnosis: Diagnosis | None, requests: Mapping[str, Request], bars: Iterable[Bar]
) -> RaisedLimit | None:
    """Suggest twice what the step asked for or used, whichever is more; None where no limit of a step was reached."""
    kind = _REACHED.get(diagnosis.code) if diagnosis else None
    step = find_step(diagnosis.step or "", requests) if diagnosis and kind else None
    if kind is None or step is None:
        return None
    asked, runs = requests[step], [bar for bar in bars if find_step(bar.name, requests) == step]
    if kind == SECONDS:
        seconds = asked.seconds or 0.0
        about = f"Its limit was {show_duration(seconds)}." if seconds else ""
        return RaisedLimit(step, kind, _round_up(2 * seconds, _STEP_SECONDS), about)
    wanted = asked.memory_mib if kind == MEMORY else asked.disk_mib
    used = max((bar.peak_memory_mib or 0.0 for bar in runs), default=0.0) if kind == MEMORY else 0.0
    value = _round_up(2 * max(wanted or _USUAL_MIB[kind], used), _STEP_MIB)
    return RaisedLimit(step, kind, value, _explain(wanted, used))


def _explain(wanted: float | None, used: float) -> str:
    asked = f"It asked for {wanted:g} MiB" if wanted is not None else "It asked for no amount of its own"
    return f"{asked} and used {used:.0f} MiB." if used else f"{asked}."


def _round_up(value: float, unit: int) -> int:
    return max(math.ceil(value / unit), 1) * unit


def build_changes(step: str, kind: str, value: int) -> dict[str, Any]:
    """Build the request of a retry that raises a limit; steps that have ended are run again only where needed."""
    name, amount = ("timeLimits", value) if kind == SECONDS else (kind, f"{value}Mi")
    return {name: {step: amount}, "restart": "if-needed"}


def read_limit_form(body: bytes) -> dict[str, Any]:
    """Read what the form sends as the request of a retry; raises `InputError`."""
    fields = _read_fields(body)
    kinds = [kind for kind in (MEMORY, DISK, SECONDS) if fields.get(kind)]
    if len(kinds) != 1 or not fields.get("step"):
        raise build_invalid("the form has no step, or not one limit", "Fill in the form of the page of the job.")
    value = fields[kinds[0]].strip()
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS):
        unit = "seconds" if kinds[0] == SECONDS else "MiB"
        raise build_invalid(f"{kinds[0]} is {value[:60]!r}", f"Give a whole number of {unit}.")
    return build_changes(fields["step"], kinds[0], int(value))


def _read_fields(body: bytes) -> dict[str, str]:
    try:
        sent: Sequence[tuple[str, str]] = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise build_invalid("the form has too many fields", "Fill in the form of the page of the job.") from error
    return dict(sent)


def write_command(limit: RaisedLimit, address: str) -> str:
    """Write the call of the API that the form stands for; `address` is that of the job."""
    body = quote(json.dumps(limit.changes, ensure_ascii=False))
    return f"curl -X POST {quote(f'{address}/retry')} -H 'Content-Type: application/json' \\\n  -d {body}"
