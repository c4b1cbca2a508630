"""What an engine prints about a package with a mistake, and the diagnosis of it."""

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.cwl_process.mistakes import explain_mistake
from zoo_runner.model.diagnosis import Level

SCRIPT = """\
[step s] Cannot make job: Expression evaluation error:
Expecting value: line 1 column 1 (char 0)
script was:
01 var inputs = {"x": 1};
02 (function(){return ((foo.bar));})()
stderr was: 'evalmachine.<anonymous>:2
(function(){return ((foo.bar));})()
ReferenceError: foo is not defined
    at evalmachine.<anonymous>:2:21
    at Script.runInContext (node:vm:149:12)'"""
TWO_FILES = """\
[job s] Job error:
Error collecting output for parameter 'o': package.json:1:817: Multiple matches for output item that is a single file.
[job s] completed permanentFail"""
WRONG_INPUT = """\
[step s] Cannot make job: Invalid job input record:
the 'x' field is not valid because
  "'s'" is not int
[workflow main] completed permanentFail"""
UNEQUAL = """\
[step s] Cannot make job: Length of input arrays must be equal when performing dotproduct scatter.
[workflow main] Cannot collect workflow output: All sources for 'pick' are null"""
LONG_ARGUMENT = "Exception while running job: [Errno 7] Argument list too long: 'sh'\n[job s] completed permanentFail"
NO_JSON = "Exception while running job: Expecting value: line 1 column 1 (char 0).\n[job s] completed permanentFail"
NO_PROGRAM = "Exception while running job: [Errno 13] Permission denied: '/tmp'.\n[job s] completed permanentFail"
PLACED = "[step s] Cannot make job: package.json:1:580: timelimit must be an integer >= 0, got: -1"


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (SCRIPT, "step.expression", "ReferenceError: foo is not defined"),
        (
            TWO_FILES,
            "step.output-invalid",
            "'o' cannot be collected: Multiple matches for output item that is a single file",
        ),
        (
            WRONG_INPUT,
            "step.not-ready",
            "Invalid job input record: the 'x' field is not valid because \"'s'\" is not int",
        ),
        (
            UNEQUAL,
            "step.not-ready",
            "Length of input arrays must be equal when performing dotproduct scatter",
        ),
        (
            NO_JSON,
            "step.output-invalid",
            "Expecting value: line 1 column 1 (char 0)",
        ),
        (LONG_ARGUMENT, "inputs.too-large", " one argument)"),
        (NO_PROGRAM, "step.not-started", "Permission denied: '/tmp'"),
        (PLACED, "step.not-ready", "timelimit must be an integer >= 0, got: -1"),
    ],
)
def test_a_mistake_in_a_step_is_at_level_user_and_names_the_step(said: str, code: str, why: str, check: Check) -> None:
    error = explain_mistake(said)
    diagnosis = check(error, code, "step 's'", level=Level.USER, step="s")
    assert diagnosis.cause.endswith(why)
    assert diagnosis.remedy
    assert not any(line.lstrip().startswith("at ") for line in diagnosis.evidence)


@pytest.mark.parametrize("said", ["", "podman did not answer", "[job s] completed permanentFail"])
def test_what_is_not_a_mistake_of_the_package_is_not_explained(said: str) -> None:
    assert explain_mistake(said) is None


@pytest.mark.parametrize(
    ("said", "code", "step", "fact"),
    [
        (
            "Workflow contains scatter but ScatterFeatureRequirement not in requirements",
            "step.requirement-missing",
            None,
            "ScatterFeatureRequirement",
        ),
        (
            "Workflow step contains valueFrom but StepInputExpressionRequirement not in requirements",
            "step.requirement-missing",
            None,
            "StepInputExpressionRequirement",
        ),
        ("Unsupported requirement DaskRequirement.", "package.unsupported", None, "DaskRequirement"),
        ("Missing required secondary file 'a.tif.aux' from file object: {", "inputs.missing", None, "'a.tif.aux'"),
        (
            "Invalid job input record:\nthe 'n' field is not valid because\n  \"'x'\" is not int",
            "inputs.type",
            None,
            "the 'n' field",
        ),
        (
            "[job s] Job error:\nUnicodeEncodeError: 'utf-8' codec can't encode character: surrogates not allowed",
            "step.output-invalid",
            "s",
            "UTF-8",
        ),
        (
            "[job s] Job error:\npackage.json:1:20: [Errno 2] No such file or directory: '/a/dem.tif'",
            "step.failed",
            "s",
            "No such file or directory: '/a/dem.tif'",
        ),
    ],
)
def test_a_mistake_is_at_level_user_and_names_what_is_wrong(
    said: str, code: str, step: str | None, fact: str, check: Check
) -> None:
    error = explain_mistake(said)
    assert check(error, code, fact, level=Level.USER).step == step
