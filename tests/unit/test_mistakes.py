"""What an engine prints about a package with a mistake, and the diagnosis of it."""

import json

import pytest

from tests.unit.messages import Check
from tests.values import ROOT
from zoo_runner.engines.cwl_process.links import describe_bad_name
from zoo_runner.engines.cwl_process.mistakes import explain_mistake
from zoo_runner.model.diagnosis import Level

# what cwltool 3.3 and cwl_utils 0.45 print: of jobs that failed, and by their source
_MESSAGES = json.loads((ROOT / "tests" / "data" / "engine" / "cwltool-messages.json").read_text())
SAMPLES, RECORDED = _MESSAGES["samples"], _MESSAGES["errors"]


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        (SAMPLES["script"], "step.expression", "ReferenceError: foo is not defined"),
        (
            SAMPLES["two-files"],
            "step.output-invalid",
            "'o' cannot be collected: Multiple matches for output item that is a single file",
        ),
        (
            SAMPLES["wrong-input"],
            "step.not-ready",
            "Invalid job input record: the 'x' field is not valid because \"'s'\" is not int",
        ),
        (
            SAMPLES["unequal"],
            "step.not-ready",
            "Length of input arrays must be equal when performing dotproduct scatter",
        ),
        (
            SAMPLES["no-json"],
            "step.output-invalid",
            "Expecting value: line 1 column 1 (char 0)",
        ),
        (SAMPLES["long-argument"], "inputs.too-large", " one argument)"),
        (SAMPLES["no-program"], "step.not-started", "Permission denied: '/tmp'"),
        (SAMPLES["placed"], "step.not-ready", "timelimit must be an integer >= 0, got: -1"),
    ],
)
def test_a_mistake_in_a_step_is_at_level_user_and_names_the_step(said: str, code: str, why: str, check: Check) -> None:
    error = explain_mistake(said)
    diagnosis = check(error, code, "step 's'", level=Level.USER, step="s")
    assert diagnosis.cause.endswith(why)
    assert diagnosis.remedy
    assert not any(line.lstrip().startswith("at ") for line in diagnosis.evidence)


@pytest.mark.parametrize(("said", "code", "fact"), [tuple(each.values()) for each in RECORDED])
def test_what_cwltool_raises_has_its_cause_and_its_code(said: str, code: str, fact: str) -> None:
    error = explain_mistake(f"{said}\n[workflow w] completed permanentFail")
    assert error is not None
    assert error.diagnosis.code == code
    assert fact in error.diagnosis.cause
    assert error.diagnosis.remedy
    assert error.diagnosis.level == "user"


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
            "[step other] start\n[job s] Job error:\nError collecting output for parameter 'o': package.json:1:20: "
            + describe_bad_name("/out/a\udcff.tif"),
            "step.output-invalid",
            "s",
            r"'a\xff.tif'",
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
