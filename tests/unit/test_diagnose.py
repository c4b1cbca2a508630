from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.model.diagnosis import Level, Stage
from zoo_runner.model.errors import EngineError, RunnerError, ToolError
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepEnded, StepLines


def found(*events: Event) -> Findings:
    findings = Findings()
    for event in events:
        findings.add(event)
    return findings


def ended(step: str, code: int | None) -> StepEnded:
    return StepEnded(step, 0.0, 1.0, code, None, None)


def complaint(text: str) -> EngineLine:
    return EngineLine("warning", text)


def diagnose(*events: Event) -> RunnerError:
    return diagnose_execution(found(*events))


def test_the_last_line_of_a_failed_step_is_its_cause(check: Check) -> None:
    error = diagnose(StepLines("a", ("one",)), StepLines("a", ("no band red ",)), StepLines("a", ("",)), ended("a", 3))
    assert isinstance(error, ToolError)
    diagnosis = check(error, "step.exit-code", "step 'a'", "exit code 3: no band red", step="a")
    assert diagnosis.evidence == ("one", "no band red ", "")


def test_a_cause_in_the_middle_of_very_many_complaints_is_found() -> None:
    noise = [complaint(f"a module of step {number} is deprecated: {'x' * 150}") for number in range(500)]
    cause = complaint("[job a] ran out of memory at its limit of 32 MiB")
    assert diagnose(*noise, cause, *noise, ended("a", 139)).diagnosis.code == "step.out-of-memory"


def test_a_failed_step_that_printed_nothing_is_reported_as_such(check: Check) -> None:
    check(diagnose(ended("a", 1)), "step.exit-code", "nothing", step="a")


def test_only_the_last_lines_of_a_step_are_evidence() -> None:
    error = diagnose(*(StepLines("a", (str(n),)) for n in range(100)), ended("a", 1))
    assert error.diagnosis.evidence == tuple(str(n) for n in range(92, 100))


def test_the_step_that_the_engine_did_not_accept_is_the_failed_one() -> None:
    error = diagnose(
        ended("tolerant", 2),
        ended("bad", 4),
        complaint("[job bad] completed permanentFail"),
        StepLines("bad", ("why",)),
    )
    assert error.diagnosis.step == "bad"


def test_a_killed_step_was_most_likely_out_of_memory(check: Check) -> None:
    check(diagnose(ended("a", 137)), "step.out-of-memory", step="a", remedy="ramMin")


@pytest.mark.parametrize(
    ("exit_code", "code", "signal", "remedy"),
    [
        (132, "step.crashed", "SIGILL", "another machine"),
        (134, "step.crashed", "SIGABRT", "ramMin"),
        (135, "step.crashed", "SIGBUS", "/dev/shm"),
        (136, "step.crashed", "SIGFPE", "inputs"),
        (139, "step.crashed", "SIGSEGV", "author"),
        (143, "step.terminated", "SIGTERM", "again"),
        (129, "step.exit-code", "", "log"),
        (255, "step.exit-code", "", "log"),
    ],
)
def test_a_step_that_a_signal_ended_is_reported_with_its_name(
    exit_code: int, code: str, signal: str, remedy: str, check: Check
) -> None:
    error = diagnose(StepLines("a", ("band 9",)), ended("a", exit_code))
    assert isinstance(error, ToolError)
    check(error, code, "step 'a'", signal, str(exit_code), ": band 9", level=Level.USER, step="a", remedy=remedy)


@pytest.mark.parametrize("word", ["Segmentation fault", "sh: line 1:    12 Segmentation fault      (core dumped)"])
def test_what_a_shell_prints_of_a_crash_is_not_the_cause(word: str) -> None:
    error = diagnose(StepLines("a", ("band 9",)), StepLines("a", (word,)), ended("a", 139))
    assert str(error).endswith("SIGSEGV (exit code 139): band 9")
    assert word in error.diagnosis.evidence


def test_a_crash_with_one_of_the_temporary_fail_codes_is_a_temporary_failure(check: Check) -> None:
    error = diagnose(ended("a", 139), complaint("[job a] completed temporaryFail"))
    check(error, "step.temporary-failure", "139", step="a", remedy="temporaryFailCodes")


def test_a_signal_does_not_hide_why_it_was_sent() -> None:
    late = diagnose(complaint("[job a] exceeded time limit of 5 seconds and will be terminated"), ended("a", 143))
    full = diagnose(complaint("[job a] ran out of memory at its limit of 32 MiB"), ended("a", 139))
    assert (late.diagnosis.code, full.diagnosis.code) == ("step.time-limit", "step.out-of-memory")


@pytest.mark.parametrize(
    "text",
    [
        "'gdalwarp' not found: [Errno 2] No such file or directory: 'gdalwarp'",
        'Error: runc: exec failed: exec: "gdalwarp": executable file not found in $PATH: OCI runtime attempted',
    ],
)
def test_a_missing_program_is_named_with_and_without_containers(text: str, check: Check) -> None:
    error = diagnose(complaint(text), ended("a", None))
    check(error, "step.program-not-found", "'gdalwarp'", level=Level.USER)


def test_a_full_disk_is_at_level_platform(check: Check) -> None:
    error = diagnose(StepLines("a", ("write failed: No space left on device",)), ended("a", 1))
    assert isinstance(error, EngineError)
    check(error, "resources.disk-full", level=Level.PLATFORM)


NOTHING_MATCHED = "Error collecting output for parameter 'tif': p.json:1:6: Did not find output file with glob pattern:"


@pytest.mark.parametrize(
    "lines",
    [
        [
            "[job a] exited with status: 3",
            f"[job a] Job error:\n{NOTHING_MATCHED} ['*.tif'].",
            "[job a] completed permanentFail",
        ],
        ["ERROR the command below failed in pod a-container:", f"(\"{NOTHING_MATCHED} ['*.tif'].\", {{}})"],
    ],
)
def test_the_exit_code_of_a_tool_is_reported_rather_than_its_missing_output(lines: list[str], check: Check) -> None:
    error = diagnose(StepLines("a", ("no band red",)), ended("a", 3), *map(complaint, lines))
    check(error, "step.exit-code", "step 'a'", "exit code 3: no band red", step="a")


@pytest.mark.parametrize("text", [f"{NOTHING_MATCHED} ['[0-9].tif'].", f"(\"{NOTHING_MATCHED} ['[0-9].tif'].\", {{}})"])
def test_an_output_that_is_missing_after_success_is_named_with_its_glob(text: str, check: Check) -> None:
    error = diagnose(ended("a", 0), complaint(text), complaint("[job a] completed permanentFail"))
    check(error, "step.output-missing", "'[0-9].tif'", "'tif'", step="a")


def test_the_output_of_a_step_that_succeeded_does_not_explain_the_failure_of_another(check: Check) -> None:
    error = diagnose(
        StepLines("good", ("No space left on device",)), ended("good", 0), StepLines("bad", ("boom",)), ended("bad", 2)
    )
    check(error, "step.exit-code", "step 'bad'", "exit code 2: boom", step="bad")


def test_an_engine_that_fails_without_a_message_is_at_level_engine(check: Check) -> None:
    error = diagnose()
    assert isinstance(error, EngineError)
    check(error, "engine.failed", level=Level.ENGINE)


def test_the_last_message_of_the_engine_is_the_cause_where_no_other_is_known(check: Check) -> None:
    error = diagnose(complaint("first"), EngineLine("error", "something new\n"))
    check(error, "engine.failed", ": something new")


def test_other_events_are_not_kept() -> None:
    findings = found(StageStarted(Stage.EXECUTE, "x"), EngineLine("info", "fine"))
    assert findings == Findings()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("Random error raised", "reading tile 7"), "Random error raised"),
        (("Traceback (most recent call last):", "ValueError: no band", "converted 3 files"), "ValueError: no band"),
        (("mirror turned", "done"), "done"),
    ],
)
def test_a_line_that_mentions_an_error_is_the_cause_although_others_follow(lines: Any, said: str) -> None:
    assert str(diagnose(*(StepLines("a", (line,)) for line in lines), ended("a", 1))).endswith(f"exit code 1: {said}")


def test_missing_gpus_are_reported_with_their_number(check: Check) -> None:
    error = diagnose(
        EngineLine(
            "error",
            "Job \"fit\" cannot be run, requests more resources ({'cores': 1, 'ram': 256, 'cudaDeviceCount': 2}) than"
            " available on this host (already allocated ram is 0, allocated cores is 0, allocated CUDA is 0, max ram"
            " 100, max cores 2, max CUDA 0).",
        )
    )
    check(error, "resources.gpu", "2 CUDA devices", "'fit'", "has 0", level=Level.USER)


def test_a_failure_that_names_a_step_is_at_level_user(check: Check) -> None:
    error = diagnose(
        complaint("something that nobody foresaw"),
        complaint("[step a] completed permanentFail"),
        complaint("[workflow main] completed permanentFail"),
    )
    check(error, "step.failed", ": something that nobody foresaw", level=Level.USER, step="a")


@pytest.mark.parametrize(
    ("exit_code", "lines", "code"),
    [
        (1, ("curl: (6) Could not resolve host: data.example", "download ended"), "step.network"),
        (1, ("WARNING: Could not resolve host: statistics.example", "ValueError: no band red"), "step.exit-code"),
        (1, ("a.tif: Permission denied", "KeyError: 'red'"), "step.exit-code"),
        (1, ("requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: https://x/y",), "step.credentials"),
        (1, ("ERROR 1: HTTP response code: 403",), "step.credentials"),
        (1, ("the area has 403 pixels",), "step.exit-code"),
        (1, ("bwrap: execvp runner: No such file or directory",), "step.program-not-found"),
        (1, ("Error 403 from mirror 1, mirror 2 is used", "ValueError: no band red"), "step.exit-code"),
        (139, ("cannot open a.tif: Permission denied",), "step.crashed"),
        (143, ("cannot open a.tif: Permission denied",), "step.terminated"),
        (134, ("terminate called after throwing an instance of 'std::bad_alloc'",), "step.out-of-memory"),
    ],
)
def test_what_a_tool_printed_last_is_its_reason(exit_code: int, lines: tuple[str, ...], code: str) -> None:
    assert diagnose(StepLines("a", lines), ended("a", exit_code)).diagnosis.code == code
