"""The command line: parse, call one library function, show the result."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from zoo_runner.cli.access import add_access
from zoo_runner.cli.completion import add_completion
from zoo_runner.cli.credentials import add_credentials
from zoo_runner.cli.diagnose import add_diagnose
from zoo_runner.cli.harvest import add_harvest
from zoo_runner.cli.hera import add_hera
from zoo_runner.cli.ingest import add_ingest
from zoo_runner.cli.interrupt import stop
from zoo_runner.cli.job_ids import job_argument
from zoo_runner.cli.jobs import add_jobs
from zoo_runner.cli.operations import add_operations
from zoo_runner.cli.options import RunOptions, add_run_options, read_configuration
from zoo_runner.cli.recover import add_recover
from zoo_runner.cli.rerun import add_rerun
from zoo_runner.cli.running import run_draft
from zoo_runner.cli.serve import add_server
from zoo_runner.cli.show import print_json, print_message, print_objects, read_version, show_failure
from zoo_runner.cli.system_test import add_system_test
from zoo_runner.model.errors import RunnerError
from zoo_staging.command import end_with

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.engines.protocol import JobSpec

EXIT_CODES = """
\b
Exit codes:
   0  success                        6  a step of the package failed
   1  internal error                 7  the engine failed
   2  command line or setting        8  results could not be stored
   3  package cannot be used         9  time limit
   4  inputs do not fit             10  dismissed
   5  a source could not be read    11  no such job
                                   130  Ctrl-C before there was a job
"""

_package = click.argument("package")
_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "cwl"]),
    default="text",
    help="json: one document on stdout; cwl: the CWL output object, as CWL runners print it. [default: text]",
)


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="zoo-runner")
def cli() -> None:
    """Run Earth-observation application packages (CWL) near the data.

    PACKAGE is a path or URL of a CWL document, with #ID where it holds several workflows. JOB_FILE holds the
    inputs: a CWL job file (YAML or JSON), or an OGC API - Processes execute request.

    \b
    Try it:
      zoo-runner describe examples/water/water.cwl
      zoo-runner run examples/water/water.cwl examples/water/inputs.yml -o water-results
      zoo-runner logs <job id>
    """


@cli.command()
@add_run_options
@_format
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def run(options: RunOptions, form: str, quiet: bool) -> None:
    """Run a package: stage the inputs in, execute, stage the results out.

    Ctrl-C stops the job, wherever it runs; its logs stay.
    """
    configuration = read_configuration(options.engine, options.containers, options.time_limit, options.isolation)
    run_draft(_draft(options, configuration), configuration, form, quiet)


@cli.command()
@add_run_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "yaml"]),
    default="json",
    help="json: the whole plan; yaml: the objects that an engine on a cluster submits, one document each.",
)
def plan(options: RunOptions, form: str) -> None:
    """Print what `run` would submit; nothing is started."""
    from zoo_runner.engines import choose_engine, open_engine
    from zoo_runner.model.masking import Masker

    configuration = read_configuration(options.engine, options.containers, options.time_limit, options.isolation)
    draft = _draft(options, configuration)
    engine = choose_engine(draft.package, configuration.settings.engine)
    described = open_engine(engine, configuration).plan(draft).describe()
    masked = Masker([*configuration.workspace.secrets, *draft.secrets]).mask_data(described)
    if form == "json":
        print_json(masked)
    else:
        print_objects(masked["submission"], engine)


@cli.command()
@_package
def describe(package: str) -> None:
    """Print the process description of a package (OGC API - Processes)."""
    from zoo_runner.package.describe import build_description
    from zoo_runner.package.loading import load_package

    print_json(build_description(load_package(package, read_configuration().settings)))


@cli.command()
@_package
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    help="json: a list of findings; sarif: SARIF 2.1.0, for code hosts and editors. [default: text]",
)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
def validate(package: str, form: str, strict: bool) -> None:
    """Check a package: CWL, the OGC Best Practice for application packages (20-089), platform rules.

    Exit code 0: it can be used; 3: there is an error, or with --strict a warning.
    """
    from dataclasses import asdict

    from zoo_runner.engines.cwl_process.script_faults import find_script_faults
    from zoo_runner.inputs.inspection import inspect_package
    from zoo_runner.model.errors import PackageError
    from zoo_runner.package.findings import build_sarif, format_findings

    findings = inspect_package(package, read_configuration().settings, find_faults=find_script_faults)
    if form == "json":
        print_json([asdict(finding) for finding in findings])
    elif form == "sarif":
        print_json(build_sarif(findings, read_version()))
    else:
        click.echo(format_findings(findings))
    if any(finding.severity in ("error", "warning" if strict else "error") for finding in findings):
        sys.exit(PackageError.exit_code)


@cli.command()
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.option("--step", metavar="NAME", help="Only this step's log: a step's name, node_stage_in or node_stage_out.")
def logs(job_id: str, follow: bool, step: str | None) -> None:
    """Print the log of a job, or of one of its steps."""
    from zoo_runner.cli.logs import follow_log, list_steps
    from zoo_runner.store.files import FileStore

    state = read_configuration().workspace.folders.state
    store = FileStore(state)
    try:
        for line in follow_log(job_id, step, follow, store, state):
            click.echo(line, nl=False)
    except FileNotFoundError as error:
        from zoo_runner.model.errors import JobNotFoundError

        raise JobNotFoundError(
            f"job {job_id} has no log {step or ''!r} here: {error.filename}",
            f"Steps with a log: {', '.join(list_steps(job_id, store)) or 'none'}.",
        ) from error


@cli.command()
@job_argument
def cancel(job_id: str) -> None:
    """Stop a running job; its logs stay."""
    from zoo_runner.execution.context import open_context
    from zoo_runner.execution.recover import cancel as cancel_job
    from zoo_runner.model.job import FINAL

    context = open_context(read_configuration())
    job = context.store.get(job_id)
    if job.status in FINAL:
        print_message(f"job {job_id} has already ended ({job.status}): nothing to stop")
        return
    cancel_job(context, job_id)
    print_message(f"job {job_id} was asked to stop")


add_operations(cli, read_configuration)
add_diagnose(cli, read_configuration)
add_jobs(cli, read_configuration)
add_rerun(cli, read_configuration)
add_ingest(cli, read_configuration)
add_harvest(cli, read_configuration)
add_system_test(cli, read_configuration)
add_completion(cli)
add_server(cli, read_configuration)
add_access(cli, read_configuration)
add_recover(cli, read_configuration)
add_credentials(cli, read_configuration)
add_hera(cli)


def main() -> NoReturn:
    """Entry point: run a command, and end the process with its exit code."""
    end_with(_run_command)


def _run_command() -> None:
    """Every error ends here as a message and an exit code."""
    try:
        code = cli(prog_name="zoo-runner", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        stop()
    except RunnerError as error:
        show_failure(error, _asked_form())
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 the entry point: no traceback reaches a user
        from zoo_runner.model.outcomes import build_defect

        show_failure(build_defect(error), _asked_form())
        sys.exit(1)
    sys.exit(code)


def _asked_form() -> str:
    """Return the output format of the failed command, whose context is gone by now."""
    words = sys.argv[1:]
    return "json" if "--format=json" in words or ("--format", "json") in pairwise(words) else "text"


def _draft(options: RunOptions, configuration: "Configuration") -> "JobSpec":
    from zoo_runner.execution.accept import draft_job
    from zoo_runner.inputs.job_file import read_order
    from zoo_runner.package.loading import load_package

    package = load_package(options.package, configuration.settings)
    order = read_order(package, options.job_file, options.words, configuration.settings, strict=options.strict)
    for problem in order.warnings:
        print_message(f"warning: {problem}")
    return draft_job(
        order.package,
        order.values,
        lambda paths: options.destination or str(Path.cwd() / paths.log_folder.name),
        configuration.workspace,
        options.job_id,
    )
