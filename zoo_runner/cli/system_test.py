"""The command `system-test`: uses a deployment as clients do, and says what does not work."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.show import print_json_line

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration

_NOT_ALL = 7
_MARK = "{workspace}"


def _name_workspaces(url: str, other_url: str, workspace: str, other_workspace: str) -> tuple[str, str]:
    """Return both addresses with the names of their workspaces; the other one may differ by its name only."""
    url = url.rstrip("/")
    other_url = other_url or (url if other_workspace and _MARK in url else "")
    if (_MARK in url and not workspace) or (_MARK in other_url and not other_workspace):
        raise click.UsageError(f"{_MARK} in an address needs --workspace, or --other-workspace, with its name")
    return url.replace(_MARK, workspace), other_url.replace(_MARK, other_workspace)


def add_system_test(cli: click.Group, read: "Callable[..., Configuration]") -> None:
    """Add the command to the command line."""

    @cli.command("system-test")
    @click.argument("url")
    @click.option("--token-file", default="", metavar="FILE", help="Bearer token of a member of the workspace.")
    @click.option("--other-url", default="", metavar="URL", help="The API of another workspace, for isolation.")
    @click.option("--other-token-file", default="", metavar="FILE", help="Bearer token of a member of that one.")
    @click.option(
        "--workspace", default="", metavar="NAME", help="What {workspace} in URL is. [default: its last part]"
    )
    @click.option("--other-workspace", default="", metavar="NAME", help="What it is in the URL of the other workspace.")
    @click.option(
        "--access",
        default="",
        metavar="ADDRESS",
        help="Where the server reads access documents: publish there a while.",
    )
    @click.option("--image", help="Container image of the test packages. [default: that of the deployment]")
    @click.option("--backup", type=click.Path(path_type=Path), help="A back-up, or the folder of them: how old is it?")
    @click.option("--backup-hours", type=float, default=26, show_default=True, help="How old a back-up may be.")
    @click.option(
        "--longest", type=float, default=300, show_default=True, metavar="SECONDS", help="How long a job may take."
    )
    @click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report to this file.")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a line a check.")
    def system_test(  # noqa: PLR0913, PLR0917 the options of the command
        url: str,
        token_file: str,
        other_url: str,
        other_token_file: str,
        workspace: str,
        other_workspace: str,
        access: str,
        image: str | None,
        backup: Path | None,
        backup_hours: float,
        longest: float,
        junit: Path | None,
        form: str,
    ) -> None:
        """Test the deployment at URL: deploy, run, results, logs, a failure, dismissal, isolation, access, back-up.

        URL is the API of one workspace, also with {workspace} for its name; of `zoo-runner serve` or of another server
        of OGC API - Processes with Part 2, such as ZOO. Three small packages are deployed, and removed at the end. Exit
        code 7 where a check fails.

        \b
        zoo-runner system-test https://hub.example.org/api/catalogs/user/catalogs/forest \\
          --token-file forest.token --other-url https://hub.example.org/api/catalogs/user/catalogs/sea \\
          --other-token-file sea.token --junit report.xml
        """
        from secrets import token_hex

        from zoo_runner.api_client import ApiClient, read_token
        from zoo_runner.files import write_atomically
        from zoo_runner.model.codec import to_plain
        from zoo_runner.system_test.checks import Subject, run_checks
        from zoo_runner.system_test.publishing import Publisher
        from zoo_runner.system_test.report import Verdict, build_junit, format_finding, format_summary

        configuration = read()
        proxies = configuration.settings.proxies
        base, other_url = _name_workspaces(url, other_url, workspace, other_workspace)
        token, other_token = (read_token(file, "settings.invalid") for file in (token_file, other_token_file))
        has_other = bool(other_url or other_token)
        subject = Subject(
            ApiClient(base, token, proxies),
            base,
            token_hex(4),
            longest,
            bool(token),
            image,
            ApiClient(other_url or base, other_token, proxies) if has_other else None,
            ApiClient(base, other_token, proxies) if has_other else None,
            backup,
            backup_hours,
            Publisher(access, configuration.workspace.storage, workspace or base.rpartition("/")[2])
            if access
            else None,
        )
        findings = []
        for finding in run_checks(subject):
            findings.append(finding)
            if form == "json":
                print_json_line(to_plain(finding))
            else:
                click.echo(format_finding(finding))
        if form == "text":
            click.echo(format_summary(base, findings))
        if junit:
            write_atomically(junit, build_junit(base, findings))
        sys.exit(_NOT_ALL if any(one.verdict is Verdict.FAILED for one in findings) else 0)
