"""The command line in one process of its own per test: what is on stdout, what on stderr, and the exit code."""

import json
import subprocess
import sys
from hashlib import sha1
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.site import Site
from tests.values import EXAMPLES, FAILING, ROOT
from zoo_runner.cli.main import EXIT_CODES, cli
from zoo_runner.model import errors

ECHO = EXAMPLES / "echo"
CANARY = "canary-on-the-command-line"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("cache"))


def test_help_shows_every_command_and_every_exit_code() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    for word in ("run", "plan", "describe", "validate", "logs", "cancel"):
        assert f"\n  {word} " in shown
    for kind in (k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.RunnerError)):
        assert f" {kind.exit_code}  " in EXIT_CODES


def test_help_does_not_load_what_it_does_not_need() -> None:
    code = "import sys; import zoo_runner.cli.main; print([m for m in sys.modules if m.split('.')[0] in sys.argv[1:]])"
    loaded = subprocess.run(
        [sys.executable, "-c", code, "cwltool", "ruamel", "pycurl", "obstore", "rich", "schema_salad", "asyncio"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["run"],
        ["run", "x", "--time-limit", "0"],
        ["run", "x", "--containers", "lxc"],
        ["run", "x", "--format", "xml"],
        ["run", "x", "--no-such-option"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2_and_says_why(site: Site, words: list[str]) -> None:
    done = site.command(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_prints_one_document_and_starts_nothing(site: Site) -> None:
    done = site.having(AWS_SECRET_ACCESS_KEY=CANARY).command("plan", ECHO / "echo.cwl", "-i", f"message={CANARY}")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["workflow"] == "echo"
    assert plan["inputs"] == {"message": "*****"}
    assert CANARY not in done.stdout + done.stderr
    assert not site.temp.exists()
    assert not site.state.exists()
    assert not list(site.folder.glob("scratch*"))
    assert not list(site.folder.glob("echo-*"))


def test_the_cwl_output_object_is_printed_as_cwl_runners_print_it(site: Site, tmp_path: Path) -> None:
    words = ("--format", "cwl", "--job-id", "as-cwl")
    done = site.command("run", ECHO / "echo.cwl", "-i", "message=a", "-o", tmp_path / "out", "-q", *words)
    assert done.returncode == 0, done.stderr
    (file,) = json.loads(done.stdout).values()
    path = Path(unquote(urlsplit(file["location"]).path))
    assert (file["class"], file["basename"], file["size"]) == ("File", path.name, path.stat().st_size)
    assert file["checksum"] == f"sha1${sha1(path.read_bytes()).hexdigest()}"
    assert site.command("results", "as-cwl", "--format", "cwl").stdout == done.stdout


def test_a_package_is_described_and_validated_as_json(site: Site) -> None:
    described = site.command("describe", ECHO / "echo.cwl")
    assert described.returncode == 0, described.stderr
    assert json.loads(described.stdout)["id"] == "echo"
    validated = site.command("validate", ECHO / "echo.cwl", "--format", "json")
    assert validated.returncode == 0, validated.stderr
    assert isinstance(json.loads(validated.stdout), list)


@pytest.mark.parametrize("words", [["logs", "none"], ["logs", "-f", "none"], ["logs", "../x"], ["cancel", "none"]])
def test_an_unknown_job_is_exit_code_11(site: Site, words: list[str]) -> None:
    done = site.command(*words)
    assert done.returncode == 11
    assert "what to do: " in done.stderr
    assert done.stdout == ""


def test_the_doctor_examines_this_machine_for_the_local_engine(site: Site) -> None:
    done = site.command("doctor", "--engine", "local", "-o", site.results)
    lines = [line.split(":")[0].split(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith("  ")]
    assert [about for _, about in lines] == ["containers", "JavaScript", "scratch folder", "results store"]
    assert ("BAD" in done.stdout) == (done.returncode == 7)


def test_the_doctor_reads_settings_as_services_do_where_it_is_asked_to(site: Site) -> None:
    done = site.having(STAGEIN_ALLOW_PRIVATE="true").command("doctor", "--engine", "local", "--service")
    assert done.returncode == 7
    assert "code: protection.private-hosts)" in done.stdout
    assert "code: protection.isolation)" in done.stdout


@pytest.mark.parametrize("variable", ["ZOO_RUNNER_TEMP", "ZOO_RUNNER_STATE", "ZOO_RUNNER_CACHE", "ZOO_RUNNER_SCRATCH"])
def test_a_folder_that_cannot_be_used_is_a_matter_of_settings(site: Site, tmp_path: Path, variable: str) -> None:
    (tmp_path / "file").write_text("")
    done = site.having(**{variable: str(tmp_path / "file" / "x")}).command(
        "run", ECHO / "echo.cwl", ECHO / "inputs.yml", "-o", tmp_path / "out", "--format", "json"
    )
    assert done.returncode == 2, done.stderr
    diagnosis = json.loads(done.stdout)["diagnosis"]
    assert variable in diagnosis["remedy"]
    assert "Not a directory" in diagnosis["cause"]


def test_an_interrupt_before_the_job_is_reported_in_one_line(tmp_path: Path) -> None:
    code = (
        "import signal, zoo_runner.cli.main as c\n"
        "@c.cli.command()\n"
        "def stuck():\n    signal.raise_signal(signal.SIGINT)\n"
        # a program that tests in the background start would ignore it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "stuck"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr.strip()) == (130, "stopped before anything was done")


WHILE_READ = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, {handler})
from zoo_runner.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("handler", "code", "reported"),
    [
        ("signal.default_int_handler", 130, "stopped before anything was done\n"),
        ("signal.SIG_IGN", 0, ""),  # as a shell has it for what runs in the background
    ],
)
def test_an_interrupt_while_the_program_is_read_is_reported_in_one_line(
    handler: str, code: int, reported: str, site: Site
) -> None:
    words = [sys.executable, "-c", WHILE_READ.format(handler=handler), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, env=site.environ, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, reported)


def test_an_internal_error_is_reported_without_a_traceback(tmp_path: Path) -> None:
    code = "import zoo_runner.cli.main as c\n@c.cli.command()\ndef broken():\n    1 / 0\nc.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "broken"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "internal error: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_failure(site: Site) -> None:
    with site.started("describe", ECHO / "echo.cwl") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
        assert process.wait() in (0, 1)


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None, max_examples=100)
@given(
    command=st.sampled_from(["plan", "describe", "validate", "logs", "cancel"]),
    words=st.lists(WORDS | st.sampled_from([str(ECHO / "echo.cwl"), "-i", "a=b", "--format", "-f"]), max_size=4),
)
def test_no_command_line_ends_in_anything_but_a_result_or_a_message(
    tmp_path_factory: pytest.TempPathFactory, command: str, words: list[str]
) -> None:
    environ = {**Site(tmp_path_factory.getbasetemp() / "hostile", tmp_path_factory.getbasetemp() / "packed").environ}
    result = CliRunner().invoke(cli, [command, *words], env=environ)
    error = result.exception
    assert error is None or isinstance(error, SystemExit | errors.RunnerError), (words, error)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_each_shell_is_printed(shell: str, site: Site) -> None:
    done = site.command("completion", shell)
    assert done.returncode == 0, done.stderr
    assert "_ZOO_RUNNER_COMPLETE" in done.stdout


def test_the_shell_completes_commands_and_options(site: Site) -> None:
    ask = {"_ZOO_RUNNER_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "zoo-runner des"}
    assert site.having(**ask).command().stdout.split() == ["plain,describe"]
    ask = {"_ZOO_RUNNER_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": "zoo-runner run --job"}
    assert site.having(**ask).command().stdout.split() == ["plain,--job-id"]


@pytest.fixture(scope="module")
def ended(site: Site) -> dict[str, int]:
    """Exit codes of two jobs that have ended, by id."""
    good = site.command("run", ECHO / "echo.cwl", "--job-id", "good", "-o", site.folder / "good")
    bad = site.command("run", FAILING / "tool-exit-code" / "tool-exit-code.cwl", "--job-id", "bad")
    return {"good": good.returncode, "bad": bad.returncode}


def test_jobs_are_listed_newest_first_and_by_status(site: Site, ended: dict[str, int]) -> None:
    listed = json.loads(site.command("jobs", "--format", "json").stdout)
    assert [one["jobID"] for one in listed if one["jobID"] in ended] == ["bad", "good"]
    failed = site.command("jobs", "--status", "failed")
    assert "bad " in failed.stdout
    assert "good " not in failed.stdout


def test_a_job_is_shown_with_its_places_and_its_end(site: Site, ended: dict[str, int]) -> None:
    shown = json.loads(site.command("show", "bad", "--format", "json").stdout)
    assert (shown["status"], shown["diagnosis"]["stage"]) == ("failed", "execute")
    assert Path(shown["log"]).is_file()
    text = site.command("show", "good")
    assert "successful" in text.stdout
    assert "message.txt" in text.stdout


def test_a_job_that_has_ended_is_diagnosed_from_its_record_without_a_cluster(site: Site, ended: dict[str, int]) -> None:
    failed = site.command("diagnose", "bad", "--format", "json")
    found = json.loads(failed.stdout)
    assert (failed.returncode, found["state"]) == (7, "failed")
    assert (found["diagnoses"][0]["code"], found["diagnoses"][0]["level"]) == ("step.exit-code", "user")
    succeeded = site.command("diagnose", "good")
    assert (succeeded.returncode, "succeeded" in succeeded.stdout) == (0, True)


def test_the_results_of_a_job_are_printed_again_with_its_exit_code(site: Site, ended: dict[str, int]) -> None:
    assert ended == {"good": 0, "bad": 6}
    for job, code in ended.items():
        assert site.command("results", job).returncode == code
    document = json.loads(site.command("results", "good", "--format", "json").stdout)
    assert document["results"]["text"]["href"].endswith("message.txt")
    assert site.command("results", "nobody").returncode == 11


def test_the_shell_completes_the_ids_of_jobs(site: Site) -> None:
    for name in ("first", "second", "third"):
        site.run(site.accept(ECHO / "echo.cwl", job_id=f"{name}-job"))
    asking = site.having(_ZOO_RUNNER_COMPLETE="bash_complete", COMP_WORDS="zoo-runner show s", COMP_CWORD="2")
    assert complete(asking) == ["plain,second-job"]
    every = complete(asking.having(COMP_WORDS="zoo-runner results "))
    assert every[:3] == ["plain,third-job", "plain,second-job", "plain,first-job"]
    elsewhere = asking.having(ZOO_RUNNER_STATE=str(site.folder / "nothing-here"))
    assert complete(elsewhere) == []


def complete(site: Site) -> list[str]:
    program = Path(sys.executable).with_name("zoo-runner")
    done = subprocess.run([program], env=site.environ, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.split()
