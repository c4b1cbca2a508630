"""The local engine as seen by its callers and by others on the machine: what remains, and what is reported."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Fault, FileServer
from tests.site import LONGEST_SECONDS, Pipe, Site, find_supervisors, processes_of, wait_until_none_is_left, watching
from tests.values import EXAMPLES, FAILING, PACKAGES
from zoo_runner.engines.cwl_process.processes import descendants
from zoo_runner.execution.accept import accept
from zoo_runner.execution.context import open_context
from zoo_runner.execution.execute import execute
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.events import StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Status

PROBE = PACKAGES / "probe"
ECHO = EXAMPLES / "echo"
CANARY = "canary-0f-the-caller"


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    opened = Pipe(tmp_path / "pipe")
    yield opened
    opened.close()


def wait_for_line(process: "subprocess.Popen[str]", beginning: str) -> None:
    assert process.stderr
    for line in process.stderr:
        if line.strip().startswith(beginning):
            return
    raise AssertionError(f"the command has ended without printing {beginning!r}")


@pytest.mark.parametrize("moment", ["execute:", "step write begins", "stage out:"])
def test_nothing_outlives_a_caller_that_is_killed(site: Site, moment: str) -> None:
    with site.started("run", ECHO / "echo.cwl", ECHO / "inputs.yml", "-o", site.results) as process:
        wait_for_line(process, moment)
        with watching(*descendants(process.pid)) as watched:
            process.kill()
            assert all(one.ends() for one in watched)
    assert wait_until_none_is_left(site.folder)


def test_nothing_outlives_a_caller_that_is_killed_while_it_stages_in(site: Site, web: FileServer) -> None:
    href = web.put("note.txt", b"x" * 100)
    web.fail_always("note.txt", Fault(cut_bytes=10, stall=True))
    order = site.folder / "inputs.yml"
    order.write_text(f"source-text: {{class: File, location: '{href}'}}\n")
    with site.started("run", PACKAGES / "graph" / "graph.cwl", order, "-o", site.results) as process:
        wait_for_line(process, "stage in:")
        process.kill()
    assert wait_until_none_is_left(site.folder)
    assert not site.results.exists() or list(site.results.iterdir()) == []


def test_a_child_that_left_its_session_and_ignores_requests_does_not_outlive_the_caller(site: Site, pipe: Pipe) -> None:
    words = ("run", PROBE / "tree.cwl", "-i", f"ready={pipe.path}", "-o", site.results)
    with (
        site.started(*words) as process,
        watching(*map(int, pipe.read().split())) as tree,
        watching(*descendants(process.pid)) as others,
    ):
        process.kill()
        assert all(one.ends() for one in (*tree, *others))
    assert wait_until_none_is_left(site.folder)


def test_a_pull_does_not_outlive_a_caller_that_is_killed(site: Site, pipe: Pipe) -> None:
    folder = site.folder / "programs"
    folder.mkdir()
    program = folder / "podman"
    program.write_text(
        '#!/bin/sh\ncase "$1" in info) exit 0;; image) exit 1;; esac\n'
        f"setsid sleep 300 & echo $$ $! > {pipe.path}\nwait\n"
    )
    program.chmod(0o700)
    caller = site.having(PATH=f"{folder}:{site.environ['PATH']}")
    package = FAILING / "image-missing" / "image-missing.cwl"
    with (
        caller.started("run", package, "--containers", "podman", "-o", site.results) as process,
        watching(*map(int, pipe.read().split())) as pull,
    ):
        process.kill()
        assert all(one.ends() for one in pull)
    assert wait_until_none_is_left(site.folder)


def test_nothing_outlives_a_supervisor_that_is_killed_and_the_caller_says_so(site: Site, pipe: Pipe) -> None:
    words = ("run", PROBE / "tree.cwl", "-i", f"ready={pipe.path}", "-o", site.results)
    with site.started(*words) as process:
        tree_ids = list(map(int, pipe.read().split()))
        below, (supervisor,) = descendants(process.pid), find_supervisors(process.pid)
        with watching(*tree_ids) as tree, watching(*below) as others:
            os.kill(supervisor, signal.SIGKILL)
            assert all(one.ends() for one in (*tree, *others))
        assert process.stderr
        reported = process.stderr.read()
        assert process.wait() == 7
    assert "engine.killed" in reported
    assert "(signal 9)" in reported
    assert wait_until_none_is_left(site.folder)
    assert list((site.folder / "scratch").iterdir()) == []


def test_a_launcher_that_is_killed_is_reported_as_such(site: Site, pipe: Pipe) -> None:
    words = ("run", PROBE / "tree.cwl", "-i", f"ready={pipe.path}", "-o", site.results)
    with site.started(*words) as process:
        pipe.read()
        below = descendants(process.pid)
        (launcher,) = [pid for pid in below if b"engines.local.launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        subprocess.run(["kill", "-9", str(launcher)], check=True)
        assert process.stderr
        reported = process.stderr.read()
        assert process.wait() == 7
    assert "code: engine.killed" in reported
    assert "(signal 9)" in reported
    assert wait_until_none_is_left(site.folder)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_tool_that_ignores_requests_is_ended_all_the_same(site: Site, pipe: Pipe, reason: Reason) -> None:
    cancellation = Cancellation(3600)
    job = site.accept(PROBE / "tree.cwl", None, f"ready={pipe.path}")

    pids: list[int] = []

    def follow(event: object) -> None:
        if isinstance(event, StepStarted):
            pids.extend(map(int, pipe.read().split()))
            cancellation.cancel(reason)

    story = site.run(job, cancellation=cancellation, on=follow)
    assert story.outcome.status is (Status.DISMISSED if reason is Reason.DISMISSED else Status.FAILED)
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_daemon_that_a_good_tool_left_behind_is_ended_with_the_job(site: Site, pipe: Pipe) -> None:
    story = site.run(site.accept(PROBE / "daemon.cwl", None, f"ready={pipe.path}"))
    assert story.outcome.status is Status.SUCCESSFUL
    assert not Path(f"/proc/{int(pipe.read())}").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_command_dismisses_the_job(site: Site, pipe: Pipe, number: signal.Signals) -> None:
    words = ("run", PROBE / "tree.cwl", "-i", f"ready={pipe.path}", "-o", site.results, "--format", "json")
    with site.started(*words) as process:
        with watching(*map(int, pipe.read().split())) as tree:
            process.send_signal(number)
            stdout, stderr = process.communicate()
            assert all(one.ends(0) for one in tree)
        assert process.returncode == 10
    assert json.loads(stdout)["status"] == "dismissed"
    assert "code: job.dismissed" in stderr
    assert "Traceback" not in stderr
    assert wait_until_none_is_left(site.folder)


def test_no_credential_reaches_tool_launcher_or_supervisor(site: Site) -> None:
    caller = site.having(
        AWS_SECRET_ACCESS_KEY=CANARY, STAGEOUT_AWS_SECRET_ACCESS_KEY=CANARY, DB_PASSWORD=CANARY, HARMLESS=CANARY
    )
    done = caller.command("run", PROBE / "environ.cwl", "-o", site.results)
    assert done.returncode == 0, done.stderr
    text = (site.results / "text" / "environ.txt").read_text()
    assert [part in text for part in ("tool:\n", "launcher:\n", "supervisor:\n", "supervisor.py")] == [True] * 4
    assert CANARY not in text
    tool = text.partition("launcher:")[0].splitlines()[1:]
    assert {line.partition("=")[0] for line in tool} <= {"PATH", "HOME", "TMPDIR", "PWD", "_", "SHLVL", "OLDPWD"}


@pytest.mark.parametrize("code", [0, 3])
def test_a_credential_that_a_tool_prints_is_in_no_file_and_on_no_screen(site: Site, code: int) -> None:
    caller = site.having(AWS_SECRET_ACCESS_KEY=CANARY)
    words = ("run", PROBE / "say.cwl", "-i", f"word=x{CANARY}y", "-i", f"code={code}", "-o", site.results)
    done = caller.command(*words)
    assert done.returncode == (6 if code else 0), done.stderr
    assert CANARY not in done.stderr
    files = [path for folder in (site.temp, site.state) for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert [path for path in files if CANARY in path.read_text()] == []
    assert "x*****y" in next(site.temp.glob("*_error.log")).read_text()


def test_scattered_steps_have_numbered_logs_and_usage_of_their_own(site: Site) -> None:
    folder = EXAMPLES / "features" / "scatter"
    story = site.run(site.accept(folder / "scatter.cwl", folder / "inputs.yml"))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome
    ended = [event.step for event in story.events if isinstance(event, StepEnded)]
    assert len(ended) == len(set(ended))
    logs = {path.stem for path in story.job.paths.log_folder.glob("*.log")}
    assert set(ended) <= logs
    assert any(step.endswith("_2") for step in ended)
    usage = json.loads(story.job.paths.usage.read_text())["steps"]
    assert {step["step"] for step in usage} == set(ended)
    assert all(step["exitCode"] == 0 and step["cpuSeconds"] is not None for step in usage)


def test_the_job_log_reports_the_stages_and_steps_in_their_order(site: Site) -> None:
    folder = PACKAGES / "graph"
    story = site.run(site.accept(folder / "graph.cwl", folder / "inputs.yml"))
    assert story.outcome.status is Status.SUCCESSFUL
    sources = [line.split()[1] for line in story.log.splitlines()]
    order = list(dict.fromkeys(source for source in sources if source != "[engine]"))
    assert order == ["[job]", "[stage-in]", "[execute]", "[count-step]", "[stage-out]"]
    assert sources[-1] == "[job]"
    paths = story.job.paths
    assert {path.name for path in paths.log_folder.iterdir()} == {
        "node_stage_in.log",
        "count-step.log",
        "node_stage_out.log",
        "plan.json",
        "usage.json",
    }


def test_a_log_folder_that_others_empty_does_not_lose_what_follows(site: Site, pipe: Pipe) -> None:
    def empty(event: object) -> None:
        if isinstance(event, StepLines) and "first" in event.lines:
            shutil.rmtree(site.temp)
            pipe.release()

    story = site.run(site.accept(PROBE / "lines.cwl", None, f"go={pipe.path}"), on=empty)
    assert story.outcome.status is Status.SUCCESSFUL
    assert "last" in story.log
    assert "SUCCESSFUL" in story.log
    assert story.job.paths.usage.exists()
    record = json.loads((story.job.paths.record / "job.json").read_text())
    assert record["status"] == "successful"


def test_a_job_that_has_ended_is_not_said_to_be_stopped(site: Site) -> None:
    story = site.run(site.accept(ECHO / "echo.cwl", ECHO / "inputs.yml"))
    done = site.command("cancel", story.job.id)
    assert done.returncode == 0
    assert done.stderr == f"job {story.job.id} has already ended (successful): nothing to stop\n"


def test_two_jobs_of_one_id_are_not_run(site: Site) -> None:
    first = site.run(site.accept(ECHO / "echo.cwl", ECHO / "inputs.yml", job_id="one"))
    record = (first.job.paths.record / "job.json").read_text()
    usage = first.job.paths.usage.read_text()
    done = site.command("run", ECHO / "echo.cwl", ECHO / "inputs.yml", "--job-id", "one", "-o", site.folder / "other")
    assert done.returncode == 2
    assert done.stderr.startswith("error: "), "no event of the new job is shown"
    assert all(fact in done.stderr for fact in ("'one'", "code: job.exists"))
    assert (first.job.paths.record / "job.json").read_text() == record
    assert first.job.paths.usage.read_text() == usage
    assert not (site.folder / "other").exists()


def test_a_tool_that_removes_its_scratch_folder_is_a_failed_job_and_no_defect(site: Site) -> None:
    package = site.folder / "remove.cwl"
    package.write_text(
        "cwlVersion: v1.2\nclass: CommandLineTool\nid: remove\n"
        f"baseCommand: [rm, -rf, '{site.folder / 'scratch'}']\ninputs: []\noutputs: []\n"
    )
    outcome = site.run(site.accept(package)).outcome
    assert outcome.exit_code in (0, 6, 7)
    if outcome.diagnosis:
        assert "defect" not in outcome.diagnosis.cause


def test_the_processes_of_a_job_are_found_by_its_folder(site: Site, pipe: Pipe) -> None:
    """The other tests of this file stand on it."""
    words = ("run", PROBE / "tree.cwl", "-i", f"ready={pipe.path}", "-o", site.results)
    with site.started(*words):
        pids = set(map(int, pipe.read().split()))
        assert pids <= set(processes_of(site.folder))
    assert wait_until_none_is_left(site.folder)


EXECUTE = """
import os, sys
from zoo_runner.config.configuration import load_configuration
from zoo_runner.execution.context import open_context
from zoo_runner.execution.execute import execute
print(execute(open_context(load_configuration(os.environ)), sys.argv[1]).status)
"""


def test_a_job_is_accepted_by_one_process_and_executed_by_another(site: Site) -> None:
    context = open_context(site.configuration)
    draft = site.accept(ECHO / "echo.cwl", ECHO / "inputs.yml")
    accept(context, draft, "local", site.workspace)
    assert site.load_job(draft.id).status is Status.ACCEPTED
    words = [sys.executable, "-c", EXECUTE, draft.id]
    done = subprocess.run(words, env=site.environ, capture_output=True, text=True, check=True, timeout=LONGEST_SECONDS)
    assert done.stdout == "successful\n"
    outcome = execute(context, draft.id)
    assert outcome.results
    assert set(outcome.results.document) == {"text"}
