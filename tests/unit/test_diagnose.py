from typing import Any

import pytest

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


def test_the_last_words_of_a_failed_step_are_the_cause() -> None:
    error = diagnose(StepLines("a", ("one",)), StepLines("a", ("no band red ",)), StepLines("a", ("",)), ended("a", 3))
    assert isinstance(error, ToolError)
    assert error.diagnosis.code == "step.exit-code"
    assert str(error) == "step 'a' ended with exit code 3: no band red"
    assert error.diagnosis.evidence == ("one", "no band red ", "")
    assert error.diagnosis.step == "a"


def test_a_step_that_said_nothing_is_told_so() -> None:
    assert "printed nothing" in str(diagnose(ended("a", 1)))


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


def test_a_killed_step_ran_most_likely_out_of_memory() -> None:
    error = diagnose(ended("a", 137))
    assert error.diagnosis.code == "step.out-of-memory"
    assert "ramMin" in error.diagnosis.remedy


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
def test_a_step_that_a_signal_ended_is_told_by_its_name(exit_code: int, code: str, signal: str, remedy: str) -> None:
    error = diagnose(StepLines("a", ("band 9",)), ended("a", exit_code))
    assert isinstance(error, ToolError)
    assert (error.diagnosis.code, error.diagnosis.level, error.diagnosis.step) == (code, Level.USER, "a")
    assert all(fact in str(error) for fact in ("step 'a'", signal, str(exit_code), ": band 9"))
    assert remedy in error.diagnosis.remedy


@pytest.mark.parametrize("word", ["Segmentation fault", "sh: line 1:    12 Segmentation fault      (core dumped)"])
def test_what_a_shell_says_of_a_crash_is_not_the_last_word_of_the_tool(word: str) -> None:
    error = diagnose(StepLines("a", ("band 9",)), StepLines("a", (word,)), ended("a", 139))
    assert str(error) == "step 'a' crashed: SIGSEGV (exit code 139): band 9"
    assert word in error.diagnosis.evidence


def test_a_crash_that_the_package_says_passes_by_is_to_be_run_again() -> None:
    error = diagnose(ended("a", 139), complaint("[job a] completed temporaryFail"))
    assert error.diagnosis.code == "step.temporary-failure"
    assert "temporaryFailCodes" in error.diagnosis.remedy


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
def test_a_missing_program_is_named_with_and_without_containers(text: str) -> None:
    error = diagnose(complaint(text), ended("a", None))
    assert "'gdalwarp'" in str(error)
    assert (error.diagnosis.code, error.diagnosis.level) == ("step.program-not-found", Level.USER)


def test_a_full_disk_is_the_platform_s_matter() -> None:
    error = diagnose(StepLines("a", ("write failed: No space left on device",)), ended("a", 1))
    assert isinstance(error, EngineError)
    assert (error.diagnosis.code, error.diagnosis.level) == ("resources.disk-full", Level.PLATFORM)


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
def test_a_tool_that_failed_is_not_told_to_have_succeeded_without_its_output(lines: list[str]) -> None:
    error = diagnose(StepLines("a", ("no band red",)), ended("a", 3), *map(complaint, lines))
    assert str(error) == "step 'a' ended with exit code 3: no band red"


@pytest.mark.parametrize("text", [f"{NOTHING_MATCHED} ['[0-9].tif'].", f"(\"{NOTHING_MATCHED} ['[0-9].tif'].\", {{}})"])
def test_an_output_that_is_missing_after_success_is_named_with_its_glob(text: str) -> None:
    error = diagnose(ended("a", 0), complaint(text), complaint("[job a] completed permanentFail"))
    assert (error.diagnosis.code, error.diagnosis.step) == ("step.output-missing", "a")
    assert all(fact in str(error) for fact in ("'[0-9].tif'", "'tif'"))


def test_words_of_a_good_step_do_not_explain_another_s_failure() -> None:
    error = diagnose(
        StepLines("good", ("No space left on device",)), ended("good", 0), StepLines("bad", ("boom",)), ended("bad", 2)
    )
    assert str(error) == "step 'bad' ended with exit code 2: boom"


def test_an_engine_that_says_nothing_is_told_to_say_nothing() -> None:
    error = diagnose()
    assert isinstance(error, EngineError)
    assert (error.diagnosis.code, error.diagnosis.level) == ("engine.failed", Level.ENGINE)


def test_what_the_engine_said_last_is_told_where_no_cause_is_known() -> None:
    error = diagnose(complaint("first"), EngineLine("error", "something new\n"))
    assert error.diagnosis.code == "engine.failed"
    assert str(error).endswith(": something new")


def test_other_events_leave_no_trace() -> None:
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
def test_the_line_that_speaks_of_an_error_is_the_cause_although_others_come_after_it(lines: Any, said: str) -> None:
    assert str(diagnose(*(StepLines("a", (line,)) for line in lines), ended("a", 1))).endswith(f"exit code 1: {said}")


def test_a_gpu_that_is_not_there_is_named() -> None:
    error = diagnose(
        EngineLine(
            "error",
            "Job \"fit\" cannot be run, requests more resources ({'cores': 1, 'ram': 256, 'cudaDeviceCount': 2}) than"
            " available on this host (already allocated ram is 0, allocated cores is 0, allocated CUDA is 0, max ram"
            " 100, max cores 2, max CUDA 0).",
        )
    )
    assert (error.diagnosis.code, error.diagnosis.level) == ("resources.gpu", Level.USER)
    assert all(fact in str(error) for fact in ("2 CUDA devices", "'fit'", "has 0"))


def test_a_failure_that_names_a_step_is_never_blamed_on_the_engine() -> None:
    error = diagnose(
        complaint("something that nobody foresaw"),
        complaint("[step a] completed permanentFail"),
        complaint("[workflow main] completed permanentFail"),
    )
    assert (error.diagnosis.code, error.diagnosis.level, error.diagnosis.step) == ("step.failed", Level.USER, "a")
    assert str(error).endswith(": something that nobody foresaw")
