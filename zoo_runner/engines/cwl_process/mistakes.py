"""Mistakes in a package that appear only when it runs: expressions, scatter, outputs; pure.

The package's author has to correct them, whatever the engine.
"""

import re

from zoo_runner.engines.cwl_process.known_errors import explain_general_error, explain_known_error
from zoo_runner.engines.cwl_process.tool_failures import find_tool_failure
from zoo_runner.engines.cwl_process.words import words
from zoo_runner.model.errors import InputError, PackageError, RunnerError, ToolError

_PLACE = r"(?:package\.json:\d+:\d+: )?"
_STEP = words(r"\[(?:step|job) (?P<step>[^]]+)\]")
_SCRIPT_FAILED = words(r"Expression evaluation error:")
_SCRIPT_REASON = words(rf"Expression evaluation error:\s+{_PLACE}(?P<why>[^\n]+)")
_NO_JAVASCRIPT = "without specifying InlineJavascriptRequirement"
_SCRIPT_ERROR = words(rf"^{_PLACE}(?P<why>\w*Error: [^\n]+)", re.MULTILINE)
_UNREADY = words(rf"\[step (?P<step>[^]]+)\] Cannot make job: {_PLACE}(?P<why>[^\n]+(?:\n(?!\[)[^\n]+){{0,3}})")
_OUTPUT = (
    r"\[job (?P<step>[^]]+)\] Job error:\s+"
    rf"Error collecting output for parameter '?(?P<output>[^':\s]+)'?: {_PLACE}"
)
_UNCOLLECTED = words(rf"{_OUTPUT}(?P<why>[^\n]+)")
_NO_PICK = words(r"^[^\n]*(?P<why>All sources for [^\n]+ are null|Expected only one source[^\n]+)", re.MULTILINE)
_UNDECLARED = words(r"\b(?P<requirement>\w+Requirement)\s+(?:is not declared|not in requirements)")
_UNSUPPORTED = words(r"Unsupported requirement (?P<requirement>\S+?)\.?(?:\s|$)")
_NO_SECONDARY = words(r"Missing required secondary file '(?P<name>[^']+)' from file object")
_WRONG_ORDER = words(r"Invalid job input record:\s+(?P<why>[^\n]+(?:\n(?!\[)[^\n]+){0,3})")
_NOT_UTF8 = words(r"UnicodeEncodeError|surrogates not allowed|UnicodeDecodeError: 'utf-8'")
_BAD_NAME = words(rf"{_OUTPUT}a file name is not valid UTF-8: (?P<name>[^\n]+)")
_JOB_ERROR = words(rf"\[job (?P<step>[^]]+)\] Job error:\s+{_PLACE}(?P<why>[^\n]+)")
_NO_JSON = words(r"Exception while running job: (?P<why>[^\n]+: line \d+ column \d+ \(char \d+\))")
_NOT_RUN = words(r"Exception while running job: (?:\[Errno \d+\] )?(?P<why>[^\n]+)")


def explain_mistake(text: str) -> RunnerError | None:
    """Find a mistake in the package in the messages of an engine; None where they are about something else."""
    if undeclared := _UNDECLARED.search(text):
        before = re.split(r"[\n:]", text[: undeclared.start()])[-1]
        what = f"{before}{undeclared[0]}".strip()
        return ToolError(
            f"the package uses a feature without declaring it: {what}",
            f"Add {undeclared['requirement']} to the requirements of the workflow.",
            evidence=(what,),
            code="step.requirement-missing",
        )
    if _SCRIPT_FAILED.search(text):
        return _explain_script(text)
    explanations = (
        *(
            explain_known_error,
            _explain_name,
            _explain_step,
            _explain_inputs,
            _explain_unsupported,
            _explain_start,
            _explain_pick,
        ),
        *(_explain_job, explain_general_error),
    )
    return next((error for explain in explanations if (error := explain(text))), None)


def _explain_inputs(text: str) -> RunnerError | None:
    """Explain what is wrong with the inputs of the job itself, where no step is named."""
    if lacking := _NO_SECONDARY.search(text):
        return InputError(
            f"required secondary file is missing: {lacking['name']!r}",
            "Put the file beside its primary file, or list it under `secondaryFiles` of the input.",
            evidence=(lacking[0],),
            code="inputs.missing",
        )
    if wrong := _WRONG_ORDER.search(text):
        return InputError(
            f"the inputs do not fit the package: {_flatten(wrong['why'])}",
            "Correct the input, or its type in the package.",
            evidence=tuple(wrong[0].splitlines()),
            code="inputs.type",
        )
    return None


def _explain_unsupported(text: str) -> RunnerError | None:
    if unsupported := _UNSUPPORTED.search(text):
        return PackageError(
            f"the engine does not support the requirement {unsupported['requirement']!r}",
            "Remove it, or make it a hint if the package can run without it.",
            evidence=(unsupported[0].strip(),),
            code="package.unsupported",
        )
    if _NOT_UTF8.search(text):
        step = _read_step(text)
        return _build_bad_name(f"{_name(step)} used a file name that is not valid UTF-8", step)
    return None


def _explain_name(text: str) -> ToolError | None:
    if bad := _BAD_NAME.search(text):
        what = f"output {bad['output']!r} of step {bad['step']!r} has a file name that is not valid UTF-8"
        return _build_bad_name(f"{what}: {bad['name']}", bad["step"])
    return None


def _build_bad_name(cause: str, step: str | None) -> ToolError:
    remedy = "Let the tool name its files in UTF-8 (set PYTHONUTF8=1 or LANG=C.UTF-8 in its image)."
    return ToolError(cause, remedy, step=step, code="step.output-invalid")


def _explain_job(text: str) -> RunnerError | None:
    """Explain by the engine's own words what no other explanation knows, if they name the step."""
    if failed := _JOB_ERROR.search(text):
        return ToolError(
            f"step {failed['step']!r} failed: {_flatten(failed['why'])}",
            "Read the job log; correct the definition of this step in the package, or its inputs.",
            evidence=tuple(failed[0].splitlines()),
            step=failed["step"],
            code="step.failed",
        )
    return None


def _explain_step(text: str) -> ToolError | None:
    if unready := _UNREADY.search(text):
        return ToolError(
            f"cannot prepare step {unready['step']!r}: {_flatten(unready['why'])}",
            "Correct the definition of this step in the package, or the input that it uses.",
            evidence=tuple(unready[0].splitlines()),
            step=unready["step"],
            code="step.not-ready",
        )
    if uncollected := _UNCOLLECTED.search(text):
        return ToolError(
            f"step {uncollected['step']!r} succeeded, but its output {uncollected['output']!r} cannot be collected:"
            f" {_flatten(uncollected['why'])}",
            "Compare the output's type, glob, loadContents and outputEval with the files that the tool writes.",
            evidence=tuple(uncollected[0].splitlines()),
            step=uncollected["step"],
            code="step.output-invalid",
        )
    return None


def _explain_pick(text: str) -> ToolError | None:
    """Explain pickValue; after what is about steps, because a failed step has no outputs either."""
    picked = _NO_PICK.search(text)
    if picked is None:
        return None
    return ToolError(
        f"pickValue found no suitable value: {picked['why'].strip()}",
        "Compare the `when` of the steps with `pickValue`: first_non_null and the_only_non_null need a step that"
        " runs, the_only_non_null exactly one; all_non_null takes any number.",
        evidence=(picked[0].strip(),),
        code="step.pick-value",
    )


def _explain_script(text: str) -> ToolError:
    errors = _SCRIPT_ERROR.findall(text)
    step, reason = _read_step(text), _SCRIPT_REASON.search(text)
    said = _flatten(reason["why"]) if reason else "it has no reason"
    why = errors[-1] if errors else said
    if _NO_JAVASCRIPT in why:
        remedy = "Correct the reference; if it is JavaScript, add InlineJavascriptRequirement to the requirements."
    else:
        remedy = "Correct the expression; the job log shows the script and its data."
    return ToolError(
        f"an expression of {_name(step)} failed: {why}",
        remedy,
        evidence=tuple(dict.fromkeys(errors)),
        step=step,
        code="step.requirement-missing" if _NO_JAVASCRIPT in why else "step.expression",
    )


def _explain_start(text: str) -> ToolError | None:
    step = _read_step(text)
    if no_json := _NO_JSON.search(text):
        return ToolError(
            f"{_name(step)} wrote a cwl.output.json that is not JSON: {no_json['why']}",
            "Let the tool write this file with a JSON library, and print other text elsewhere.",
            step=step,
            code="step.output-invalid",
        )
    if (not_run := _NOT_RUN.search(text)) and not_run["why"].startswith("Argument list too long"):
        return ToolError(
            f"{_name(step)} could not be started: its command line is longer than the system allows (128 KiB for one"
            " argument)",
            "Shorten the values of the inputs that become arguments; the author of the package can accept such a value"
            " as a File.",
            evidence=(not_run[0],),
            step=step,
            code="inputs.too-large",
        )
    if not_run:
        known = find_tool_failure(not_run["why"])
        return ToolError(
            f"{_name(step)} could not be started: {not_run['why'].rstrip('.')}",
            known.remedy if known else "Correct baseCommand, arguments or environment of the tool in the package.",
            evidence=(not_run[0],),
            step=step,
            code="step.not-started",
        )
    return None


def _read_step(text: str) -> str | None:
    found = _STEP.search(text)
    return found["step"] if found else None


def _name(step: str | None) -> str:
    return f"step {step!r}" if step else "a step"


def _flatten(why: str) -> str:
    return " ".join(why.split()).rstrip(".")
