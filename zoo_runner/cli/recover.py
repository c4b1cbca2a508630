"""The command `recover`: lists jobs again whose database is lost, from what lies beside their results."""

import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.show import print_json, print_message

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.server.recovery.report import Report

_NOT_ALL = 7


def add_recover(cli: click.Group, read: "Callable[..., Configuration]") -> None:
    """Add the command to the command line."""

    @cli.command()
    @click.argument("address")
    @click.option("--database", metavar="URL", help="Where jobs are listed again. [default: ZOO_RUNNER_DATABASE]")
    @click.option("--workspace", metavar="NAME", help="List all that is found as jobs of this workspace.")
    @click.option("--dry-run", "dry", is_flag=True, help="Say what would be recovered; write nothing.")
    @click.option("--records-only", is_flag=True, help="Leave logs in the bucket.")
    @click.option("--processes", is_flag=True, help="Deploy again what the jobs ran, where nothing has that id.")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Form of the report.")
    def recover(
        address: str,
        database: str | None,
        workspace: str | None,
        dry: bool,
        records_only: bool,
        processes: bool,
        form: str,
    ) -> None:
        """List jobs again after the database is lost, from the bucket of their results.

        ADDRESS is that of the results, such as s3://results or s3://results/prefix, as in STAGEOUT_OUTPUT; the
        credentials are those of stage-out. Beside the logs of each job that has ended lies its record. A job that is
        listed already stays as it is: the command may be repeated, and a server may run meanwhile. A record is taken
        only where the settings store the results of its workspace, or with --workspace. Exit code 7 where records
        were left out.

        \b
        zoo-runner recover s3://results --dry-run
        zoo-runner recover s3://results
        """
        from zoo_runner.config.extras import extra
        from zoo_runner.config.server import load_server_settings

        with extra("fastapi"), extra("sqlalchemy"):
            from zoo_runner.server.installation import open_store
            from zoo_runner.server.recovery.recover import Wanted, recover_jobs

        settings, configuration = load_server_settings(dict(os.environ)), read(for_service=True)  # noqa: TID251
        if database:
            settings = replace(settings, database=database)
        with closing(open_store(settings, configuration)) as store:
            wanted = Wanted(address, workspace, dry, not records_only, processes and not dry)
            report = recover_jobs(store, settings, configuration, wanted)
        if form == "json":
            print_json(report.describe())
        else:
            _show(report)
        sys.exit(_NOT_ALL if report.refused else 0)


def _show(report: "Report") -> None:
    for finding in report.findings:
        print_message(f"{finding.severity}: {finding.place}: {finding.message} ({finding.code})\n  {finding.remedy}")
    if report.findings_left_out:
        print_message(f"and {report.findings_left_out} more")
    for workspace, count in sorted(report.workspaces.items()):
        click.echo(f"{workspace}: {count} jobs")
    done = "would be recovered" if report.dry else "recovered"
    click.echo(
        f"{report.found} records found: {report.recovered} jobs {done}, {report.known} listed before,"
        f" {report.refused} left out; {report.logs} logs fetched, {report.processes} processes deployed"
    )
