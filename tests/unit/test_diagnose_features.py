"""What an engine prints about a feature of CWL, and the diagnosis of it."""

from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.events import EngineLine, StepEnded, StepLines


def diagnose(*events: EngineLine | StepEnded | StepLines) -> Diagnosis:
    findings = Findings()
    for event in events:
        findings.add(event)
    return diagnose_execution(findings).diagnosis


def test_a_network_that_podman_cannot_create_is_not_a_missing_program_of_the_package() -> None:
    why = 'plugin type="bridge" failed (add): failed to locate iptables: exec: "iptables": executable file not found'
    diagnosis = diagnose(
        StepLines("make", (f"Error: {why}",)),
        StepEnded("make", 0, 1, 127, None, None),
        EngineLine("warning", "[job make] completed permanentFail"),
    )
    assert (diagnosis.code, diagnosis.step) == ("containers.broken", "make")
    assert diagnosis.cause.endswith(why)


def test_a_feature_that_is_not_declared_is_named() -> None:
    line = "[workflow w] Cannot collect workflow output: links but MultipleInputFeatureRequirement is not declared."
    diagnosis = diagnose(EngineLine("error", line))
    assert diagnosis.code == "step.requirement-missing"
    assert "MultipleInputFeatureRequirement" in diagnosis.cause


def test_a_file_without_format_is_reported_as_such() -> None:
    line = (
        "[step read] Cannot make job: Expected value of 'table' to have format 'x:csv' but\n"
        ' File has no \'format\' defined: {\n    "class": "File",\n    "basename": "t.csv"\n}'
    )
    diagnosis = diagnose(EngineLine("error", line))
    assert (diagnosis.code, diagnosis.step) == ("step.input-format", "read")
    assert all(fact in diagnosis.cause for fact in ("'x:csv'", "'table'", "t.csv"))


def test_out_of_memory_is_reported_rather_than_the_exit_code_that_it_led_to() -> None:
    diagnosis = diagnose(
        EngineLine("error", "[job fill] ran out of memory at its limit of 64 MiB"),
        StepEnded("fill", 0, 1, 137, None, None),
        EngineLine("warning", "[job fill] completed permanentFail"),
    )
    assert (diagnosis.code, diagnosis.step) == ("step.out-of-memory", "fill")
    assert "64 MiB" in diagnosis.cause
