"""Commands that repeat a job that has ended, continue it where it failed, or repeat its last stage."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from zoo_runner.cli.job_ids import job_argument
from zoo_runner.cli.options import CONTAINERS, ISOLATION, TIME_LIMIT
from zoo_runner.cli.running import run_draft
from zoo_runner.cli.show import print_message, show_outcome

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.engines.protocol import JobSpec
    from zoo_runner.model.job import Job

_KEPT = {"containers": "ZOO_RUNNER_CONTAINERS", "isolation": "ZOO_RUNNER_ISOLATION"}
# what a job has that chose nothing: the settings of now may protect more
_USUAL = ("auto", "trusted")

_format = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: one document on stdout."
)


def add_rerun(cli: click.Group, read: "Callable[..., Configuration]") -> None:
    """Add the commands to the command line."""

    @cli.command()
    @job_argument
    @click.option("-i", "--input", "words", multiple=True, metavar="NAME=VALUE", help="Change one input; repeatable.")
    @click.option("-o", "--output", "destination", metavar="FOLDER|URL", help="[default: ./<workflow-id>-<new job id>]")
    @click.option("--engine", metavar="NAME", help="[default: that of the job]")
    @click.option("--containers", type=CONTAINERS, help="Containers of the local engine. [default: those of the job]")
    @click.option("--isolation", type=ISOLATION, help="Local engine. [default: isolated, if the job was]")
    @click.option("--time-limit", type=TIME_LIMIT, metavar="SECONDS", help="[default: that of the job]")
    @click.option("--job-id", "new_id", metavar="ID", help="Id for the copy. [default: a random UUID]")
    @_format
    @click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
    def rerun(  # noqa: PLR0913, PLR0917 click gives each option by its name
        job_id: str,
        words: tuple[str, ...],
        destination: str | None,
        engine: str | None,
        containers: str | None,
        isolation: str | None,
        time_limit: float | None,
        new_id: str | None,
        form: str,
        quiet: bool,
    ) -> None:
        """Run a job again, as a new job, with the same package and inputs, or with some changed.

        \b
        Example:
          zoo-runner rerun 7f3c… -i threshold=0.3
        """
        job = _find(job_id, read())
        configuration = read_for_copy(job, read, engine, containers, isolation, time_limit)
        run_draft(_redraft(job, configuration, words, destination, new_id), configuration, form, quiet)

    @cli.command()
    @job_argument
    @click.option("--package", metavar="PACKAGE", help="An edited package. [default: that of the job]")
    @click.option("-i", "--input", "words", multiple=True, metavar="NAME=VALUE", help="Change one input; repeatable.")
    @click.option("--memory", multiple=True, metavar="STEP=AMOUNT", help="Memory of a step, such as 4Gi; repeatable.")
    @click.option("-o", "--output", "destination", metavar="FOLDER|URL", help="[default: that of the job]")
    @click.option("--job-id", "new_id", metavar="ID", help="Id for the new job. [default: a random UUID]")
    @_format
    @click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
    def retry(  # noqa: PLR0913, PLR0917 click gives each option by its name
        job_id: str,
        package: str | None,
        words: tuple[str, ...],
        memory: tuple[str, ...],
        destination: str | None,
        new_id: str | None,
        form: str,
        quiet: bool,
    ) -> None:
        """Continue a failed job, as a new job: only what failed, was not run yet, or is changed is run.

        Of the engine argo-native, and as long as the volume of the failed job is kept (ZOO_RUNNER_KEPT_HOURS).

        \b
        Examples:
          zoo-runner retry 7f3c… --memory mosaic=8Gi
          zoo-runner retry 7f3c… --package corrected.cwl
        """
        configuration = read_for_copy(_find(job_id, read()), read)
        draft = _continue(job_id, configuration, package, (words, memory, destination, new_id))
        run_draft(draft, configuration, form, quiet)

    @cli.command()
    @job_argument
    @click.option("-o", "--output", "destination", metavar="FOLDER|URL", help="[default: that of the job]")
    @_format
    @click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
    def publish(job_id: str, destination: str | None, form: str, quiet: bool) -> None:
        """Store the results of a job whose results could not be stored at its end.

        The engine `local` keeps them until this succeeds, or `gc --remove --active` removes them.
        """
        _publish(read(), job_id, destination, form, quiet)


def _find(job_id: str, configuration: "Configuration") -> "Job":
    from zoo_runner.store.files import FileStore

    return FileStore(configuration.workspace.folders.state).get(job_id)


def read_for_copy(
    job: "Job",
    read: "Callable[..., Configuration]",
    engine: str | None = None,
    containers: str | None = None,
    isolation: str | None = None,
    time_limit: float | None = None,
) -> "Configuration":
    """Read the configuration of a copy, which is protected as the job was: weaker only where that is asked for."""
    kept = job.settings or {}
    known = {name: kept[variable] for name, variable in _KEPT.items() if kept.get(variable) not in (None, *_USUAL)}
    configuration = read(
        engine=engine or job.engine,
        containers=containers or known.get("containers"),
        isolation=isolation or known.get("isolation"),
        time_limit=time_limit or job.time_limit_seconds,
    )
    settings = configuration.settings
    if job.settings is None and isolation is None and (settings.engine, settings.isolation) == ("local", "trusted"):
        print_message(f"warning: it is not known whether job {job.id} ran isolated; this one does not (--isolation)")
    return configuration


def _redraft(
    job: "Job", configuration: "Configuration", words: tuple[str, ...], destination: str | None, new_id: str | None
) -> "JobSpec":
    from zoo_runner.execution.accept import draft_job
    from zoo_runner.inputs.job_file import read_changed_order
    from zoo_runner.store.files import FileStore

    workspace = configuration.workspace
    package = FileStore(workspace.folders.state).load_package(job.package)
    order = read_changed_order(package, job.inputs, job.secret_inputs, words)
    return draft_job(
        package, order.values, lambda paths: destination or str(Path.cwd() / paths.log_folder.name), workspace, new_id
    )


def _continue(
    job_id: str,
    configuration: "Configuration",
    reference: str | None,
    given: tuple[tuple[str, ...], tuple[str, ...], str | None, str | None],
) -> "JobSpec":
    from zoo_runner.execution.context import open_context
    from zoo_runner.execution.retry import Changes, draft_retry
    from zoo_runner.package.loading import load_package

    words, memory, destination, new_id = given
    context = open_context(configuration)
    package = load_package(reference, configuration.settings) if reference else None
    changes = Changes(package, words, memory, destination)
    return draft_retry(context, context.store.get(job_id), changes, configuration.workspace, new_id)


def _publish(configuration: "Configuration", job_id: str, destination: str | None, form: str, quiet: bool) -> NoReturn:
    from zoo_runner.cli.display import open_display
    from zoo_runner.execution.context import open_context
    from zoo_runner.execution.kept_results import publish_kept
    from zoo_runner.model.cancellation import Cancellation, cancelling_on_signals

    context, cancellation = open_context(configuration), Cancellation(None)
    with cancelling_on_signals(cancellation), open_display(quiet) as report:
        outcome = publish_kept(context, job_id, destination, report, cancellation)
    show_outcome(context.store.get(job_id), outcome, form)
    sys.exit(outcome.exit_code)
