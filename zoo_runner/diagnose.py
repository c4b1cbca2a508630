"""From what an engine reported to the one reason that matters; pure."""

import re
from collections import deque
from dataclasses import dataclass, field

from zoo_runner.errors import EngineError, Level, RunnerError, ToolError
from zoo_runner.events import EngineLine, Event, StepEnded, StepLine

_TAIL_LINES = 8
_KILLED = {-9, 137}
_AMOUNT = re.compile(r"(ram|cores)\W+(\d+(?:\.\d+)?)")
_UNITS = {"ram": "MiB of memory", "cores": "cores"}


@dataclass
class Findings:
    """What is kept of a run's events for the diagnosis: the end of each step's log, and the engine's complaints."""

    tails: dict[str, deque[str]] = field(default_factory=dict)
    ended: list[StepEnded] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Keep of an event what a diagnosis may need."""
        match event:
            case StepLine():
                self.tails.setdefault(event.step, deque(maxlen=_TAIL_LINES)).append(event.text)
            case StepEnded():
                self.ended.append(event)
            case EngineLine(severity="error" | "warning"):
                self.complaints.append(event.text)
            case _:
                pass

    @property
    def failed(self) -> StepEnded | None:
        """The first step that cwltool did not accept the end of."""
        for step in self.ended:
            if any(f"[job {step.step}] completed permanentFail" in text for text in self.complaints):
                return step
        return next((step for step in self.ended if step.exit_code), None)


def diagnose_execution(findings: Findings) -> RunnerError:
    """Say why an execution failed."""
    failed = findings.failed
    text = "\n".join((*findings.complaints, *_tail(findings, failed)))
    for pattern, explain in _CAUSES:
        match = pattern.search(text)
        if match:
            return explain(match, findings, failed)
    if failed is not None and failed.exit_code in _KILLED:
        return _killed(findings, failed)
    if failed is not None and failed.exit_code:
        return _exit_code(findings, failed)
    return EngineError(
        f"the engine gave up: {_last_line(text) or 'it said nothing'}",
        "The job log has all that the engine said; if the package is sound, tell the operator.",
        evidence=tuple(text.splitlines()[-_TAIL_LINES:]),
    )


def _tail(findings: Findings, step: StepEnded | None) -> tuple[str, ...]:
    return tuple(findings.tails.get(step.step, ())) if step else ()


def _name(step: StepEnded | None) -> str:
    return f"step {step.step!r}" if step else "a step"


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _exit_code(findings: Findings, step: StepEnded) -> RunnerError:
    said = next((line.strip() for line in reversed(_tail(findings, step)) if line.strip()), "")
    return ToolError(
        f"{_name(step)} ended with exit code {step.exit_code}" + (f": {said}" if said else " and printed nothing"),
        "Read the step's log; the tool itself reported the failure, so the package's author or its inputs are next.",
        evidence=_tail(findings, step),
        step=step.step,
    )


def _killed(findings: Findings, step: StepEnded) -> RunnerError:
    return ToolError(
        f"{_name(step)} was killed (signal 9), most likely because it ran out of memory",
        "Raise ramMin in the step's ResourceRequirement, or run it on a machine with more memory.",
        evidence=_tail(findings, step),
        step=step.step,
    )


def _tool_missing(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"{_name(step)} could not start: there is no program {match['tool']!r}",
        "Run it in the container that has it (ZOO_RUNNER_CONTAINERS, DockerRequirement), install it on this"
        " machine, or correct baseCommand.",
        evidence=(match[0],),
        step=step.step if step else None,
    )


def _glob_nothing(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"{_name(step)} succeeded but left no file that matches {match['glob']} for its output {match['output']!r}",
        "Compare the output's glob with the files that the tool writes into its working folder.",
        evidence=(*_tail(findings, step), *match[0].splitlines()[:3]),
        step=step.step if step else None,
    )


def _wrong_type(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"step {match['step']!r} succeeded, but its output {match['output']!r} has the wrong type: {match['why']}",
        "Correct the type of the output in the package, or what the tool writes (its cwl.output.json, its glob).",
        evidence=tuple(match[0].splitlines()),
        step=match["step"],
    )


def _too_small(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    asked, there = (
        {kind: float(number) for kind, number in _AMOUNT.findall(match[part])} for part in ("asked", "there")
    )
    kinds = [kind for kind in there if asked.get(kind, 0) > there[kind]] or ["ram"]
    wants = " and ".join(f"{asked.get(kind, 0):.10g} {_UNITS[kind]}" for kind in kinds)
    has = " and ".join(f"{there.get(kind, 0):g}" for kind in kinds)
    return EngineError(
        f"step {match['step']!r} asks for {wants}, and this machine has {has}",
        "Lower the ResourceRequirement or run it on a larger machine.",
        evidence=(match[0],),
        level=Level.USER,
        step=match["step"],
    )


def _disk_full(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return EngineError(
        f"{_name(step)} filled the disk",
        "Free space, or point ZOO_RUNNER_SCRATCH to a larger disk.",
        evidence=(*_tail(findings, step), match[0]),
        level=Level.PLATFORM,
        step=step.step if step else None,
    )


def _tool_time_limit(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"step {match['step']!r} exceeded its ToolTimeLimit of {match['seconds']} s",
        "Raise the ToolTimeLimit in the package or give the step less to do.",
        evidence=tuple(findings.tails.get(match["step"], ())),
        step=match["step"],
    )


def _runtime_broken(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return EngineError(
        f"the container of {_name(step)} could not be started: {match['why']}",
        "Run any container by hand with podman or docker on this machine and mend what it says, or run without"
        " (ZOO_RUNNER_CONTAINERS=none).",
        evidence=(match[0],),
        step=step.step if step else None,
    )


_CAUSES = (
    (
        re.compile(r"\[job (?P<step>[^]]+)\] exceeded time limit of (?P<seconds>\d+) seconds"),
        _tool_time_limit,
    ),
    (re.compile(r"No space left on device"), _disk_full),
    (re.compile(r"^'(?P<tool>[^']+)' not found: ", re.MULTILINE), _tool_missing),
    (
        re.compile(r"exec: \"?(?P<tool>[^\":\s]+)\"?: (?:executable file not found|no such file)"),
        _tool_missing,
    ),
    (re.compile(r"(?:runc|crun|OCI runtime)\S* (?:error|create failed)[^\n]*?: (?P<why>[^\n]+)"), _runtime_broken),
    (
        re.compile(
            r"Error collecting output for parameter '?(?P<output>[^':\s]+)'?:.*?"
            r"Did not find output file with glob pattern: (?P<glob>\S.*?)\.?$",
            re.DOTALL | re.MULTILINE,
        ),
        _glob_nothing,
    ),
    (
        re.compile(
            r"\[job (?P<step>[^]]+)\] Job error:\s+Error validating output record. [Tt]he '(?P<output>[^']+)' field"
            r" is not valid because\s+(?P<why>[^\n]+)"
        ),
        _wrong_type,
    ),
    (
        re.compile(
            r"Job \"(?P<step>[^\"]+)\" cannot be run, requests more resources \((?P<asked>\{.*?\})\) than available on"
            r" this host \(.*?(?P<there>max ram .*?)\)"
        ),
        _too_small,
    ),
)
