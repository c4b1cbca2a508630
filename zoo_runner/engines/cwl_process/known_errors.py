"""Errors of cwltool whose own words say what is wrong: who has to act, and what to do about each; pure.

The words are those of cwltool 3.1 to 3.3 and of cwl_utils, which evaluates expressions.
"""

import re
from dataclasses import dataclass
from functools import cache

from zoo_runner.engines.cwl_process.words import words
from zoo_runner.model.errors import EngineError, InputError, PackageError, RunnerError, ToolError

_STEP = words(r"\[(?:step|job) (?P<step>[^]]+)\]")


@dataclass(frozen=True)
class KnownError:
    """An error by its words; `what` is shown with the parts of `words` that have a name."""

    words: re.Pattern[str]
    what: str
    remedy: str
    code: str
    kind: type[RunnerError] = ToolError

    def explain(self, text: str) -> RunnerError | None:
        """Build the error where its words are in the messages of an engine; of a step, its name comes first."""
        found = _across_lines(self.words).search(text)
        if found is None:
            return None
        parts = {name: " ".join(part.split()).rstrip(".") for name, part in found.groupdict(default="").items()}
        step = parts.get("step") or _read_step(text) if self.kind is ToolError else None
        what = self.what.format(**parts)
        evidence = tuple(found[0].splitlines()[:4])
        subject = f"step {step!r}: " if step else ""
        return self.kind(f"{subject}{what}", self.remedy, evidence=evidence, step=step, code=self.code)


@cache
def _across_lines(known: re.Pattern[str]) -> re.Pattern[str]:
    """Allow a line break for each space: cwltool breaks the lines of messages that name a place in the package."""
    return re.compile(known.pattern.replace(" ", r"\s{1,40}"), known.flags)


def explain_known_error(text: str) -> RunnerError | None:
    """Explain the first error of `KNOWN_ERRORS` that is in the messages of an engine."""
    return next((error for known in KNOWN_ERRORS if (error := known.explain(text))), None)


def explain_general_error(text: str) -> RunnerError | None:
    """Explain the first error of `GENERAL_ERRORS` that is in the messages of an engine."""
    return next((error for known in GENERAL_ERRORS if (error := known.explain(text))), None)


def _read_step(text: str) -> str | None:
    found = _STEP.search(text)
    return found["step"] if found else None


_LINKS = "Compare `source` and type of the two in the package; `zoo-runner validate` checks the links between steps."
_STREAM = "Give a file name without folders, as a string."
KNOWN_ERRORS = (
    KnownError(
        words(r"Cannot run a CommandLineTool that produces an empty command line"),
        "the command line is empty",
        "Name the program in baseCommand or arguments.",
        "step.not-started",
    ),
    KnownError(
        words(r"Input file (?P<name>.+?) \(at .+?\) not found or is not a regular file"),
        "input file {name} does not exist, or is not a regular file",
        "Let the step before write a regular file, or correct the reference to it.",
        "step.not-ready",
    ),
    KnownError(
        words(r"(?<![^\s:])(?P<name>[^\s:]+) missing from pathmapper"),
        "stdin is {name!r}, which is not a file among the inputs",
        "Write `stdin: $(inputs.NAME.path)` with an input of type File.",
        "step.not-ready",
    ),
    KnownError(
        words(r"Could not satisfy CUDARequirement"),
        "no GPU satisfies the CUDARequirement of the package",
        "Use a machine with such a GPU and its driver (see nvidia-smi), or lower the requirement.",
        "resources.gpu",
        EngineError,
    ),
    KnownError(
        words(r"Abstract operation cannot be executed"),
        "the package has an Operation, which has no program",
        "Replace the Operation by a CommandLineTool or Workflow.",
        "package.unsupported",
        PackageError,
    ),
    KnownError(
        words(r"Input '(?:[^']*[#/])?(?P<name>[^'#/]+)' not in input object and does not have a\s+default value"),
        "required input is missing: {name!r}",
        "Give the input.",
        "inputs.missing",
        InputError,
    ),
    KnownError(
        words(r"Value for (?:\S*[#/])?(?P<name>[^\s#/]+) not specified"),
        "no value for {name!r}: it has neither a source nor a default",
        "Give the input in the package a source, valueFrom or default, or make it optional.",
        "package.invalid",
        PackageError,
    ),
    KnownError(
        words(r"Connect source '(?P<source>[^']+)' on parameter '(?P<sink>[^']+)' does not exist"),
        "the source {source!r} of {sink!r} does not exist",
        _LINKS,
        "package.invalid",
        PackageError,
    ),
    KnownError(
        words(r"(?P<why>Type mismatch between source '[^']+' \(.+?\) and\s+sink '[^']+')"),
        "{why}",
        _LINKS,
        "package.invalid",
        PackageError,
    ),
    KnownError(
        words(r"Must specify scatterMethod when scattering over multiple inputs"),
        "scatter over several inputs has no scatterMethod",
        "Add scatterMethod to the step: dotproduct, flat_crossproduct or nested_crossproduct.",
        "package.invalid",
        PackageError,
    ),
    KnownError(
        words(r"Unrecognized linkMerge enum '(?P<name>[^']*)'"),
        "linkMerge is {name!r}",
        "Write merge_nested or merge_flattened.",
        "package.invalid",
        PackageError,
    ),
    KnownError(
        words(r"Cannot make scatter job: (?P<why>[^\n]+)"),
        "cannot prepare one of its scattered jobs: {why}",
        "Correct the definition of the step, or the element that it is scattered over.",
        "step.not-ready",
    ),
    KnownError(
        words(r"file is too large, loadContents limited to (?P<bytes>\d+) bytes"),
        "a file with loadContents is larger than {bytes} bytes",
        "Remove loadContents and read the file with the tool, or let an earlier step write a smaller one.",
        "step.not-ready",
    ),
    KnownError(
        words(r"(?P<name>stdout|stderr) must be a relative path, got '(?P<path>[^']*)'"),
        "{name} is {path!r}, which leads out of its folder",
        _STREAM,
        "step.not-ready",
    ),
    KnownError(
        words(r"'(?P<name>stdin|stdout|stderr)' expression must return a string[^.]*\. Got\s+(?P<got>(?s:.+?))\s+for "),
        "the expression of {name} returned {got}, not a string",
        _STREAM,
        "step.expression",
    ),
    KnownError(
        words(
            r"'(?P<name>timelimit|networkAccess)' expression must evaluate to a (?P<kind>\S+)\. Got\s+"
            r"(?P<got>(?s:.+?))\s+for"
        ),
        "the expression of {name} returned {got}, not {kind}",
        "Correct the expression.",
        "step.expression",
    ),
    KnownError(
        words(r"Conditional 'when' must evaluate to 'true' or 'false'"),
        "`when` is neither true nor false",
        "Let the expression of `when` return a boolean, such as $(inputs.x !== null).",
        "step.expression",
    ),
    KnownError(
        words(r"Does not exist or is not a (?P<kind>File|Directory): '(?P<name>[^']+)'"),
        "{name!r} does not exist, or is not a {kind}",
        "Correct what refers to it, or its type.",
        "step.not-ready",
    ),
    KnownError(
        words(r"'separate' option can not be specified without prefix"),
        "an inputBinding has `separate` without `prefix`",
        "Add the prefix, or remove `separate`.",
        "package.invalid",
        PackageError,
    ),
    KnownError(
        words(r"(?P<kind>File|Directory) object missing \"path\""),
        "an expression built a {kind} without path or location",
        "Give it `location` or `path`, or `basename` with `contents` or `listing`.",
        "step.not-ready",
    ),
    KnownError(
        words(r"File staging conflict, trying to stage both \S+ and \S+ to the same target (?P<name>[^\n]+)"),
        "two files would have the same name, {name}",
        "Give one of them another name, with `entryname` in InitialWorkDirRequirement or `basename` in the inputs.",
        "step.not-ready",
    ),
    KnownError(
        words(r"Expected File or Directory object, was (?P<kind>[^\n]+)"),
        "an output that should be a File or Directory is {kind}",
        "Let outputEval or cwl.output.json give an object with class and path.",
        "step.output-type",
    ),
    KnownError(
        words(r"Output file path (?P<path>.+?) must be within designated output directory"),
        "an output is outside of its folder: {path}",
        "Let the tool write its outputs into its working folder.",
        "step.output-invalid",
    ),
    KnownError(
        words(r"Output File object is missing both 'location' and 'path'"),
        "an output File has neither location nor path",
        "Let outputEval or cwl.output.json give an object with class and path.",
        "step.output-type",
    ),
    KnownError(
        words(
            r"No mandatory DockerRequirement, yet path is outside\s+the designated output directory[^:]*: (?P<path>.+)"
        ),
        "a file is placed at an absolute path ({path}), which only a container can have",
        "Move DockerRequirement from hints to requirements, or use a relative entryname.",
        "step.requirement-missing",
    ),
    KnownError(
        words(r"entry of InitialWorkDirRequirement at (?P<place>\S+) has no '(?P<name>\w+)'"),
        "an entry of its InitialWorkDirRequirement ({place}) has no {name!r}",
        "Give the entry a name with `entryname`, or let its expression return a File or Directory object.",
        "step.not-ready",
    ),
    KnownError(
        words(r"KeyError: '(?P<name>location|path|class|basename|contents|listing)'"),
        "a value that should be a File or Directory has no {name!r}",
        "Let the expression, or cwl.output.json, give an object with `class`, and `location` or `path`.",
        "step.not-ready",
    ),
    KnownError(
        words(
            r"(?:Unhandled exception|internal error of cwltool|Exception while running job): "
            r"(?P<why>(?!Unicode)\w*(?:Error|Exception): [^\n]+)"
        ),
        "cwltool failed with an internal error: {why}",
        "Such errors come from values of a wrong shape: look at expressions and cwl.output.json. If they are right,"
        " report it to the operator with the job log.",
        "step.engine-error",
    ),
)
"""Errors that have one cause, whatever else was printed."""

GENERAL_ERRORS = (
    KnownError(
        words(r"\[step (?P<step>[^]]+)\] Output is missing expected field (?:\S*[#/])?(?P<name>[^\s#/]+)"),
        "it has no output {name!r}",
        "Let the tool write it (its cwl.output.json, its expression), or correct `out` of the step.",
        "step.output-missing",
    ),
    KnownError(
        words(r"Cannot collect\s+workflow\s+output: (?P<why>[^\n]+)"),
        "an output of the workflow cannot be collected: {why}",
        "Compare outputSource, linkMerge, pickValue and type of the workflow's outputs with what the steps give.",
        "step.output-invalid",
    ),
    KnownError(
        words(r"Cannot run the package: (?:package\.json:\d+:\d+: )?(?P<why>[^\n]+(?:\n(?!\[)[^\n]+){0,3})"),
        "cannot run the package: {why}",
        "Correct the part of the package that is named, or the input that it uses.",
        "step.not-ready",
    ),
)
"""Errors that may also be the consequence of another: to be looked for last."""
