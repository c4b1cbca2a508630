"""What the page of a job shows beside its status, and that nobody sees there what its own path would refuse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import PACKAGE, build_job
from tests.markup import EVIL, Page
from tests.unit.messages import Check
from tests.values import job_paths, small_package
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import InputError
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.package import Package
from zoo_runner.model.problems import Problem
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import describe_job, get_repeated, repeat_job
from zoo_runner.server.pages.frame import build_frame
from zoo_runner.server.pages.job_page import JobPage, read_job_page
from zoo_runner.server.pages.rendering import render
from zoo_runner.server.retries import retry_job

BASE = "http://eo.example"
TOOL = small_package(requirements=[{"class": "ResourceRequirement", "ramMin": 1000}])
BEGIN = 1767225601.0


def call(*forbidden: str, **query: str) -> Call:
    return Call("ws", BASE, query=tuple(query.items()), may=lambda action: action not in forbidden)


def create(api: Api, folder: Path, number: int = 1, kept: Package = PACKAGE, **more: Any) -> Job:
    logs = folder / f"logs-{number}"
    logs.mkdir()
    job = build_job(number, package=kept.digest, log=str(folder / f"{number}_error.log"), log_folder=str(logs), **more)
    return api.store.jobs.create(job, kept)


def fail(
    api: Api,
    folder: Path,
    step: str = "clip",
    text: str = "Traceback\n",
    code: str = "step.failed",
    kept: Package = PACKAGE,
) -> Job:
    """A job whose step failed, which wrote a text into both of its logs."""
    found = Diagnosis(
        *(Stage.EXECUTE, Level.USER, f"cause {text}", f"remedy {text}", (text,), step, None, code),
        problems=(Problem(path=text, pointer=text, message=text, code=text),),
    )
    job = create(
        *(api, folder),
        kept=kept,
        status=Status.FAILED,
        outcome=Outcome(Status.FAILED, diagnosis=found),
        inputs={text: text},
        process_id=text,
        started="2026-01-01T00:00:02.000Z",
    )
    api.store.events.append(job.id, [StepStarted(step, text, BEGIN), StepEnded(step, BEGIN, BEGIN + 1, 2, 0.5, 10.0)])
    for path in (Path(job.log), *(Path(job.log_folder) / name for name in ("clip.log", "join.log"))):
        path.write_text(text)
    return job


def show(api: Api, job: Job, asked: Call) -> tuple[JobPage, str]:
    view = read_job_page(api, asked, job)
    frame = build_frame({"method": "GET", "path": f"/jobs/{job.id}", "query_string": b""}, BASE)
    return view, render("job", describe_job(job, asked), frame, view)


def test_the_log_of_the_failed_step_is_opened_unless_another_one_is_asked_for(api: Api, tmp_path: Path) -> None:
    job = fail(api, tmp_path)
    for query, name in (({}, "clip.log"), ({"log": "join.log"}, "join.log"), ({"log": "../x.log"}, "clip.log")):
        view, _ = show(api, job, call(**query))
        assert view.log is not None
        assert (view.log.name, view.log.names) == (name, ("job.log", "clip.log", "join.log"))


def test_who_may_not_deploy_continues_a_job_with_no_other_package(api: Api, tmp_path: Path) -> None:
    edited, own, other = {"package": {"unit": "{}"}}, create(api, tmp_path), create(api, tmp_path, 2, deployed_in="eo")
    for job, caller, code in ((own, call("process.deploy"), "policy.denied"), (other, call(), "request.invalid")):
        with pytest.raises(InputError) as refused:
            retry_job(api, caller, job.id, edited)
        assert refused.value.diagnosis.code == code


def test_a_search_shows_the_lines_that_have_its_text(api: Api, tmp_path: Path) -> None:
    view, page = show(api, fail(api, tmp_path, text="one <b>\ntwo\n"), call(log="clip.log", find="<b>"))
    assert view.log is not None
    assert len(view.log.window.lines) == 1
    assert len(Page(page).list_all("mark")) == 2


@pytest.mark.parametrize("before", ["-1", "x", "٣", "9" * 40])
def test_a_place_in_a_log_that_is_none_shows_its_end(api: Api, tmp_path: Path, before: str) -> None:
    view, _ = show(api, fail(api, tmp_path), call(before=before))
    assert view.log is not None
    assert len(view.log.window.lines) == 1


def test_nobody_sees_on_the_page_what_the_path_of_its_own_would_refuse(api: Api, tmp_path: Path) -> None:
    job = fail(api, tmp_path)
    view, page = show(api, job, call("job.logs", "job.inputs", "job.dismiss"))
    assert (view.log, view.inputs, view.actions) == (None, None, ())
    assert view.list_shown() == set()
    assert show(api, job, call("job.inputs"))[0].list_shown() == {"job.logs"}
    assert show(api, job, call())[0].list_shown() == {"job.logs", "job.inputs"}
    assert Page(page).list_all("form") == []


def test_of_many_events_the_last_steps_are_shown(api: Api, tmp_path: Path) -> None:
    job = fail(api, tmp_path)
    api.store.events.append(job.id, [EngineLine("info", "x")] * 3)
    view, page = show(api, job, call())
    assert (view.last_event, view.is_cut, [row.bar.name for row in view.timeline.rows]) == (5, False, ["Queue", "clip"])
    api.store.events.append(job.id, [StepEnded(f"s{number}", BEGIN, BEGIN, 0, None, None) for number in range(2000)])
    view, page = show(api, job, call())
    assert (view.last_event, view.is_cut, len(view.timeline.rows)) == (2005, True, 2001)
    assert "only the last ones are shown" in page


def test_inputs_are_edited_where_the_process_may_be_read_and_is_of_this_workspace(api: Api, tmp_path: Path) -> None:
    job = create(api, tmp_path, status=Status.SUCCESSFUL)
    asked = call("process.read")
    assert [action.title for action in show(api, job, asked)[0].actions] == ["Run again", "Remove"]
    with pytest.raises(InputError) as caught:
        get_repeated(api, asked, job.id, "job.inputs", "process.read")
    assert (caught.value.diagnosis.code, "the process of job" in caught.value.diagnosis.cause) == (
        "policy.denied",
        True,
    )
    other = create(api, tmp_path, 2, status=Status.SUCCESSFUL, deployed_in="other")
    with pytest.raises(InputError) as caught:
        get_repeated(api, call(), other.id, "job.inputs", "process.read")
    assert caught.value.diagnosis.code == "request.invalid"
    assert get_repeated(api, call(), job.id, "job.inputs", "process.read") == job


def test_what_a_job_has_written_is_text(api: Api, tmp_path: Path) -> None:
    job = fail(api, tmp_path, step=EVIL, text=EVIL)
    page = Page(show(api, job, call(find="script", log="clip.log"))[1])
    page.ensure_safe()
    assert page.text.count(EVIL) > 5


def test_a_job_that_waits_knows_how_many_are_before_it(api: Api, tmp_path: Path) -> None:
    jobs = [create(api, tmp_path, number) for number in range(1, 4)]
    assert [show(api, job, call())[0].ahead for job in jobs] == [0, 1, 2]
    assert show(api, replace(jobs[0], status=Status.RUNNING), call())[0].ahead is None


def test_a_job_that_waits_has_a_plan_for_who_may_read_its_process(api: Api, tmp_path: Path) -> None:
    kept = small_package(
        requirements=[
            {"class": "ResourceRequirement", "ramMin": 1000},
            {"class": "DockerRequirement", "dockerPull": EVIL},
        ]
    )
    job = create(api, tmp_path, kept=kept)
    view, page = show(api, job, call())
    Page(page).ensure_safe()
    assert view.plan
    assert [(one.name, one.image, one.memory) for one in view.plan.steps] == [("water", EVIL, "1000 MiB")]
    assert ("1000 MiB" in page, EVIL in Page(page).text, "process.read" in view.list_shown()) == (True, True, True)
    assert show(api, job, call("process.read"))[0].plan is None
    for other in (replace(job, status=Status.RUNNING), replace(job, deployed_in="elsewhere")):
        assert show(api, other, call())[0].plan is None


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (Status.CREATED, ["Start", "Dismiss"]),
        (Status.ACCEPTED, ["Run again", "Edit inputs", "Dismiss"]),
        (Status.RUNNING, ["Run again", "Edit inputs", "Dismiss"]),
        (Status.SUCCESSFUL, ["Run again", "Edit inputs", "Remove"]),
    ],
)
def test_every_action_shows_its_call_of_the_api(api: Api, tmp_path: Path, status: Status, actions: list[str]) -> None:
    job = create(api, tmp_path, status=status, request={"inputs": {}} if status is Status.CREATED else None)
    view, page = show(api, job, call())
    assert [action.title for action in view.actions] == actions
    assert all(action.command in Page(page).text for action in view.actions)


def test_a_job_of_a_process_of_another_workspace_is_not_run_again_here(api: Api, tmp_path: Path) -> None:
    job = create(api, tmp_path, status=Status.SUCCESSFUL, deployed_in="other")
    assert [action.title for action in show(api, job, call())[0].actions] == ["Remove"]


def test_who_may_not_read_the_inputs_of_a_job_does_not_run_it_again(api: Api, tmp_path: Path, check: Check) -> None:
    job = fail(api, tmp_path)
    with pytest.raises(InputError) as caught:
        repeat_job(api, call("job.inputs"), job.id)
    check(caught.value, "policy.denied", job.id)


def test_a_limit_that_was_reached_is_raised_from_the_page_by_who_may_retry(api: Api, tmp_path: Path) -> None:
    job = fail(api, tmp_path, step=TOOL.workflow_id, code="step.out-of-memory", kept=TOOL)
    view, page = show(api, job, call())
    assert view.limit is not None
    assert (view.limit.step, view.limit.kind, view.limit.value) == (TOOL.workflow_id, "memory", 2048)
    assert f"/jobs/{job.id}/retry" in [form.get("action") for form in Page(page).list_all("form")]
    view, page = show(api, job, call("job.retry"))
    assert view.limit is None
    assert f"/jobs/{job.id}/retry" not in page


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"restart": "sometimes"}, "request.invalid"),
        ({"timeLimits": {"s": 0}}, "request.invalid"),
        ({"timeLimits": {"s": True}}, "request.invalid"),
        ({"disk": {"s": 8}}, "request.invalid"),
        ({"disk": []}, "request.invalid"),
        ({"memory": {"elsewhere": "1Gi"}, "restart": "always"}, "inputs.requirement"),
    ],
)
def test_changes_that_do_not_fit_are_refused(api: Api, tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    job = fail(api, tmp_path, step=TOOL.workflow_id, kept=TOOL)
    with pytest.raises(InputError) as caught:
        retry_job(api, call(), job.id, changes)
    assert caught.value.diagnosis.code == code


def test_each_attempt_of_a_step_has_its_part_of_the_log(api: Api, tmp_path: Path) -> None:
    job = create(api, tmp_path, started="2026-01-01T00:00:02.000Z", status=Status.RUNNING)
    paths = replace(job_paths(folder=tmp_path, job_id=job.id), workflow_id="w")
    events: list[Event] = [
        *(StepStarted("clip", "clip.py", BEGIN), StepLines("clip", ("first try", "\x1b[31mlost\x1b[0m"))),
        *(StepStarted("clip", "clip.py", BEGIN + 5), StepLines("clip", ("second try",))),
        StepEnded("clip", BEGIN, BEGIN + 9, 0, None, None),
    ]
    with JobLog(paths, Masker()) as log:
        for event in events:
            log(event)
    job = api.store.jobs.update(replace(job, log=str(paths.job_log), log_folder=str(paths.log_folder)))
    api.store.events.append(job.id, [event for event in events if not isinstance(event, StepLines)])
    wanted = {
        "": ["$ clip.py", "first try", "lost", "$ clip.py", "second try", "ends: exit code 0 (9.00 s)"],
        "1": ["$ clip.py", "first try", "lost"],
        "2": ["$ clip.py", "second try", "ends: exit code 0 (9.00 s)"],
    }
    wanted |= {odd: wanted[""] for odd in ("3", "0", "-1", "x", "9" * 40)}
    for attempt, lines in wanted.items():
        view, page = show(api, job, call(log="clip.log", attempt=attempt))
        assert view.log is not None
        assert ["".join(part.text for part in line.parts) for line in view.log.window.lines] == lines, attempt
        assert (view.log.attempts, view.log.attempt) == (2, int(attempt) if attempt in ("1", "2") else None)
        addresses = Page(page).list_addresses()
        assert [f"?f=html&log=clip.log&attempt={number}#log-title" in addresses for number in (1, 2, 3)] == [
            *(True, True),
            False,
        ]
    view, page = show(api, job, call(log="clip.log", attempt="1", find="TRY"))
    assert view.log is not None
    assert [line.place for line in view.log.window.lines] == [10]
    assert view.log.window.size == len("\n".join([*wanted["1"], ""]))
    assert "attempt=1#log-title" in page


def test_a_job_whose_pod_was_lost_says_that_it_ran_again(api: Api, tmp_path: Path) -> None:
    job = create(api, tmp_path, started="2026-01-01T00:00:02.000Z", status=Status.RUNNING)
    run: list[Event] = [StageStarted(Stage.EXECUTE, "w"), StepStarted("clip", "clip.py", BEGIN)]
    for runs in (1, 2):
        api.store.events.append(job.id, run)
        view, page = show(api, job, call())
        assert view.runs == runs
        assert ("(run 2)" in page) is (runs == 2)


def test_what_a_program_printed_in_colours_has_classes_and_stays_text(api: Api, tmp_path: Path) -> None:
    job = create(api, tmp_path, started="2026-01-01T00:00:02.000Z", status=Status.RUNNING)
    paths = replace(job_paths(folder=tmp_path, job_id=job.id), workflow_id="w")
    with JobLog(paths, Masker()) as log:
        log(StepLines("clip", (f"\x1b[1;31m{EVIL}\x1b[0m", "ERROR plain", "\x1b[33mERROR\x1b[m of é ", "x" * 9000)))
        log(StepLines("clip", ("\x1b[44m" + "y" * 9000,)))
    job = api.store.jobs.update(replace(job, log=str(paths.job_log), log_folder=str(paths.log_folder)))
    for name in ("clip.log", "job.log"):
        view, text = show(api, job, call(log=name))
        page = Page(text)
        page.ensure_safe()
        assert EVIL in page.text
        classes = [one.get("class") for one in page.list_all("span")]
        assert [one for one in classes if one and one.startswith(("ink", "ground"))] == [
            *("ink-red bold", "ink-yellow", "ground-blue"),
        ]
        assert view.log is not None
        assert [line.kind for line in view.log.window.lines] == ["", "error", "", "", ""]
        view, text = show(api, job, call(log=name, find="script"))
        assert [one.get("class") for one in Page(text).list_all("mark")] == [None, "ink-red bold", "ink-red bold"]
