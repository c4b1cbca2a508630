"""A service in the kernel's double: one test for each thing that a kernel does and a service must survive."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.processes import choose_seconds, find_by_text, find_in_folder
from tests.servers import S3Server
from tests.waiting import wait_for
from zoo_runner.model import clock
from zoo_runner.model.job import Status
from zoo_runner.store.files import FileStore
from zoo_runner.testing import KernelCrash, KernelDouble, MissingInput, RefusedPackage, SubmittedJob
from zoo_runner.testing.kernel import PASSWORD, TOKEN
from zoo_runner.testing.worker import AFTER, BEFORE

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
PACKAGES = ROOT / "tests" / "data" / "packages"
KINDS = PACKAGES / "kernel" / "kinds.cwl"
SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]
GIVEN = {
    "text": "plain",
    "whole": 3,
    "real": 2.25,
    "flag": True,
    "color": "green",
    "words": ["a", "b"],
    "usual": "given",
}

DOUBLES = {"fake": "zoo_runner.engines.fake:FakeEngine", "fake-waiting": "zoo_runner.engines.fake:WaitingEngine"}
MakeKernel = Callable[..., KernelDouble]
# as a container has them: the end of its first process is the end of all
OWN_PROCESS_IDS = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture
def make_kernel(tmp_path: Path) -> MakeKernel:
    def make(
        engine: str = "local", python_path: tuple[str, ...] = (), around: tuple[str, ...] = (), **environ: str
    ) -> KernelDouble:
        own = {"ZOO_RUNNER_CONTAINERS": "none", "ZOO_RUNNER_ISOLATION": "trusted"}
        variables = {"ZOO_RUNNER_ENGINE": engine, **own, "STAGEIN_PRIVATE_HOSTS": "127.0.0.1,localhost"}
        return KernelDouble(
            tmp_path / "zoo",
            environ={**variables, **environ},
            python_path=[*python_path, *SITE_PACKAGES],
            engines=DOUBLES,
            around=around,
        )

    return make


@pytest.fixture
def fake(make_kernel: MakeKernel) -> KernelDouble:
    """A kernel whose engine does nothing, with `echo` deployed for alice."""
    kernel = make_kernel("fake")
    kernel.deploy("alice", ECHO, "echo")
    return kernel


@pytest.fixture
def local(make_kernel: MakeKernel) -> KernelDouble:
    """A kernel that runs packages, with `echo` deployed for alice."""
    kernel = make_kernel()
    kernel.deploy("alice", ECHO, "echo")
    return kernel


@pytest.fixture
def make_handler(tmp_path: Path, make_kernel: MakeKernel) -> Callable[[str], KernelDouble]:
    """A kernel with a site's handler: the methods of a class `Handler`."""

    def make(methods: str, base: str = "ExecutionHandler", **environ: str) -> KernelDouble:
        (tmp_path / "site_hooks").mkdir()
        body = textwrap.indent(textwrap.dedent(methods), "    ")
        source = f"import os, sys\nfrom zoo_runner.handler import ExecutionHandler\nclass Handler({base}):\n{body}\n"
        (tmp_path / "site_hooks" / "site_handler.py").write_text(source)
        variables = {"ZOO_RUNNER_HANDLER": "site_handler:Handler", **environ}
        kernel = make_kernel("fake", python_path=(str(tmp_path / "site_hooks"),), **variables)
        kernel.deploy("alice", ECHO, "echo")
        return kernel

    return make


def run_echo(kernel: KernelDouble, message: str = "hello", **request: Any) -> SubmittedJob:
    return kernel.submit("alice", "echo", {"inputs": {"message": message}, **request}).wait()


def read_record(kernel: KernelDouble, job: SubmittedJob) -> Any:
    return FileStore(kernel.services / ".zoo-runner" / job.user / "jobs").get(job.id)


def read_given(kernel: KernelDouble, job: SubmittedJob) -> Any:
    """What the package `kinds` got."""
    assert job.succeeded, job.message + job.error_log
    return json.loads((job.temp / f"kinds-{job.id}" / "results" / "given" / "given.json").read_text())


# --- 1: child processes


def test_exit_codes_of_steps_count_although_the_kernel_ignores_sigchld(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", PACKAGES / "failing" / "tool-exit-code" / "tool-exit-code.cwl", "tool-exit-code")
    job = kernel.submit("alice", "tool-exit-code", {}).wait()
    assert job.findings["returned"] == 4
    assert "exit code 3: scene has no band red. What to do: " in job.message
    assert job.violations == []


def test_a_python_is_found_although_the_interpreter_is_embedded(local: KernelDouble) -> None:
    job = run_echo(local)
    assert job.succeeded, job.message


# --- 2: stdout


def test_what_hooks_and_their_children_print_goes_to_the_log_and_not_to_stdout(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def pre_execution_hook(self):
            print("printed by a hook")
            os.system("echo printed by a child")
            os.write(1, b"written without Python\\n")
        """)
    job = run_echo(kernel)
    assert job.violations == []
    for text in ("printed by a hook", "printed by a child", "written without Python"):
        assert f"[service] {text}\n" in job.error_log


# --- 3: conf


def test_the_whole_of_conf_is_never_touched(fake: KernelDouble) -> None:
    job = run_echo(fake)
    assert job.succeeded, "a section of conf has a hole that kills whoever reads it"


def test_no_password_of_the_kernel_reaches_a_file_that_it_serves(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def pre_execution_hook(self):
            print("token", self.conf["auth_env"]["jwt"], "and", self.conf["metadb"]["password"])
            raise ValueError(self.conf["auth_env"]["jwt"])
        """)
    job = run_echo(kernel)
    served = "".join(path.read_text() for path in job.temp.rglob("*") if path.is_file())
    assert "[service] token *****" in served
    assert TOKEN not in served + job.message
    assert PASSWORD not in served + job.message


# --- 4: inputs


def test_every_kind_of_input_arrives_as_the_package_types_it(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    job = kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "large": 2**40, "numbers": [7]}}).wait()
    given = read_given(kernel, job)
    assert given == {**GIVEN, "large": 2**40, "numbers": [7], "note": None, "notes": None, "perhaps": None}


def test_an_empty_array_and_absent_optionals_are_what_they_are(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    job = kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "words": [], "perhaps": "NULL"}}).wait()
    given = read_given(kernel, job)
    assert (given["words"], given["perhaps"], given["numbers"]) == ([], "NULL", None)


def test_values_that_do_not_fit_are_all_named_in_the_status(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake")
    kernel.deploy("alice", KINDS, "kinds")
    request = {"inputs": {**GIVEN, "whole": "many", "color": "blue", "nonsense": "1"}}
    job = kernel.submit("alice", "kinds", request).wait()
    assert job.findings["code"] == "InvalidParameterValue"
    assert "(3 problems)" in job.message
    log = job.error_log
    for text in (
        'whole: expected int, got "many" (string)',
        'color: expected one of red, green, got "blue"',
        "nonsense: unknown input",
        "inputs.invalid",
    ):
        assert text in log


def test_a_file_object_that_the_kernel_lost_is_read_from_the_request(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    note = {"class": "File", "basename": "n.txt", "contents": "words of the note"}
    given = read_given(kernel, kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "note": note}}).wait())
    assert given["note"]["basename"] == "n.txt"
    assert given["note"]["contents"] == "words of the note"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[str]:
    """A server of two files; the URL of its root."""
    root = tmp_path / "served"
    root.mkdir()
    (root / "one.txt").write_text("one")
    (root / "two.txt").write_text("two two")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(root))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_link_that_the_kernel_downloaded_is_used_under_its_own_name(make_kernel: MakeKernel, files: str) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    request = {"inputs": {**GIVEN, "note": {"href": f"{files}/one.txt"}}}
    given = read_given(kernel, kernel.submit("alice", "kinds", request).wait())
    assert (given["note"]["basename"], given["note"]["size"]) == ("one.txt", 3)


def test_several_links_in_one_input_all_arrive_although_the_kernel_counts_wrongly(
    make_kernel: MakeKernel, files: str
) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    notes = [{"href": f"{files}/one.txt"}, {"href": f"{files}/two.txt"}]
    given = read_given(kernel, kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "notes": notes}}).wait())
    assert [note["basename"] for note in given["notes"]] == ["one.txt", "two.txt"]


def test_a_bare_url_is_staged_in(make_kernel: MakeKernel, files: str) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    request = {"inputs": {**GIVEN, "note": f"{files}/two.txt"}}
    given = read_given(kernel, kernel.submit("alice", "kinds", request).wait())
    assert given["note"]["size"] == len("two two")


@pytest.mark.parametrize("address", ["/etc/passwd", "file:///etc/passwd"])
def test_a_caller_cannot_have_files_of_the_workers_machine_read(make_kernel: MakeKernel, address: str) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", KINDS, "kinds")
    job = kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "note": address}}).wait()
    assert not job.succeeded
    assert "/etc/passwd" in job.message
    assert "root:" not in job.error_log


# --- 5: what leaves us


@pytest.mark.parametrize("response", ["raw", "document"])
def test_no_percent_and_no_double_dollar_leave_in_results(make_kernel: MakeKernel, response: str) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", PACKAGES / "kernel" / "odd-names.cwl", "odd-names")
    job = kernel.submit("alice", "odd-names", {"inputs": {"name": "50% of $$ é.txt"}, "response": response}).wait()
    assert job.succeeded, job.message
    assert job.violations == []
    assert json.loads(job.outputs["result"]["value"])["type"]


@pytest.mark.parametrize("text", ["a%20b", "", "costs 5$", "$$", "plain"])
def test_a_literal_result_is_exactly_what_the_tool_gave(make_kernel: MakeKernel, text: str) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", PACKAGES / "kernel" / "literal.cwl", "literal")
    job = kernel.submit("alice", "literal", {"inputs": {"given": [text]}}).wait()
    assert job.succeeded, job.message
    assert job.violations == []
    output = job.outputs["result"]
    assert (json.loads(output["value"]) if output.get("mimeType") == "application/json" else output["value"]) == text


def test_the_exact_literal_of_a_document_is_one_link_away(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", PACKAGES / "kernel" / "literal.cwl", "literal")
    job = kernel.submit("alice", "literal", {"inputs": {"given": ["a%20b"]}, "response": "document"}).wait()
    assert job.violations == []
    link = json.loads(job.outputs["result"]["value"])["href"]
    assert json.loads(kernel.browse("alice", link)) == {"result": "a%20b"}


def test_results_in_the_public_folder_can_be_downloaded(local: KernelDouble) -> None:
    job = run_echo(local)
    [item] = [link["href"] for link in json.loads(job.outputs["text"]["value"])["links"] if link["rel"] == "item"]
    [asset] = json.loads(local.browse("alice", item))["assets"].values()
    assert local.browse("alice", urljoin(item, asset["href"])).strip() == "hello"


def test_results_that_the_kernel_cannot_serve_are_refused_with_the_setting_to_make(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", PACKAGES / "kernel" / "picture.cwl", "picture")
    job = kernel.submit("alice", "picture", {}).wait()
    assert not job.succeeded
    assert job.violations == []
    assert "picture.png" in job.message
    assert "STAGEOUT_OUTPUT" in job.message


def test_results_elsewhere_may_be_of_any_kind(make_kernel: MakeKernel, tmp_path: Path) -> None:
    kernel = make_kernel(STAGEOUT_OUTPUT=str(tmp_path / "served"), STAGEOUT_PUBLIC_URL="https://results.example")
    kernel.deploy("alice", PACKAGES / "kernel" / "picture.cwl", "picture")
    job = kernel.submit("alice", "picture", {}).wait()
    assert job.succeeded, job.message
    assert list((tmp_path / "served" / "alice" / "processing-results" / job.id).rglob("picture.png"))


def test_no_percent_leaves_in_messages(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake")
    kernel.deploy("alice", KINDS, "kinds")
    job = kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "color": "100% $$ http://x/a%20b"}}).wait()
    assert job.violations == []
    assert '"100 percent $ $ http://x/a b"' in job.message


# --- 6: failures


def test_a_failure_of_the_package_says_cause_and_remedy_in_the_status(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake")
    folder = kernel.deploy("alice", ECHO, "echo")
    (folder / "app-package.cwl").write_text("cwlVersion: v1.2\n$graph: [")
    job = run_echo(kernel)
    assert job.findings["returned"] == 4
    assert "Code: package.syntax." in job.message
    assert job.violations == []


def test_signs_of_printf_stay_readable_in_messages(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake")
    kernel.deploy("alice", KINDS, "kinds")
    job = kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "color": "a %s b"}}).wait()
    assert job.violations == []
    assert '"a \N{FULLWIDTH PERCENT SIGN}s b"' in job.message


def test_an_argument_that_the_system_does_not_take_is_the_inputs_fault(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", ECHO, "echo")
    job = run_echo(kernel, "x" * 1_000_000)
    assert not job.succeeded
    assert job.violations == []
    assert "Code: inputs.too-large." in job.message


def test_a_launcher_that_is_killed_is_named(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    seconds = choose_seconds()
    job = start_slow(kernel, seconds)
    [launcher] = find_in_folder(job.id, b"engines.local.launcher")
    os.kill(launcher, signal.SIGKILL)
    assert not job.wait().succeeded
    assert "Code: engine.killed." in job.message
    assert not find_by_text(f"sleep {seconds}")


@pytest.mark.parametrize("raised", ["ValueError('no storage')", "SystemExit('no storage')", "KeyboardInterrupt()"])
def test_what_a_hook_raises_is_reported_as_the_hooks(make_handler: Callable[[str], KernelDouble], raised: str) -> None:
    kernel = make_handler(f"def pre_execution_hook(self): raise {raised}")
    job = run_echo(kernel)
    assert job.findings["returned"] == 4
    assert all(fact in job.message for fact in ("pre_execution_hook", "Handler", "Code: engine.hook"))
    assert "operator" in job.message
    assert job.violations == []
    assert "Traceback" not in job.error_log


def test_a_wrong_setting_is_named_in_the_status(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("no-such-engine")
    kernel.deploy("alice", ECHO, "echo")
    message = run_echo(kernel).message
    assert "'no-such-engine'" in message
    assert "Code: settings.invalid." in message


def test_a_package_that_was_never_resolved_is_resolved_by_the_first_job(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake")
    kernel.deploy("alice", ECHO, "echo", warm=False)
    job = run_echo(kernel)
    assert job.succeeded, job.message
    assert job.violations == []


def test_every_requested_output_is_set_on_success(fake: KernelDouble) -> None:
    job = run_echo(fake)
    assert job.violations == []
    assert set(job.outputs) == {"text"}


# --- 7: progress


def test_progress_moves_forward_with_a_message_for_each_stage_and_step(local: KernelDouble) -> None:
    updates = run_echo(local).updates
    numbers = [update["progress"] for update in updates]
    messages = [update["message"] for update in updates]
    assert numbers == sorted(numbers)
    for text in ("preparing the job", "executing", "step write runs", "step write ended"):
        assert any(message.startswith(text) for message in messages), text
    assert len(updates) <= 12


# --- 8: dismissal


def start_slow(kernel: KernelDouble, seconds: int) -> SubmittedJob:
    """Start a job whose tool goes on for long; it runs, and what it said first has been kept."""
    kernel.deploy("alice", PACKAGES / "failing" / "slow" / "slow.cwl", "slow")
    job = kernel.submit("alice", "slow", {"inputs": {"seconds": seconds}})
    wait_for(lambda: bool(find_by_text(f"sleep {seconds}")) or job.process.poll() is not None)
    wait_for(lambda: f"[sleep] sleeping {seconds} s" in read_kept_log(kernel, job) or job.process.poll() is not None)
    return job


def read_kept_log(kernel: KernelDouble, job: SubmittedJob) -> str:
    """The log beside the record, where a kernel removes nothing."""
    log = kernel.services / ".zoo-runner" / job.user / "jobs" / job.id / "job.log"
    return log.read_text() if log.exists() else ""


def test_nothing_of_a_dismissed_job_is_left_but_its_record(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    seconds = choose_seconds()
    job = start_slow(kernel, seconds)
    dismissal = kernel.dismiss(job).wait()
    assert dismissal.succeeded, dismissal.error_log
    assert dismissal.violations == []
    wait_for(lambda: not find_by_text(f"sleep {seconds}"))
    private = kernel.services / ".zoo-runner" / "alice"
    wait_for(lambda: not list((private / "scratch").iterdir()))
    assert read_record(kernel, job).status is Status.DISMISSED
    assert read_kept_log(kernel, job) == ""
    assert list(job.temp.glob(f"*{job.id}*")) == []


def test_a_dismissal_reaches_a_service_on_another_machine(make_kernel: MakeKernel) -> None:
    kernel = make_kernel(ZOO_RUNNER_DISMISS_CHECK="0.1")
    seconds = choose_seconds()
    job = start_slow(kernel, seconds)
    dismissal = kernel.dismiss(job, kill=False).wait()
    assert dismissal.succeeded, dismissal.error_log
    assert job.wait().process.returncode == -signal.SIGKILL
    assert not find_by_text(f"sleep {seconds}")
    assert read_record(kernel, job).status is Status.DISMISSED
    assert list(job.temp.glob(f"*{job.id}*")) == []


def start_storing(make_kernel: MakeKernel, folder: Path, **environ: str) -> tuple[KernelDouble, SubmittedJob]:
    """Start a job with many results, which lie in a folder, and wait until the first is there."""
    kernel = make_kernel(ZOO_RUNNER_DISMISS_CHECK="0.05", **environ)
    kernel.deploy("alice", PACKAGES / "kernel" / "many-files.cwl", "many-files")
    job = kernel.submit("alice", "many-files", {"inputs": {"count": 4000}})
    wait_for(lambda: has_results(folder) or job.process.poll() is not None)
    return kernel, job


def has_results(folder: Path) -> bool:
    """Whether a result is stored; the store moves folders meanwhile, which `rglob` does not expect."""
    return any(name.endswith(".txt") for _, _, names in os.walk(folder) for name in names)


def ensure_nothing_is_stored(kernel: KernelDouble, job: SubmittedJob, folder: Path) -> None:
    assert read_record(kernel, job).status is Status.DISMISSED
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert read_kept_log(kernel, job) == ""


def test_a_dismissal_while_results_are_put_into_a_folder_removes_them(make_kernel: MakeKernel, tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    kernel, job = start_storing(make_kernel, folder, STAGEOUT_OUTPUT=str(folder))
    dismissal = kernel.dismiss(job).wait()
    assert dismissal.succeeded, dismissal.error_log
    ensure_nothing_is_stored(kernel, job, folder)


@pytest.mark.parametrize("kill", [True, False])
def test_a_dismissal_while_results_are_put_into_a_bucket_removes_them(
    make_kernel: MakeKernel, s3: S3Server, tmp_path: Path, kill: bool
) -> None:
    folder = s3.folder / f"dismissed-{kill}".lower()
    folder.mkdir()
    variables = {
        "STAGEOUT_OUTPUT": f"s3://{folder.name}",
        "STAGEOUT_AWS_SERVICEURL": str(s3.options.endpoint),
        "STAGEOUT_AWS_ACCESS_KEY_ID": str(s3.options.access_key_id),
        "STAGEOUT_AWS_SECRET_ACCESS_KEY": str(s3.options.secret_access_key),
    }
    kernel, job = start_storing(make_kernel, folder, **variables)
    dismissal = kernel.dismiss(job, kill=kill).wait()
    assert dismissal.succeeded, dismissal.error_log
    assert job.wait().process.returncode == -signal.SIGKILL
    ensure_nothing_is_stored(kernel, job, folder)


@pytest.mark.parametrize("kill", [True, False])
def test_a_dismissal_leaves_nothing_of_a_worker_with_process_ids_of_its_own(
    make_kernel: MakeKernel, kill: bool
) -> None:
    if subprocess.run([*OWN_PROCESS_IDS, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not make PID namespaces")
    kernel = make_kernel(around=OWN_PROCESS_IDS, ZOO_RUNNER_DISMISS_CHECK="0.1")
    seconds = choose_seconds()
    job = start_slow(kernel, seconds)
    dismissal = kernel.dismiss(job, kill=kill).wait()
    assert dismissal.succeeded, dismissal.error_log
    wait_for(lambda: not find_by_text(f"sleep {seconds}"))
    job.process.wait()
    private = kernel.services / ".zoo-runner" / "alice"
    wait_for(lambda: not list((private / "scratch").iterdir()))
    assert read_record(kernel, job).status is Status.DISMISSED
    assert read_kept_log(kernel, job) == ""
    assert list(job.temp.glob(f"*{job.id}*")) == []


def test_a_dismissal_may_be_repeated_and_may_come_after_the_end(fake: KernelDouble) -> None:
    job = run_echo(fake)
    for _ in range(2):
        assert fake.dismiss(job).wait().succeeded
    assert read_record(fake, job).status is Status.SUCCESSFUL
    assert read_kept_log(fake, job) == ""


def test_a_job_that_is_dismissed_while_it_is_queued_never_runs(local: KernelDouble) -> None:
    job_id = "dismissed-in-the-queue"
    dismissal = local.run_dismiss("alice", job_id, "echo").wait()
    assert dismissal.succeeded, dismissal.error_log
    job = local.submit("alice", "echo", {"inputs": {"message": "x"}}, job_id=job_id).wait()
    assert (job.process.returncode, job.violations) == (-signal.SIGKILL, [])
    record = read_record(local, job)
    assert (record.status, record.engine) == (Status.DISMISSED, "none")
    assert not any(update["message"].startswith("executing") for update in job.updates)


def test_a_job_whose_dismissal_waits_behind_it_in_the_queue_never_runs(local: KernelDouble) -> None:
    run_echo(local)  # an installation that shows its workers the status of jobs
    job = local.submit("alice", "echo", {"inputs": {"message": "x"}}, removed=True).wait()
    assert (job.findings["returned"], job.violations) == (4, [])
    assert "Code: job.dismissed." in job.message
    assert read_record(local, job).status is Status.DISMISSED
    assert read_kept_log(local, job) == ""
    assert list(job.temp.glob(f"*echo*{job.id}*.log")) == []
    dismissal = local.dismiss(job).wait()
    assert dismissal.succeeded, dismissal.error_log
    assert list(job.temp.glob(f"*{job.id}*")) == []


def test_jobs_run_where_a_kernel_shows_its_workers_no_status_of_jobs(local: KernelDouble) -> None:
    for _ in range(2):
        job = local.submit("alice", "echo", {"inputs": {"message": "x"}}, removed=True).wait()
        assert job.succeeded, job.message


def test_a_job_that_is_dismissed_while_its_service_prepares_it_never_runs(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def pre_execution_hook(self):
            from zoo_runner.zoo.conf import load_site_configuration, read_site
            from zoo_runner.zoo.dismiss import dismiss_job
            site = read_site(self.conf)
            assert dismiss_job(site.job_id, load_site_configuration(self.conf, os.environ, site)) is None
        """)
    job = run_echo(kernel)
    assert (job.process.returncode, job.violations) == (-signal.SIGKILL, [])
    record = read_record(kernel, job)
    assert (record.status, record.outcome.diagnosis.code) == (Status.DISMISSED, "job.dismissed")
    assert not any(update["message"].startswith("executing") for update in job.updates)
    assert not (job.temp / f"echo-{job.id}").exists()


def test_a_job_that_is_dismissed_while_its_service_delivers_leaves_no_logs(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def post_execution_hook(self, log, output, usage_report, tool_logs):
            from zoo_runner.zoo.conf import load_site_configuration, read_site
            from zoo_runner.zoo.dismiss import dismiss_job
            site = read_site(self.conf)
            assert dismiss_job(site.job_id, load_site_configuration(self.conf, os.environ, site)).status == "successful"
            for number in range(1000):
                print("delivering", number)
        """)
    job = run_echo(kernel)
    assert read_record(kernel, job).removal_requested
    assert read_kept_log(kernel, job) == ""
    assert not (job.temp / f"echo-{job.id}").exists()


def test_a_request_to_cancel_that_comes_too_late_removes_nothing(make_handler: Callable[[str], KernelDouble]) -> None:
    kernel = make_handler("""
        def post_execution_hook(self, log, output, usage_report, tool_logs):
            from dataclasses import replace
            from zoo_runner.store.files import FileStore
            from zoo_runner.zoo.conf import load_site_configuration, read_site
            site = read_site(self.conf)
            store = FileStore(load_site_configuration(self.conf, os.environ, site).workspace.folders.state)
            store.update(replace(store.get(site.job_id), cancel_requested=True))
        """)
    job = run_echo(kernel)
    record = read_record(kernel, job)
    assert (record.status, record.cancel_requested) == (Status.SUCCESSFUL, True)
    assert read_kept_log(kernel, job)
    assert (job.temp / f"echo-{job.id}" / "usage.json").exists()


def test_a_record_that_is_damaged_at_the_end_does_not_change_how_the_job_ended(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def post_execution_hook(self, log, output, usage_report, tool_logs):
            from zoo_runner.zoo.conf import load_site_configuration, read_site
            site = read_site(self.conf)
            folders = load_site_configuration(self.conf, os.environ, site).workspace.folders
            (folders.state / site.job_id / "job.json").write_text("{")
        """)
    assert run_echo(kernel).findings["returned"] == 3


def test_a_store_that_fails_does_not_hide_why_the_job_failed(make_handler: Callable[[str], KernelDouble]) -> None:
    kernel = make_handler("""
        def pre_execution_hook(self):
            from zoo_runner.zoo.conf import load_site_configuration, read_site
            state = load_site_configuration(self.conf, os.environ, read_site(self.conf)).workspace.folders.state
            state.mkdir(parents=True, exist_ok=True)
            (state / ".packages").write_text("")
            raise RuntimeError("bucket missing")
        """)
    job = run_echo(kernel)
    assert "bucket missing" in job.message
    assert "Code: engine.hook." in job.message
    assert "warning: " in job.error_log


def test_nobody_dismisses_the_job_of_another_workspace(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake-waiting", ZOO_RUNNER_DISMISS_CHECK="0.1")
    kernel.deploy("alice", ECHO, "echo")
    job = kernel.submit("alice", "echo", {"inputs": {"message": "x"}})
    wait_for(lambda: bool(job.updates))
    dismissal = kernel.dismiss(job, user="bob").wait()
    assert dismissal.succeeded
    assert f"job {job.id}: not known" in dismissal.error_log
    assert job.process.poll() is None
    kernel.dismiss(job).wait()


# --- 9 and 10: temp is emptied by others, and public


def test_record_and_scratch_lie_outside_of_what_the_kernel_serves(fake: KernelDouble) -> None:
    job = run_echo(fake)
    assert read_record(fake, job).status is Status.SUCCESSFUL
    served = {path.name for path in job.temp.rglob("*") if path.is_file()}
    assert "job.json" not in served
    assert "results.json" not in served


# --- 11: links to logs


@pytest.mark.parametrize("name", ["echo", "tool-exit-code"])
def test_logs_are_linked_whether_the_job_succeeds_or_fails(make_kernel: MakeKernel, name: str) -> None:
    kernel = make_kernel()
    cwl = ECHO if name == "echo" else PACKAGES / "failing" / name / f"{name}.cwl"
    kernel.deploy("alice", cwl, name)
    inputs = {"message": "x"} if name == "echo" else {}
    job = kernel.submit("alice", name, {"inputs": inputs}).wait()
    links = job.service_logs
    urls = [value for key, value in links.items() if key.startswith("url")]
    assert links["length"] == str(len(urls))
    root = "http://kernel.example/alice/temp/"
    assert f"{root}{name}_{job.id}_error.log" in urls
    assert f"{root}{name}-{job.id}/{'write' if name == 'echo' else 'run'}.log" in urls
    assert all((job.temp / url.removeprefix(root)).is_file() for url in urls)


# --- 12: one log, in order


def test_our_lines_and_the_kernels_stand_in_one_log_in_order(fake: KernelDouble) -> None:
    lines = run_echo(fake).error_log.splitlines()
    assert lines[0] == BEFORE
    assert lines[-1] == AFTER
    assert "[job] SUCCESSFUL" in lines[-2]


def test_the_log_of_a_tool_that_prints_much_is_complete_and_readable(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.deploy("alice", PACKAGES / "kernel" / "prints.cwl", "prints")
    job = kernel.submit("alice", "prints", {"inputs": {"count": 200_000}}).wait()
    assert job.succeeded, job.message
    assert job.violations == []
    log = kernel.browse("alice", f"http://kernel.example/alice/temp/prints_{job.id}_error.log")
    printed = [line.partition("[print] ")[2] for line in log.splitlines() if "[print] " in line]
    _, first, *numbers, last, _ = printed
    assert (first, last) == ("érste ✓ 50% %s <b>", "dernière ✓")
    assert numbers == [str(number) for number in range(1, 200_001)]
    assert "\x1b" not in log
    # the copy beside the record is a second name of the file, not a second file
    private = kernel.services / ".zoo-runner" / "alice" / "jobs" / job.id / "job.log"
    assert private.samefile(job.temp / f"prints_{job.id}_error.log")


def test_what_a_tool_prints_beyond_the_limit_is_counted(make_kernel: MakeKernel) -> None:
    kernel = make_kernel(ZOO_RUNNER_LOG_MAX_MIB="0.1")
    kernel.deploy("alice", PACKAGES / "kernel" / "prints.cwl", "prints")
    job = kernel.submit("alice", "prints", {"inputs": {"count": 200_000}}).wait()
    assert job.succeeded, job.message
    log = kernel.browse("alice", f"http://kernel.example/alice/temp/prints_{job.id}_error.log")
    assert len(log) < 1_000_000
    assert "ZOO_RUNNER_LOG_MAX_MIB" in log
    kept = [line for line in log.splitlines() if line.partition("[print] ")[2].isdecimal()]
    assert re.search(rf"\b{200_000 - len(kept) + 1} more lines", log)


# --- 13: names


def test_logs_of_jobs_that_ended_long_ago_are_removed_by_gc(fake: KernelDouble) -> None:
    old, new = run_echo(fake), run_echo(fake)
    state = fake.services / ".zoo-runner" / "alice" / "jobs"
    store = FileStore(state)
    store.update(replace(store.get(old.id), finished=clock.after(-31 * 86_400)))
    variables = {"STATE": state, "SCRATCH": state.with_name("scratch"), "WORKSPACE": "alice", "RETENTION_DAYS": 30}
    command = [sys.executable, "-m", "zoo_runner", "gc", "--engine", "local", "--remove"]
    subprocess.run(command, env={f"ZOO_RUNNER_{name}": str(value) for name, value in variables.items()}, check=True)
    assert not (state / old.id).exists()
    left = [path for public in old.temp.glob(f"*{old.id}*") for path in (public, *public.rglob("*"))]
    assert not [path for path in left if path.suffix == ".log" or path.name == "usage.json"]
    assert "[job] SUCCESSFUL" in new.error_log


def test_a_process_beside_ours_cannot_pass_for_a_module(fake: KernelDouble) -> None:
    for name in ("stagein", "cwltool", "zoo_runner_testing", "email", "asyncio"):
        (fake.services / "alice" / name).mkdir()
        (fake.services / "alice" / name / "__init__.py").write_text("raise RuntimeError('shadowed')")
    assert run_echo(fake).succeeded


# --- 15, 16, 19, 20


@pytest.mark.parametrize("kind", [["File", "Directory"], "Any", {"type": "array", "items": ["int", "string"]}], ids=str)
def test_a_package_with_a_type_that_the_kernel_cannot_describe_is_refused(
    make_kernel: MakeKernel, tmp_path: Path, kind: Any
) -> None:
    package = tmp_path / "either.cwl"
    package.write_text(ECHO.read_text().replace("type: string", f"type: {json.dumps(kind)}"))
    kernel = make_kernel()
    with pytest.raises(RefusedPackage, match="message"):
        kernel.deploy("alice", package, "echo")
    assert not (kernel.services / "alice" / "echo").exists()


def test_the_kernel_refuses_what_no_service_is_asked(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake")
    kernel.deploy("alice", KINDS, "kinds")
    with pytest.raises(MissingInput, match="usual"):
        kernel.submit("alice", "kinds", {"inputs": {key: GIVEN[key] for key in GIVEN if key != "usual"}})
    with pytest.raises(KernelCrash, match="null"):
        kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "perhaps": None}})


def test_a_job_whose_service_died_can_be_distinguished_from_a_slow_one(make_kernel: MakeKernel) -> None:
    kernel = make_kernel("fake-waiting")
    kernel.deploy("alice", ECHO, "echo")
    job = kernel.submit("alice", "echo", {"inputs": {"message": "x"}})
    wait_for(lambda: any(update["message"] == "executing" for update in job.updates))
    state = kernel.services / ".zoo-runner" / "alice" / "jobs"
    assert FileStore(state).find_abandoned() == ()
    job.process.kill()
    job.process.wait()
    assert [record.id for record in FileStore(state).find_abandoned()] == [job.id]


def test_settings_come_from_the_environment_and_from_a_section_of_main_cfg(tmp_path: Path) -> None:
    kernel = KernelDouble(
        tmp_path / "zoo",
        environ={"ZOO_RUNNER_ENGINE": "no-such-engine"},
        sections={"zoo_runner": {"engine": "fake"}},
        engines=DOUBLES,
        python_path=SITE_PACKAGES,
    )
    kernel.deploy("alice", ECHO, "echo")
    assert run_echo(kernel).succeeded


# --- the hooks


def test_hooks_are_called_in_order_with_the_arguments_that_handlers_know(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        calls = []
        def get_namespace(self): self.calls.append("get_namespace"); return "ws-alice"
        def pre_execution_hook(self): self.calls.append("pre_execution_hook")
        def get_secrets(self): self.calls.append("get_secrets")
        def set_job_id(self, job_id): self.calls.append("set_job_id=" + job_id)
        def get_service_account(self): self.calls.append("get_service_account")
        def get_additional_parameters(self): self.calls.append("get_additional_parameters"); return {}
        def get_pod_env_vars(self): self.calls.append("get_pod_env_vars")
        def get_pod_node_selector(self): self.calls.append("get_pod_node_selector")
        def handle_outputs(self, log, output, usage_report, tool_logs):
            self.calls.append("handle_outputs")
            assert output["StacCatalogUri"].endswith("/collection.json")
            assert "[job]" in log and usage_report["steps"] == [] and tool_logs == []
        def post_execution_hook(self, log, output, usage_report, tool_logs):
            print(" ".join([*self.calls, "post_execution_hook"]))
        """)
    job = run_echo(kernel)
    assert job.succeeded, job.message
    assert job.violations == []
    order = (
        "get_namespace pre_execution_hook get_secrets set_job_id=ws-alice get_service_account"
        " get_additional_parameters get_pod_env_vars get_pod_node_selector handle_outputs post_execution_hook"
    )
    assert order in job.error_log


def test_what_a_handler_makes_of_the_results_is_what_the_client_gets(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def __init__(self, conf): super().__init__(conf=conf); self.feature_collection = None
        def post_execution_hook(self, **given): self.feature_collection = '{"id": "theirs 50%"}'
        """)
    job = run_echo(kernel)
    assert job.violations == []
    assert json.loads(job.outputs["text"]["value"]) == {"id": "theirs 50%"}


def test_a_value_of_the_handler_that_the_package_does_not_receive_is_named_in_the_log(
    make_handler: Callable[[str], KernelDouble],
) -> None:
    kernel = make_handler("""
        def get_additional_parameters(self): return {"perhaps": "canary", "large": "7"}
        """)
    kernel.deploy("alice", KINDS, "kinds")
    job = kernel.submit("alice", "kinds", {"inputs": {**GIVEN, "large": 8}}).wait()
    assert job.succeeded, job.message + job.error_log
    lines = [line for line in read_kept_log(kernel, job).splitlines() if "ZOO_RUNNER_PLATFORM_INPUTS" in line]
    assert len(lines) == 1
    assert "perhaps" in lines[0]
    assert "large" not in lines[0]
    assert "canary" not in read_kept_log(kernel, job)


def test_settings_that_a_handler_puts_into_the_environment_count(
    make_handler: Callable[[str], KernelDouble], tmp_path: Path
) -> None:
    kernel = make_handler(f"""
        def pre_execution_hook(self): os.environ["STAGEOUT_OUTPUT"] = {str(tmp_path / "bucket")!r}
        """)
    job = run_echo(kernel)
    wanted = tmp_path / "bucket" / "alice" / "processing-results" / job.id
    assert read_record(kernel, job).destination == str(wanted)


def test_a_service_written_for_the_incumbent_runs_with_its_import_changed(fake: KernelDouble) -> None:
    folder = fake.services / "alice" / "echo"
    (folder / "service.py").write_text(
        textwrap.dedent("""
        import json, pathlib, zoo
        from zoo_runner.calrissian_runner import ExecutionHandler, ZooCalrissianRunner

        class Handler(ExecutionHandler):
            def __init__(self, conf):
                super().__init__()
                self.conf = conf
                self.feature_collection = None
            def post_execution_hook(self, log, output, usage_report, tool_logs):
                self.feature_collection = json.dumps({"read": output["StacCatalogUri"]})

        def echo(conf, inputs, outputs):
            cwl = json.loads(pathlib.Path(__file__).with_name("app-package.cwl").read_text())
            handler = Handler(conf=conf)
            runner = ZooCalrissianRunner(
                cwl=cwl, conf=conf, inputs=inputs, outputs=outputs, execution_handler=handler)
            assert runner.get_namespace_name() == "echo-" + conf["lenv"]["usid"]
            assert (runner.get_max_cores(), runner.get_max_ram(), runner.get_volume_size("Gi")) == (1, "128Mi", "10Gi")
            status = runner.execute()
            if status == zoo.SERVICE_SUCCEEDED:
                outputs[list(outputs.keys())[0]]["value"] = handler.feature_collection
                return zoo.SERVICE_SUCCEEDED
            return zoo.SERVICE_FAILED
        """)
    )
    job = run_echo(fake)
    assert job.succeeded, job.message + job.error_log
    assert job.violations == []
    assert "collection.json" in json.loads(job.outputs["text"]["value"])["read"]


# --- many at once


def test_jobs_run_at_once_and_do_not_disturb_each_other(fake: KernelDouble) -> None:
    jobs = [fake.submit("alice", "echo", {"inputs": {"message": str(number)}}) for number in range(4)]
    assert all(job.wait().succeeded and not job.violations for job in jobs)


def test_the_value_of_a_secret_input_that_a_hook_prints_is_masked(
    make_handler: Callable[[str], KernelDouble], tmp_path: Path
) -> None:
    kernel = make_handler("""
        def post_execution_hook(self, **_):
            print("logged in with", self.inputs["password"]["value"])
        """)
    package, source = tmp_path / "package.cwl", PACKAGES / "features" / "secrets" / "secrets.cwl"
    # the deploy service removes namespaces
    words = {"id: secrets": "id: enter", "cwltool:Secrets:": "'http://commonwl.org/cwltool#Secrets':"}
    text = source.read_text()
    for word, other in words.items():
        text = text.replace(word, other)
    package.write_text(text)
    kernel.deploy("alice", package, "enter")
    request = {"inputs": {"password": "canary-secret-input", "user": "ada"}}
    job = kernel.submit("alice", "enter", request).wait()
    assert job.succeeded, job.message
    served = "".join(path.read_text() for path in job.temp.rglob("*") if path.is_file())
    assert "[service] logged in with *****" in served
    assert "canary-secret-input" not in served + job.message
