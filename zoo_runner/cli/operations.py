"""Commands for operators: continue a lost job, check a cluster, remove leftovers."""

import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.job_ids import job_argument
from zoo_runner.cli.show import show_checks, show_diagnosis

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.model.job import Job
    from zoo_runner.store.protocol import JobStore

ReadConfiguration = Callable[..., "Configuration"]

_engine = click.option(
    "--engine", metavar="NAME", default="calrissian", help="Engine to look at. [default: calrissian]"
)


def add_operations(cli: click.Group, read: ReadConfiguration) -> None:
    """Add the commands to the command line."""

    @cli.command()
    @job_argument
    @click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
    def reattach(job_id: str, quiet: bool) -> None:
        """Follow a job again whose caller was lost, to its end.

        Ctrl-C stops the job, as it does at `run`.
        """
        _reattach(job_id, read(), quiet)

    @cli.command()
    @_engine
    @click.option("-o", "--output", "destination", metavar="FOLDER|URL", help="Results store to check too.")
    @click.option(
        "--service", "for_service", is_flag=True, help="Read the settings as services do, and check what protects them."
    )
    @click.option("--package", metavar="PACKAGE", help="Check also that a cluster can run the steps of this package.")
    def doctor(engine: str, destination: str | None, for_service: bool, package: str | None) -> None:
        """Check an engine, and the results store, before the first job.

        With --service, also each protection from hostile packages and callers that the settings switch off.
        """
        _examine(read(engine=engine, for_service=for_service), destination, package)

    @cli.command()
    @_engine
    @click.option("--remove", is_flag=True, help="Remove what was found. [default: show it]")
    @click.option("--active", is_flag=True, help="Also what belongs to jobs that still run, and kept results.")
    def gc(engine: str, remove: bool, active: bool) -> None:
        """Find what an engine still has of jobs that this store does not know as running, and jobs that are too old.

        A job that still runs there may have lost the process that followed it, or be in another store
        (ZOO_RUNNER_STATE): it is counted, and shown or removed with --active only. So are results that wait for
        `zoo-runner publish`. Of jobs that ended more than ZOO_RUNNER_RETENTION_DAYS ago, records, logs and kept
        results are removed; stored results stay.
        """
        _collect(read(engine=engine), remove, active)

    @cli.command()
    @click.argument("folder", type=click.Path(path_type=Path))
    def template(folder: Path) -> None:
        """Write the ZOO-Project service template into a new FOLDER.

        A ZOO kernel (2.1 with DRU) renders this template once for each process that is deployed, and takes it from
        a git repository whose URL ends in .git. To set it up:

        \b
          zoo-runner template zoo-template
          sh zoo-template/publish.sh /srv/git/zoo-template.git

        Then name the repository in main.cfg, and restart the workers:

        \b
          [cookiecutter]
          templatesPath=/opt/zooservices_templates
          templateUrl=file:///srv/git/zoo-template.git
          templateBranch=main

        The rendered service has no logic of its own: to upgrade zoo-runner upgrades every deployed process.
        """
        _write_template(folder)


def _write_template(folder: Path) -> None:
    from zoo_runner.model.diagnosis import Level
    from zoo_runner.model.errors import SettingsError
    from zoo_runner.service_template import write_template

    try:
        written = write_template(folder)
    except OSError as error:
        raise SettingsError(
            f"cannot write the template into {folder}: {error.strerror or error}",
            "Give a folder that is new or empty, and that you may write to.",
            level=Level.USER,
        ) from error
    for path in written:
        click.echo(folder / path)


def _reattach(job_id: str, configuration: "Configuration", quiet: bool) -> None:
    from zoo_runner.cli.display import open_display
    from zoo_runner.cli.logs import wait_for_end
    from zoo_runner.engines import open_engine
    from zoo_runner.execution.context import open_context
    from zoo_runner.execution.execute import execute
    from zoo_runner.model.cancellation import Cancellation, cancelling_on_signals

    context = open_context(configuration)
    job = context.store.get(job_id)
    if not open_engine(job.engine, configuration).capabilities.remote:
        # no other process could follow it, and its outcome is stored when it ends
        wait_for_end(job, context.store, configuration.workspace.folders.state)
    cancellation = Cancellation(job.time_limit_seconds)
    with cancelling_on_signals(cancellation), open_display(quiet) as report:
        outcome = execute(context, job_id, report, cancellation)
    if outcome.results:
        click.echo(f"collection {outcome.results.collection_href}")
    if outcome.diagnosis:
        show_diagnosis(outcome.diagnosis)
    sys.exit(outcome.exit_code)


def _examine(configuration: "Configuration", destination: str | None, reference: str | None) -> None:
    from zoo_runner.engines import open_engine
    from zoo_runner.execution.protections import examine_protections
    from zoo_runner.model.errors import EngineError
    from zoo_runner.package.loading import load_package

    engine = open_engine(configuration.settings.engine, configuration)
    package = load_package(reference, configuration.settings) if reference else None
    sound = show_checks(chain(examine_protections(configuration), engine.check(destination, package)))
    sys.exit(0 if sound else EngineError.exit_code)


def _collect(configuration: "Configuration", remove: bool, active: bool) -> None:
    from zoo_runner.engines import open_engine
    from zoo_runner.execution.context import open_context
    from zoo_runner.execution.retention import find_expired
    from zoo_runner.model.job import FINAL
    from zoo_runner.store.protocol import JobQuery
    from zoo_runner.store.selection import iterate_jobs

    engine = open_engine(configuration.settings.engine, configuration)
    store, days = open_context(configuration).store, configuration.workspace.limits.retention_days
    # a state folder is that of one workspace, whatever its jobs call it
    jobs = list(iterate_jobs(store, JobQuery()))
    expired = [] if days is None else find_expired(jobs, days)
    found = engine.find_leftovers({job.id for job in jobs if job.status not in FINAL})
    old = {job.id for job in expired}
    chosen = [left for left in found if active or not left.active or left.job in old]
    for left in chosen:
        click.echo(f"{left.kind:<24}{left.namespace:<20}{left.name}  since {left.created}")
    if remove:
        engine.remove_leftovers(chosen)
    click.echo(f"{len(chosen)} objects {'removed' if remove else 'found; --remove removes them'}", err=True)
    if passed_over := {left.job for left in found} - {left.job for left in chosen}:
        note = f"jobs unknown to this store that still run, or whose results are kept: {len(passed_over)}"
        click.echo(f"{note}; --active takes them too", err=True)
    if days is not None:
        _collect_jobs(store, expired, days, remove)


def _collect_jobs(store: "JobStore", expired: "list[Job]", days: float, remove: bool) -> None:
    """Show, or remove, the jobs that ended longer ago than the workspace keeps them."""
    from zoo_runner.execution.retention import remove_job
    from zoo_runner.model.errors import RunnerError

    failed = 0
    for job in expired:
        click.echo(f"{'Job':<24}{job.workspace:<20}{job.id}  ended {job.finished or job.updated}")
        try:
            if remove:
                remove_job(store, job)
        except (OSError, RunnerError) as error:
            failed += 1
            click.echo(f"cannot remove job {job.id}: {error}", err=True)
    found = "removed" if remove else "found; --remove removes their records and logs"
    click.echo(f"{len(expired) - failed} jobs that ended more than {days:g} days ago {found}", err=True)
