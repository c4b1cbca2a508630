"""Finds the one cause of a failure in what an engine reported; pure."""

import re
from collections import deque
from dataclasses import dataclass, field, replace

from zoo_runner.engines.cwl_process.mistakes import explain_mistake
from zoo_runner.engines.cwl_process.signals import KILLED, explain_exit_code, is_of_shell
from zoo_runner.engines.cwl_process.tool_failures import find_tool_failure
from zoo_runner.engines.cwl_process.words import cut_lines, cut_text, words
from zoo_runner.model.errors import EngineError, RunnerError, ToolError
from zoo_runner.model.events import EngineLine, Event, StepEnded, StepLines

_TAIL_LINES = 8
_LONGEST_REASON = 500
_MOST_COMPLAINTS, _FIRST_COMPLAINTS = 1000, 200
_COMPLAINT = words(r"\b(?:error|fatal|failed|failure|cannot|\w*exception)\b|[a-z]Error\b", re.IGNORECASE)
# the path through an engine's own code: Python, and its marks below; JavaScript
_FRAME = words(r"""\s+(?:File "|at \S|[\^~]+$)|Traceback""")
_ENDED = words(r"\[(?:job|step|workflow) ?[^]]*\] completed \w+|Cannot collect workflow output")
_REFUSED_STEP = words(r"\[(?:job|step) (?P<step>[^]]+)\] (?:completed (?:permanent|temporary)Fail|Cannot make job)")
# of causes that may come before the words of very many other steps
_TELLING = (
    *("ran out of memory at its limit", "changed its input: ", "exceeded time limit of ", "Outside of the job: "),
    *("leads out of the job", "No space left on device", "Disk quota exceeded", "' not found: "),
    *("executable file not found", "Error: plugin type=", "Error: netavark"),
)
_RESOURCES = {"ram": "MiB of memory", "cores": "cores", "tmpdir": "MiB of temporary disk", "outdir": "MiB of disk"}
_FREE = "free some of it here"
# what lets a step with a larger minimum run on this machine nevertheless
_WAYS = {
    "cores": "set ZOO_RUNNER_CORES to that number, so that steps share the cores that there are",
    "ram": "free some here, set ZOO_RUNNER_MEMORY_MIB to that figure if the step needs less than it asks for",
}


@dataclass
class Findings:
    """What the diagnosis needs of a run's events: the end of each step's log, and the engine's own errors."""

    tails: dict[str, deque[str]] = field(default_factory=dict)
    ended: list[StepEnded] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Keep what a diagnosis may need of an event."""
        match event:
            case StepLines():
                tail = self.tails.setdefault(event.step, deque(maxlen=_TAIL_LINES))
                tail.extend(cut_lines(event.lines[-_TAIL_LINES:]))
            case StepEnded():
                self.ended.append(event)
            case EngineLine(severity="error" | "warning"):
                self.add_complaint(event.text)
            case _:
                pass

    def add_complaint(self, text: str) -> None:
        """Keep what an engine said; of very much the first and the last."""
        self.complaints.append(cut_text(text))
        if len(self.complaints) > 2 * _MOST_COMPLAINTS:
            del self.complaints[_FIRST_COMPLAINTS : -(_MOST_COMPLAINTS - _FIRST_COMPLAINTS)]

    @property
    def failed(self) -> StepEnded | None:
        """The first step whose exit cwltool did not accept."""
        for step in self.ended:
            ends = (f"[job {step.step}] completed {how}" for how in ("permanentFail", "temporaryFail"))
            if any(end in text for end in ends for text in self.complaints):
                return step
        return next((step for step in self.ended if step.exit_code), None)


def diagnose_execution(findings: Findings) -> RunnerError:
    """Build the error for an execution that failed."""
    failed = findings.failed
    text = cut_text("\n".join((*findings.complaints, *_tail(findings, failed))), _TELLING)
    for pattern, explain in _CAUSES:
        match = pattern.search(text)
        if match and not (explain in (_glob_nothing, _wrong_type) and _was_refused(findings, failed)):
            return explain(match, findings, failed)
    if failed is not None and failed.exit_code == KILLED:
        return _killed(findings, failed)
    # a package may declare any exit code a failure, even 0
    if failed is not None and (failed.exit_code or f"[job {failed.step}] exited with status" in text):
        return _exit_code(findings, failed)
    if mistake := explain_mistake(text):
        return mistake
    if refused := _REFUSED_STEP.search(text):
        return ToolError(
            f"step {refused['step']!r} failed: {_last_reason(text) or 'the engine printed no reason'}",
            "Read the job log; correct the definition of this step in the package, or its inputs.",
            evidence=tuple(line for line in text.splitlines() if not _FRAME.match(line))[-_TAIL_LINES:],
            step=refused["step"],
            code="step.failed",
        )
    return EngineError(
        f"the engine failed: {_last_line(text) or 'it printed nothing'}",
        "Read the job log, which has all messages of the engine. If the package is correct, report it to the operator.",
        evidence=tuple(line for line in text.splitlines() if not _FRAME.match(line))[-_TAIL_LINES:],
        code="engine.failed",
    )


def _was_refused(findings: Findings, step: StepEnded | None) -> bool:
    """Whether cwltool or Calrissian rejected a step's exit code, which also explains missing outputs."""
    said = (f"[job {step.step}] exited with status" if step else "", "the command below failed in pod")
    return step is not None and any(words in text for words in said for text in findings.complaints)


def _tail(findings: Findings, step: StepEnded | None) -> tuple[str, ...]:
    return tuple(findings.tails.get(step.step, ())) if step else ()


def _name(step: StepEnded | None) -> str:
    return f"step {step.step!r}" if step else "a step"


def _last_reason(text: str) -> str:
    """Return the last line with more information than that a step or workflow ended."""
    return _last_line("\n".join(line for line in text.splitlines() if not _ENDED.search(line)))


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _last_lines(lines: tuple[str, ...]) -> str:
    """Return the last line about an error, else the last line: buffered output of a tool may come after the error."""
    said = [line.strip() for line in lines if line.strip()]
    return next((line for line in reversed(said) if _COMPLAINT.search(line)), said[-1] if said else "")


def _exit_code(findings: Findings, step: StepEnded) -> RunnerError:
    code = step.exit_code or 0
    said = _last_lines(tuple(line for line in _tail(findings, step) if not is_of_shell(line, code)))
    explained = explain_exit_code(code)
    known = find_tool_failure(said, _tail(findings, step))
    # a signal says more than words, but for words about memory
    if known and (explained.code == "step.exit-code" or known.code == "step.out-of-memory"):
        explained = replace(explained, remedy=known.remedy, code=known.code)
    if f"[job {step.step}] completed temporaryFail" in findings.complaints:
        remedy = "Run the job again: the package lists this exit code as temporary (temporaryFailCodes)."
        explained = replace(explained, remedy=remedy, code="step.temporary-failure")
    return ToolError(
        f"{_name(step)} {explained.what}" + (f": {said}" if said else " and printed nothing"),
        explained.remedy,
        evidence=_tail(findings, step),
        step=step.step,
        code=explained.code,
    )


def _killed(findings: Findings, step: StepEnded) -> RunnerError:
    return ToolError(
        f"{_name(step)} was killed (signal 9), most likely because it ran out of memory",
        "Raise ramMin in the step's ResourceRequirement, or run it on a machine with more memory.",
        evidence=_tail(findings, step),
        step=step.step,
        code="step.out-of-memory",
    )


def _tool_missing(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"{_name(step)} could not start: program {match['tool']!r} not found",
        "Run it in a container that has it (ZOO_RUNNER_CONTAINERS, DockerRequirement), install it on this"
        " machine, or correct baseCommand.",
        evidence=(match[0].rstrip(": "),),
        step=step.step if step else None,
        code="step.program-not-found",
    )


def _glob_nothing(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"{_name(step)} succeeded but wrote no file that matches {match['glob'].strip('[]')}"
        f" for its output {match['output']!r}",
        "Compare the output's glob with the files that the tool writes into its working folder.",
        evidence=(*_tail(findings, step), *match[0].splitlines()[:3]),
        step=step.step if step else None,
        code="step.output-missing",
    )


def build_refused(reason: str) -> EngineError:
    """Build the error of a request that cwltool or Calrissian never make, so that others did; a long reason is cut."""
    return EngineError(
        f"the process that evaluates the package made a forbidden request: {reason[:_LONGEST_REASON]}",
        "Do not run this package again before you have checked it: expressions of it may have left their interpreter.",
        code="engine.refused-request",
    )


def build_too_much(reason: str) -> EngineError:
    """Build the error of a job that filled more of the disk than it may."""
    return EngineError(
        f"the job was ended: its scratch folder has {reason}",
        "Let its steps write less; or ask the operator for a higher limit (ZOO_RUNNER_SCRATCH_MAX_BYTES) or more disk.",
        code="job.disk-limit",
    )


def build_too_small(step: str | None, kind: str, asked: float | str, there: float | str) -> EngineError:
    """Build the error for a machine that has less than a package requires; `kind` is ram, cores, tmpdir or outdir."""
    where = f" for its step {step!r}" if step else ""
    return EngineError(
        f"the package requires {asked} {_RESOURCES.get(kind, kind)}{where}, and this machine has {there}",
        f"Lower {kind}Min in the ResourceRequirement, {_WAYS.get(kind, _FREE)}, or use a larger machine.",
        step=step,
        code="resources.insufficient",
    )


def _too_small(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    """Read cwltool's refusal of a job: there is no GPU, or the requirement was an expression, evaluated only now."""
    gpus = re.search(r"'cudaDeviceCount': (?P<amount>\d+)", match["asked"])
    if gpus and int(gpus["amount"]) > int(match["gpus"]):
        return _no_gpu(match["step"], int(gpus["amount"]), int(match["gpus"]))
    for kind in ("cores", "ram"):
        asked = re.search(rf"'{kind}': (?P<amount>[\d.]+)", match["asked"])
        if asked and float(asked["amount"]) > float(match[kind]):
            return build_too_small(match["step"], kind, asked["amount"], match[kind])
    return build_too_small(match["step"], "resources", match["asked"], f"{match['ram']} MiB, {match['cores']} cores")


def _no_gpu(step: str, asked: int, there: int) -> EngineError:
    devices = "1 CUDA device" if asked == 1 else f"{asked} CUDA devices"
    return EngineError(
        f"the package requires {devices} for its step {step!r}, and this machine has {there} (see nvidia-smi)",
        "Use a machine with a GPU and its driver, or lower cudaDeviceCountMin in the CUDARequirement.",
        step=step,
        code="resources.gpu",
    )


def _format_differs(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    file, _, _ = match["file"].partition("\n}")
    found = re.search(r'"format": "(?P<format>[^"]+)"', file)
    name = re.search(r'"basename": "(?P<name>[^"]+)"', file)
    subject = f"step {match['step']!r}" if match["step"] else "the package"
    return ToolError(
        f"{subject} accepts files of format {match['wanted']} for its input {match['input']!r},"
        f" and {name['name'] if name else 'the file'} has " + (f"{found['format']}" if found else "no format"),
        "Give a file of that format, and set `format` in the inputs, or correct the format in the package.",
        step=match["step"],
        code="step.input-format",
    )


def _out_of_memory(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"step {match['step']!r} ran out of memory: its limit is {match['limit']} MiB (ResourceRequirement)",
        "Raise ramMin (and ramMax, if set) in the step's ResourceRequirement, or give it less data.",
        evidence=tuple(findings.tails.get(match["step"], ())),
        step=match["step"],
        code="step.out-of-memory",
    )


def _input_changed(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"step {match['step']!r} changed its input in place ({match['files']}); other steps may read it too",
        "Let the tool write a new file, or list the input in InitialWorkDirRequirement with `writable: true`.",
        evidence=tuple(findings.tails.get(match["step"], ())),
        step=match["step"],
        code="step.input-changed",
    )


def _wrong_type(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"step {match['step']!r} succeeded, but its output {match['output']!r} has the wrong type: {match['why']}",
        "Correct the type of the output in the package, or what the tool writes (its cwl.output.json, its glob).",
        evidence=tuple(match[0].splitlines()),
        step=match["step"],
        code="step.output-type",
    )


def _outside(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"{_name(step)} refers to a file outside of the job: {match['why']}",
        "Give files as inputs of the package; let tools write into their working folder and copy instead of linking.",
        evidence=(match[0],),
        step=step.step if step else None,
        code="step.outside",
    )


def _disk_full(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return EngineError(
        f"{_name(step)} filled the disk",
        "Free space, or point ZOO_RUNNER_SCRATCH to a larger disk.",
        evidence=(*_tail(findings, step), match[0]),
        step=step.step if step else None,
        code="resources.disk-full",
    )


def _tool_time_limit(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return ToolError(
        f"step {match['step']!r} exceeded its ToolTimeLimit of {match['seconds']} s",
        "Raise the ToolTimeLimit in the package, or give the step less work.",
        evidence=tuple(findings.tails.get(match["step"], ())),
        step=match["step"],
        code="step.time-limit",
    )


def _runtime_broken(match: re.Match[str], findings: Findings, step: StepEnded | None) -> RunnerError:
    return EngineError(
        f"the container of {_name(step)} could not be started: {match['why']}",
        "Run a container by hand with podman or docker on this machine and fix the error it shows, or run without"
        " containers (ZOO_RUNNER_CONTAINERS=none).",
        evidence=(match[0],),
        step=step.step if step else None,
        code="containers.broken",
    )


_CAUSES = (
    (words(r"\[job (?P<step>[^]]+)\] ran out of memory at its limit of (?P<limit>\d+) MiB"), _out_of_memory),
    (words(r"\[job (?P<step>[^]]+)\] changed its input: (?P<files>[^\n]+)"), _input_changed),
    (words(r"\[job (?P<step>[^]]+)\] exceeded time limit of (?P<seconds>\d+) seconds"), _tool_time_limit),
    (words(r"Outside of the job: (?P<why>[^\n]+)"), _outside),
    (
        words(r"Error collecting output for parameter [^\n]*?: (?P<why>the link [^\n]+ leads out of the job[^\n]*)"),
        _outside,
    ),
    (words(r"No space left on device|Disk quota exceeded"), _disk_full),
    # before the missing tool: podman's network may lack a program of this machine
    (words(r"^Error: (?P<why>(?:plugin type=|netavark)[^\n]+)", re.MULTILINE), _runtime_broken),
    (words(r"^'(?P<tool>[^']+)' not found: ", re.MULTILINE), _tool_missing),
    (
        words(r"exec: \"?(?P<tool>[^\":\s]+)\"?: (?:executable file not found|no such file)"),
        _tool_missing,
    ),
    (words(r"(?:runc|crun|OCI runtime)\S* (?:error|create failed)[^\n]*?: (?P<why>[^\n]+)"), _runtime_broken),
    (
        words(
            r"Error collecting output for parameter '?(?P<output>[^':\s]+)'?:[\s\S]*?"
            r"Did not find output file with glob pattern: (?P<glob>\[[^\n]{0,300}?['\"]\])"
        ),
        _glob_nothing,
    ),
    (
        words(
            r"\[job (?P<step>[^]]+)\] Job error:\s+Error validating output record. [Tt]he '(?P<output>[^']+)' field"
            r" is not valid because\s+(?P<why>[^\n]+)"
        ),
        _wrong_type,
    ),
    (
        words(
            r'Job "(?P<step>[^"]+)" cannot be run, requests more resources \((?P<asked>\{[^{}\n]*\})\)'
            r"[^\n]{0,300}?max ram (?P<ram>[\d.]+), max cores (?P<cores>[\d.]+), max CUDA (?P<gpus>\d+)"
        ),
        _too_small,
    ),
    (
        words(
            r"(?:\[step (?P<step>[^]]+)\] Cannot make job|Cannot run the package): Expected value of '(?P<input>[^']+)'"
            r" to have format (?P<wanted>[^{}]{1,300}?) but\s+File has (?:an incompatible|no 'format')"
            r"[^{]*(?P<file>\{[\s\S]{0,4000})"
        ),
        _format_differs,
    ),
)
