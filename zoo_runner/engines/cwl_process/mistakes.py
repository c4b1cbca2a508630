"""Mistakes in a package that show only when it runs: expressions, scatter, outputs that cannot be had; pure.

Each is the package author's to mend, whatever engine stumbled over it.
"""

import re

from zoo_runner.model.errors import ToolError

_PLACE = r"(?:package\.json:\d+:\d+: )?"
_STEP = re.compile(r"\[(?:step|job) (?P<step>[^]]+)\]")
_SCRIPT_FAILED = re.compile(r"Expression evaluation error:")
_SCRIPT_ERROR = re.compile(rf"^{_PLACE}(?P<why>\w*Error: [^\n]+)", re.MULTILINE)
_UNREADY = re.compile(rf"\[step (?P<step>[^]]+)\] Cannot make job: {_PLACE}(?P<why>[^\n]+(?:\n(?!\[)[^\n]+){{0,3}})")
_UNCOLLECTED = re.compile(
    r"\[job (?P<step>[^]]+)\] Job error:\s+"
    rf"Error collecting output for parameter '?(?P<output>[^':\s]+)'?: {_PLACE}"
    r"(?P<why>[^\n]+)"
)
_NO_PICK = re.compile(r"^.*(?P<why>All sources for [^\n]+ are null|Expected only one source[^\n]+)", re.MULTILINE)
_UNDECLARED = re.compile(r"(?P<what>[^\n:]*\b(?P<requirement>\w+Requirement) is not declared)")
_NO_JSON = re.compile(r"Exception while running job: (?P<why>[^\n]+: line \d+ column \d+ \(char \d+\))")
_NOT_RUN = re.compile(r"Exception while running job: (?:\[Errno \d+\] )?(?P<why>[^\n]+)")


def explain_mistake(text: str) -> ToolError | None:
    """What an engine's complaints say of a mistake in the package; None where they speak of something else."""
    if undeclared := _UNDECLARED.search(text):
        return ToolError(
            f"the package uses what it does not declare: {undeclared['what'].strip()}",
            f"Add {undeclared['requirement']} to the requirements of the workflow.",
            evidence=(undeclared[0].strip(),),
        )
    if _SCRIPT_FAILED.search(text):
        return _explain_script(text)
    return _explain_step(text) or _explain_start(text) or _explain_pick(text)


def _explain_step(text: str) -> ToolError | None:
    if unready := _UNREADY.search(text):
        return ToolError(
            f"step {unready['step']!r} cannot be made ready: {_flatten(unready['why'])}",
            "Mend what the package says of this step, or the input that it is made of.",
            evidence=tuple(unready[0].splitlines()),
            step=unready["step"],
        )
    if uncollected := _UNCOLLECTED.search(text):
        return ToolError(
            f"step {uncollected['step']!r} succeeded, but its output {uncollected['output']!r} cannot be had:"
            f" {_flatten(uncollected['why'])}",
            "Compare the output's type, glob, loadContents and outputEval with the files that the tool leaves.",
            evidence=tuple(uncollected[0].splitlines()),
            step=uncollected["step"],
        )
    return None


def _explain_pick(text: str) -> ToolError | None:
    """Comes last, for a step that failed has no outputs to choose from."""
    picked = _NO_PICK.search(text)
    if picked is None:
        return None
    return ToolError(
        f"the package could not choose among the outputs of its steps: {picked['why'].strip()}",
        "Compare the `when` of the steps with `pickValue`: first_non_null and the_only_non_null need a step that"
        " runs, the_only_non_null just one; all_non_null takes any number.",
        evidence=(picked[0].strip(),),
    )


def _explain_script(text: str) -> ToolError:
    errors = _SCRIPT_ERROR.findall(text)
    step = _read_step(text)
    return ToolError(
        f"a JavaScript expression of {_name(step)} failed: {errors[-1] if errors else 'it gave nothing'}",
        "Correct the expression; the job log shows the script with all that it was given.",
        evidence=tuple(dict.fromkeys(errors)),
        step=step,
    )


def _explain_start(text: str) -> ToolError | None:
    step = _read_step(text)
    if no_json := _NO_JSON.search(text):
        return ToolError(
            f"{_name(step)} wrote a cwl.output.json that is not JSON: {no_json['why']}",
            "Let the tool write the outputs with a JSON library, or print what it says elsewhere.",
            step=step,
        )
    if not_run := _NOT_RUN.search(text):
        return ToolError(
            f"{_name(step)} could not be run: {not_run['why'].rstrip('.')}",
            "Correct what the package says of the program: baseCommand, arguments, environment.",
            evidence=(not_run[0],),
            step=step,
        )
    return None


def _read_step(text: str) -> str | None:
    found = _STEP.search(text)
    return found["step"] if found else None


def _name(step: str | None) -> str:
    return f"step {step!r}" if step else "a step"


def _flatten(why: str) -> str:
    return " ".join(why.split()).rstrip(".")
