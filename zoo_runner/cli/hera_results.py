"""The command that shows and downloads what a workflow has left."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.hera_options import configured, open_server
from zoo_runner.cli.show import print_json, print_message

if TYPE_CHECKING:
    from zoo_runner.hera.argo_server import ArgoServer, Workflow
    from zoo_runner.hera.configuration import HeraConfiguration
    from zoo_runner.hera.results.folder import Stored


def add_results(hera: click.Group) -> None:
    """Add the command to its group."""

    @hera.command()
    @configured
    @click.argument("name")
    @click.option("--download", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Download artifacts.")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="[default: text]")
    def results(configuration: "HeraConfiguration", name: str, folder: Path | None, form: str) -> None:
        """Print the output parameters, artifacts and volume claims of a workflow; download its artifacts.

        What was downloaded before and is intact is not fetched again; DIR/results.jsonl has sizes and checksums.
        """
        server = open_server(configuration)
        workflow = server.get(name)
        if form == "json":
            from zoo_runner.hera.results.listing import describe_results

            print_json(describe_results(workflow))
        else:
            show_results(workflow)
        if folder is not None:
            _download(server, workflow, folder)


def show_results(workflow: "Workflow") -> None:
    """Print the output parameters, artifacts and volume claims of a workflow."""
    from zoo_runner.hera.nodes import list_outputs
    from zoo_runner.hera.results.listing import list_artifacts, list_claims

    for name, value in list_outputs(workflow).items():
        click.echo(f"  {name} = {value}")
    for artifact in list_artifacts(workflow):
        click.echo(f"  {artifact.node}.{artifact.name}: artifact{', deleted' * artifact.deleted}")
    for claim in list_claims(workflow):
        click.echo(f"  volume claim {claim.name}: {', '.join(claim.mounts) or 'not mounted'}")


def _download(server: "ArgoServer", workflow: "Workflow", folder: Path) -> None:
    from zoo_runner.hera.results.artifacts import download_artifact
    from zoo_runner.hera.results.folder import ResultsFolder
    from zoo_runner.hera.results.listing import list_artifacts

    def show(stored: "Stored") -> None:
        print_message(f"{folder / stored.path}: {stored.size} bytes, sha256 {stored.sha256}")

    place = ResultsFolder(folder)
    for artifact in list_artifacts(workflow):
        if artifact.deleted:
            print_message(f"warning: Argo has deleted the artifact {artifact.name} of node {artifact.node}")
        else:
            download_artifact(server, str(workflow["metadata"]["name"]), artifact, place, show)
