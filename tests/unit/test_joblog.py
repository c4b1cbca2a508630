import json
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.messages import Check
from tests.values import job_paths
from zoo_runner.config.folders import JobPaths
from zoo_runner.execution import written_lines
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.events import (
    EngineLine,
    Event,
    Published,
    StageStarted,
    StepEnded,
    StepLines,
    StepReused,
    StepStarted,
    build_anew,
)
from zoo_runner.model.masking import Masker
from zoo_runner.model.remedies import Readers
from zoo_staging.progress import Transferred

SECRET = "canary-of-the-log"


@pytest.fixture
def paths(tmp_path: Path) -> JobPaths:
    return job_paths(folder=tmp_path)


@pytest.fixture
def log(paths: JobPaths) -> JobLog:
    return JobLog(paths, Masker([SECRET]))


def read_texts(path: Path) -> list[str]:
    """The lines of a job log without their times."""
    return [line.partition(" ")[2] for line in path.read_text().splitlines()]


def test_the_job_log_reports_the_whole_story_in_order(log: JobLog, paths: JobPaths) -> None:
    log.write("job", "water j1")
    log(StageStarted(Stage.STAGE_IN, "/in"))
    log(Transferred("stage-in", "https://h/a.tif", 0, 2, 5, 10))
    log(Transferred("stage-in", "https://h/a.tif", 1, 2, 10, 10))
    log(Transferred("stage-in", "https://h/b.tif", 1, 2, 15, 10))
    log(StageStarted(Stage.EXECUTE, "water"))
    log(StepStarted("index", "index.py a.tif", 0.0))
    log(StepLines("index", ("reading",)))
    log(StepEnded("index", 0.0, 1.25, 0, 0.5, 31.0))
    log(EngineLine("info", "first\nsecond"))
    log(StageStarted(Stage.STAGE_OUT, "/out"))
    assert read_texts(paths.job_log) == [
        "[job] water j1",
        "[stage-in] begins: /in",
        "[stage-in] 1/2 https://h/a.tif (10 bytes so far)",
        "[execute] begins: water",
        "[index] begins: index.py a.tif",
        "[index] reading",
        "[index] ends: exit code 0 (1.25 s, CPU 0.50 s, peak memory 31 MiB)",
        "[engine] first",
        "[engine] second",
        "[stage-out] begins: /out",
    ]


def test_a_step_that_is_reused_is_reported_once_however_often_pods_report_it(log: JobLog, paths: JobPaths) -> None:
    for step in ("index", "index_2", "index"):
        log(StepReused(step, "j1"))
    assert log.reused == (StepReused("index", "j1"), StepReused("index_2", "j1"))
    assert len(read_texts(paths.job_log)) == 2


def test_every_line_begins_with_its_time_in_utc(log: JobLog, paths: JobPaths) -> None:
    log.write("job", "x")
    assert paths.job_log.read_text().partition(" ")[0].endswith("Z")


def test_stages_and_steps_have_logs_of_their_own(log: JobLog, paths: JobPaths, check: Check) -> None:
    log(StageStarted(Stage.STAGE_IN, "/in"))
    log(StepStarted("index_2", "index.py", 0.0))
    log(StepLines("index_2", ("reading",)))
    log(StepEnded("index_2", 0.0, 1.0, None, None, None))
    log(StageStarted(Stage.STAGE_OUT, "/out"))
    assert paths.stage_in_log.read_text() == "stage-in: /in\n"
    check.words(paths.step_log("index_2").read_text(), "$ index.py\nreading\nends: ", "(1.00 s)\n")
    assert paths.stage_out_log.read_text() == "stage-out: /out\n"


def test_usage_has_null_for_what_could_not_be_measured(log: JobLog, paths: JobPaths) -> None:
    with log:
        log(StepEnded("a", 0.0, 1.0, 0, 0.25, 8.0))
        log(StepEnded("b", 0.0, 1.0, None, None, None))
    assert json.loads(paths.usage.read_text()) == {
        "job": "j1",
        "steps": [
            {
                "step": "a",
                "started": "1970-01-01T00:00:00.000Z",
                "ended": "1970-01-01T00:00:01.000Z",
                "seconds": 1.0,
                "exitCode": 0,
                "cpuSeconds": 0.25,
                "peakMemoryMiB": 8.0,
            },
            {
                "step": "b",
                "started": "1970-01-01T00:00:00.000Z",
                "ended": "1970-01-01T00:00:01.000Z",
                "seconds": 1.0,
                "exitCode": None,
                "cpuSeconds": None,
                "peakMemoryMiB": None,
            },
        ],
    }


def test_a_failure_ends_the_story_with_cause_evidence_and_remedy(log: JobLog, paths: JobPaths) -> None:
    log.write_failure(Diagnosis(Stage.STAGE_OUT, Level.PLATFORM, "no bucket", "make it", ("line one",)))
    wanted = ["FAILED at stage-out (platform level, runner.defect): no bucket", "  | line one", "WHAT TO DO: make it"]
    assert read_texts(paths.job_log) == [f"[job] {line}" for line in wanted]
    assert paths.stage_out_log.read_text().splitlines() == wanted


@pytest.mark.parametrize(
    ("readers", "wanted"),
    [
        (Readers.COMMANDS, "`zoo-runner retry j-1`"),
        (Readers.API, "`POST /jobs/j-1/retry`"),
        (Readers.ZOO, "the operator's `zoo-runner retry j-1`"),
    ],
    ids=str,
)
def test_what_to_do_is_written_for_who_reads_the_log(paths: JobPaths, readers: Readers, wanted: str) -> None:
    remedy = "Start it again: `zoo-runner retry j-1`."
    JobLog(paths, Masker(), readers=readers).write_failure(Diagnosis(Stage.EXECUTE, Level.PLATFORM, "lost", remedy))
    assert read_texts(paths.job_log)[-1] == f"[job] WHAT TO DO: Start it again: {wanted}."


def test_nothing_gets_into_a_file_unmasked(log: JobLog, paths: JobPaths) -> None:
    with log:
        log.write("job", SECRET)
        log.write_plan({"inputs": {"a": SECRET}})
        log(StageStarted(Stage.STAGE_IN, SECRET))
        log(StepStarted("a", f"tool {SECRET}", 0.0))
        log(StepLines("a", (SECRET,)))
        log(EngineLine("info", SECRET))
        log(StepEnded("a", 0.0, 1.0, 0, None, None))
        log.write_failure(Diagnosis(Stage.STAGE_IN, Level.USER, SECRET, SECRET, (SECRET,)))
    files = [path for path in paths.temp.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert not [path for path in files if SECRET in path.read_text()]


def test_later_lines_are_kept_when_others_empty_the_folder(log: JobLog, paths: JobPaths) -> None:
    with log:
        log(StepLines("a", ("before",)))
        shutil.rmtree(paths.temp)
        log(StepLines("a", ("after",)))
    assert read_texts(paths.job_log) == ["[a] before", "[a] after"]
    assert paths.step_log("a").read_text() == "after\n"
    assert paths.usage.exists()


def test_nothing_comes_back_of_a_job_that_is_removed_at_its_end(log: JobLog, paths: JobPaths) -> None:
    with log:
        log(StepEnded("a", 0.0, 1.0, 0, None, None))
        log.write_end(None, "s3://results/collection.json")
        shutil.rmtree(paths.temp)
    assert not paths.temp.exists()


def test_a_log_that_cannot_be_written_does_not_end_the_job(log: JobLog, paths: JobPaths) -> None:
    shutil.rmtree(paths.temp)
    paths.temp.write_text("somebody put a file in its place")
    with log:
        log(StepLines("a", ("lost",)))
    assert paths.temp.read_text() == "somebody put a file in its place"


def test_the_private_copy_of_the_job_log_takes_no_space(log: JobLog, paths: JobPaths) -> None:
    log(StepLines("a", ("one", "two")))
    assert paths.kept_log.samefile(paths.job_log)


def test_the_private_copy_has_all_lines_also_where_it_cannot_be_the_same_file(log: JobLog, paths: JobPaths) -> None:
    paths.job_log.write_text("of another writer\n")
    paths.kept_log.write_text("")
    log(StepLines("a", ("one", "two")))
    assert read_texts(paths.kept_log) == ["[a] one", "[a] two"]
    assert read_texts(paths.job_log)[1:] == ["[a] one", "[a] two"]


def test_of_a_step_that_prints_without_end_the_log_has_a_limit_and_counts_the_rest(paths: JobPaths) -> None:
    log = JobLog(paths, Masker(), most_bytes=1000)
    log(StepStarted("a", "yes", 0.0))
    for _ in range(300):
        log(StepLines("a", ("y" * 99, "y" * 99)))
    log(StepEnded("a", 0.0, 1.0, 0, None, None))
    lines = paths.step_log("a").read_text().splitlines()
    assert lines.count("y" * 99) == 10
    assert "ZOO_RUNNER_LOG_MAX_MIB" in lines[11]
    assert lines[12].startswith("590 more lines")
    assert len(paths.job_log.read_text()) < 3000


def test_of_all_steps_of_a_job_the_log_has_a_limit_too_and_a_share_for_those_that_come_later(
    paths: JobPaths,
) -> None:
    log = JobLog(paths, Masker(), most_bytes=1000, late_bytes=200)
    for number in range(20):
        log(StepLines(f"s{number}", ("x" * 99,) * 20))
        log(StepEnded(f"s{number}", 0.0, 1.0, 0, None, None))
    steps = [path.read_text() for path in paths.log_folder.glob("*.log")]
    assert sum(text.count("x" * 99) for text in steps) == 80 + 12 * 2
    assert paths.job_log.read_text().count("x" * 99) == 80 + 12 * 2
    for number in range(20):
        line, rest = paths.step_log(f"s{number}").read_text().splitlines()[2 if number > 7 else 10 :][:2]
        assert ("8 times ZOO_RUNNER_LOG_MAX_MIB" in line) == (number > 7)
        assert "ZOO_RUNNER_LOG_MAX_MIB" in line
        assert rest.startswith("18 more " if number > 7 else "10 more ")


def test_a_step_that_others_left_no_room_for_says_so_once(paths: JobPaths) -> None:
    log = JobLog(paths, Masker(), most_bytes=1000, late_bytes=200)
    log(StepLines("early", ("e" * 99,) * 5))
    for number in range(8):
        log(StepLines(f"s{number}", ("x" * 99,) * 10))
    for _ in range(3):
        log(StepLines("early", ("e" * 99,)))
    log(StepEnded("early", 0.0, 1.0, 0, None, None))
    lines = paths.step_log("early").read_text().splitlines()
    assert [line[0] for line in lines[:5]] == ["e"] * 5
    assert "8 times" in lines[5] and lines[6].startswith("3 more ")


def test_a_pipe_in_the_place_of_a_log_stops_no_job(log: JobLog, paths: JobPaths, tmp_path: Path) -> None:
    other = job_paths(job_id="j2", folder=tmp_path)
    log(StepLines("a", ("one",)))
    for path in (paths.job_log, paths.step_log("a")):
        path.unlink()
        os.mkfifo(path)
    log(StepLines("a", ("two",)))
    with JobLog(other, Masker()) as another:
        another(StepLines("b", ("three",)))
    assert read_texts(other.job_log) == ["[b] three"]
    assert read_texts(paths.kept_log) == ["[a] one", "[a] two"]
    reading = os.open(paths.job_log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        log(StepLines("a", ("four",)))
        assert os.read(reading, 100) == b"", "a pipe that somebody reads gets nothing either"
    finally:
        os.close(reading)


def test_of_each_step_as_much_is_kept(paths: JobPaths) -> None:
    log = JobLog(paths, Masker(), most_bytes=10)
    log(StepLines("a", ("more than enough",)))
    log(StepLines("b", ("first of b",)))
    assert paths.step_log("b").read_text().startswith("first of b\n")


def test_a_secret_among_many_lines_is_masked_and_the_others_stay(log: JobLog, paths: JobPaths) -> None:
    log(StepLines("a", ("one", f"two {SECRET}", "thr\x1b[31mee")))
    assert paths.step_log("a").read_text().splitlines() == ["one", "two *****", "three"]


STORY = (
    StageStarted(Stage.STAGE_IN, "/in"),
    Transferred("stage-in", "https://h/a.tif", 1, 1, 10, 10),
    StepStarted("index", "index.py a.tif", 0.0),
    StepLines("index", ("reading", "half", "half")),
    EngineLine("warning", "stage-in: slow"),
    StepLines("index", ("é\udcff", "last")),
    StepEnded("index", 0.0, 1.25, 0, 0.5, 31.0),
    StepStarted("mask", "mask.py", 0.0),
    StepLines("mask", ("half",)),
    StepEnded("mask", 0.0, 1.25, 0, 0.5, 31.0),
    StageStarted(Stage.STAGE_OUT, "/out"),
)


def read_logs(paths: JobPaths) -> dict[str, list[str]]:
    own = {path.name: path.read_text().splitlines() for path in sorted(paths.log_folder.glob("*.log"))}
    return {**own, "job": read_texts(paths.job_log), "kept": read_texts(paths.kept_log)}


def cut(path: Path, text: str) -> None:
    """What a writer leaves that is killed while it writes a line."""
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("number", range(len(STORY) + 1))
def test_a_log_that_is_taken_up_has_each_line_once_and_only_grows(paths: JobPaths, tmp_path: Path, number: int) -> None:
    whole = job_paths(folder=tmp_path / "whole")
    with JobLog(whole, Masker()) as log:
        for event in STORY:
            log(event)
    with JobLog(paths, Masker()) as log:
        for event in STORY[:number]:
            log(event)
    before = paths.job_log.read_bytes() if number else b""
    for path in [paths.job_log, *paths.log_folder.glob("*.log")] if number else []:
        cut(path, "half of a li")
    with JobLog(paths, Masker()) as log:
        log.take_up()
        for event in STORY:
            log(event)
    assert read_logs(paths) == read_logs(whole)
    assert paths.job_log.read_bytes().startswith(before)
    assert [step.step for step in log.usage] == ["index", "mask"]


def test_of_a_step_whose_begin_the_engine_has_forgotten_each_line_is_kept_once(paths: JobPaths) -> None:
    with JobLog(paths, Masker()) as log:
        log(StepStarted("index", "index.py", 0.0))
        log(StepLines("index", ("one", "two", "three", "four")))
    with JobLog(paths, Masker()) as log:
        log.take_up()
        log(StepLines("index", ("three",)))
        log(StepLines("index", ("four", "five")))
        log(StepLines("other", ("five",)))
    assert paths.step_log("index").read_text().splitlines() == ["$ index.py", "one", "two", "three", "four", "five"]
    assert read_texts(paths.job_log)[3:] == ["[index] three", "[index] four", "[index] five", "[other] five"]


def test_lines_that_a_step_has_not_printed_before_are_new(paths: JobPaths) -> None:
    with JobLog(paths, Masker()) as log:
        log(StepLines("index", ("one", "two")))
    with JobLog(paths, Masker()) as log:
        log.take_up()
        log(StepLines("index", ("three",)))
    assert paths.step_log("index").read_text().splitlines() == ["one", "two", "three"]


def test_of_a_log_with_very_many_lines_what_is_kept_in_memory_has_a_limit_and_nothing_is_lost(
    paths: JobPaths, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"line {number}" for number in range(5)]
    paths.stage_in_log.parent.mkdir(parents=True, exist_ok=True)
    paths.stage_in_log.write_text("".join(f"{line}\n" for line in (*lines, lines[0])))
    written = written_lines.WrittenLines(most_lines=3)
    written.read_own_logs(paths)
    # the first three are known, one of them twice; the others are written again
    assert written.take_new(paths.stage_in_log, [*lines, lines[0], lines[0]]) == [*lines[3:], lines[0]]
    assert caplog.text.count("more than 3 lines") == 1


@pytest.mark.parametrize(
    ("first", "left"),
    [(["c", "d"], 4), (["e", "f"], 2), (["f", "g"], 1), (["x"], 0), (["a", "b", "c", "d", "e", "f", "g"], 6), ([], 6)],
)
def test_where_a_step_goes_on_is_found_without_its_whole_log_in_memory(
    paths: JobPaths, first: list[str], left: int
) -> None:
    own = paths.step_log("s")
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("a\nb\nc\nd\ne\nf\n")
    written = written_lines.WrittenLines()
    written.read_own_logs(paths)
    written.begin_at("s", own, first)
    assert written.take_new(own, [str(number) for number in range(6)]) == [str(number) for number in range(left, 6)]


def test_the_end_of_a_job_is_written_once_however_often_it_is_concluded(paths: JobPaths) -> None:
    diagnosis = Diagnosis(Stage.STAGE_OUT, Level.USER, "no room", "Make room.", evidence=("full",), code="disk.full")
    for _ in range(2):
        with JobLog(paths, Masker()) as log:
            log.take_up()
            log.write_end(diagnosis, None)
    assert [text.split()[1] for text in read_texts(paths.job_log)] == ["FAILED", "|", "WHAT"]
    assert len(paths.stage_out_log.read_text().splitlines()) == 3


def test_text_that_is_not_unicode_is_written_escaped(log: JobLog, paths: JobPaths) -> None:
    log(StepLines("a", ("half \ud800 pair",)))
    assert read_texts(paths.job_log) == ["[a] half \\ud800 pair"]


def test_one_event_is_one_line_whatever_a_tool_prints(log: JobLog, paths: JobPaths) -> None:
    log(StepLines("a", ("bar 10%\rbar 20%\x1b[31m",)))
    log(StageStarted(Stage.STAGE_OUT, "/out\n2026-01-01T00:00:00.000Z [job] SUCCESSFUL"))
    lines = paths.job_log.read_text().split("\n")
    assert len(lines) == 3
    assert "\r" not in lines[0]
    assert "\x1b" not in lines[0]


def test_what_stage_out_warns_of_is_in_its_own_log_too(log: JobLog, paths: JobPaths) -> None:
    log(EngineLine("warning", "stage-out: mind this"))
    assert paths.stage_out_log.read_text() == "stage-out: mind this\n"
    assert read_texts(paths.job_log) == ["[engine] stage-out: mind this"]


def test_more_steps_than_files_are_kept_open_lose_no_line(log: JobLog, paths: JobPaths) -> None:
    """Each file is found again, and what was removed meanwhile is made anew."""
    for turn in ("first", "second"):
        for number in range(40):
            log(StepLines(f"crop_{number}", (turn,)))
    assert all(paths.step_log(f"crop_{number}").read_text() == "first\nsecond\n" for number in range(40))
    paths.step_log("crop_39").unlink()
    log(StepLines("crop_39", ("third",)))
    assert paths.step_log("crop_39").read_text() == "third\n"


def test_many_jobs_keep_few_files_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    logs = [JobLog(job_paths("water", f"j{number}", tmp_path), Masker()) for number in range(200)]
    for log in logs:
        log(StepLines("a", ("hi",)))
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 66
    for log in logs:
        log.__exit__(None, None, None)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert all("[a] hi" in log.paths.job_log.read_text() for log in logs)


def test_what_a_lost_pod_has_published_does_not_count_once_the_job_runs_again(log: JobLog) -> None:
    log(StageStarted(Stage.STAGE_OUT, "s3://b/p"))
    log(Published("s3://b/p/logs/1"))
    assert log.published == "s3://b/p/logs/1"
    log(StageStarted(Stage.STAGE_IN, "/in"))
    assert log.published is None


LOST_STORY: tuple[Event, ...] = (
    StageStarted(Stage.STAGE_IN, "/in"),
    Transferred("stage-in", "https://h/a.tif", 1, 1, 10, 10),
    StageStarted(Stage.EXECUTE, "water"),
    StepStarted("index", "index.py", 1.0),
    StepLines("index", ("reading", "half")),
)
NEXT_STORY: tuple[Event, ...] = (
    build_anew("job-1-y"),
    *LOST_STORY,
    StepLines("index", ("done",)),
    StepEnded("index", 1.0, 2.0, 0, None, None),
    StageStarted(Stage.STAGE_OUT, "/out"),
)


@pytest.mark.parametrize("number", range(len(NEXT_STORY) + 1))
def test_a_log_that_is_taken_up_after_a_pod_was_lost_has_the_parts_of_both(
    paths: JobPaths, tmp_path: Path, number: int
) -> None:
    """Who takes the job up hears of the second pod only, from its begin, wherever the first follower has ended."""
    whole = job_paths(folder=tmp_path / "whole")
    with JobLog(whole, Masker()) as log:
        for event in (*LOST_STORY, *NEXT_STORY):
            log(event)
    with JobLog(paths, Masker()) as log:
        for event in (*LOST_STORY, *NEXT_STORY[:number]):
            log(event)
    with JobLog(paths, Masker()) as log:
        log.take_up()
        for event in NEXT_STORY:
            log(event)
    assert read_logs(paths) == read_logs(whole)
    own = paths.step_log("index").read_text().splitlines()[:6]
    assert own == ["$ index.py", "reading", "half", "$ index.py", "reading", "half"]
    assert sum(build_anew("job-1-y").text in line for line in paths.stage_in_log.read_text().splitlines()) == 1


def test_a_log_that_is_taken_up_once_a_third_pod_runs_the_job_has_all_that_it_says(paths: JobPaths) -> None:
    with JobLog(paths, Masker()) as log:
        for event in (*LOST_STORY, *NEXT_STORY[:4]):
            log(event)
    with JobLog(paths, Masker()) as log:
        log.take_up()
        for event in (build_anew("job-1-z"), *LOST_STORY):
            log(event)
    text = paths.job_log.read_text()
    assert [text.count(f"the pod job-1-{name} ") for name in "yz"] == [1, 1]
    assert text.count("[index] reading") == 2
    assert paths.step_log("index").read_text().splitlines()[-3:] == ["$ index.py", "reading", "half"]
