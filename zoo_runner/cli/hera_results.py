"""The command that shows and downloads what a workflow has left."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo_runner.cli.hera_options import configured, open_server
from zoo_runner.cli.show import print_json, print_message

if TYPE_CHECKING:
    from zoo_runner.engines.argo.results.folder import Stored
    from zoo_runner.hera.argo_server import ArgoServer, Workflow
    from zoo_runner.hera.configuration import HeraConfiguration


def add_results(hera: click.Group) -> None:
    """Add the command to its group."""

    @hera.command()
    @configured
    @click.argument("name")
    @click.option("--download", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Download artifacts.")
    @click.option(
        "--files",
        "paths",
        multiple=True,
        metavar="PATH",
        help="Download from the volume too, a file or a whole folder; repeatable.",
    )
    @click.option(
        "--by-pod",
        is_flag=True,
        help="Read artifacts through a pod that Argo gives them: a download that broke goes on where it broke.",
    )
    @click.option("--claim", default="", help="Volume claim of --files. [default: the one that the workflow mounts]")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="[default: text]")
    def results(
        configuration: "HeraConfiguration",
        name: str,
        folder: Path | None,
        paths: tuple[str, ...],
        by_pod: bool,
        claim: str,
        form: str,
    ) -> None:
        """Print the output parameters, artifacts and volume claims of a workflow; download artifacts and files.

        PATH is one as the workflow's containers see it (/mnt/data/out), or a relative one on the volume. What was
        downloaded before and is intact is not fetched again; DIR/results.jsonl has sizes and checksums.
        """
        if paths and folder is None:
            raise click.UsageError("--files needs --download DIR")
        if by_pod and folder is None:
            raise click.UsageError("--by-pod needs --download DIR")
        server = open_server(configuration)
        workflow = server.get(name)
        if form == "json":
            from zoo_runner.hera.results.listing import describe_results

            print_json(describe_results(workflow))
        else:
            show_results(workflow)
        if folder is not None:
            _download(server, workflow, folder, configuration if by_pod else None)
            _download_files(configuration, workflow, folder, paths, claim)


def show_results(workflow: "Workflow") -> None:
    """Print the output parameters, artifacts and volume claims of a workflow."""
    from zoo_runner.engines.argo.results.listing import list_artifacts
    from zoo_runner.hera.nodes import list_outputs
    from zoo_runner.hera.results.listing import list_claims

    for name, value in list_outputs(workflow).items():
        click.echo(f"  {name} = {value}")
    for artifact in list_artifacts(workflow):
        click.echo(f"  {artifact.node}.{artifact.name}: artifact{', deleted' * artifact.deleted}")
    for claim in list_claims(workflow):
        click.echo(f"  volume claim {claim.name}: {', '.join(mount.path for mount in claim.mounts) or 'not mounted'}")


def _download(server: "ArgoServer", workflow: "Workflow", folder: Path, by_pod: "HeraConfiguration | None") -> None:
    """Download the artifacts through the Argo server, or through a pod of the cluster of a configuration."""
    from zoo_runner.engines.argo.results.download import download_artifact
    from zoo_runner.engines.argo.results.folder import ResultsFolder
    from zoo_runner.engines.argo.results.listing import list_artifacts

    place = ResultsFolder(folder)
    for artifact in list_artifacts(workflow):
        if artifact.deleted:
            print_message(f"warning: Argo has deleted the artifact {artifact.name} of node {artifact.node}")
        elif by_pod is not None:
            from zoo_runner.hera.results.artifact_pod import download_by_pod, find_artifact_pod
            from zoo_runner.hera.tokens import open_cluster

            pod = find_artifact_pod(workflow, artifact, by_pod.get("KUBE_RESULTS_IMAGE"))
            download_by_pod(server, open_cluster(by_pod), pod, place, partial(_show, folder))
        else:
            download_artifact(server, str(workflow["metadata"]["name"]), artifact, place, partial(_show, folder))


def _download_files(
    configuration: "HeraConfiguration", workflow: "Workflow", folder: Path, paths: tuple[str, ...], claim: str
) -> None:
    from zoo_runner.engines.argo.results.folder import ResultsFolder
    from zoo_runner.hera.results.listing import choose_claim, find_security
    from zoo_runner.hera.results.reader_pod import ReaderPod
    from zoo_runner.hera.results.volume import download_files
    from zoo_runner.hera.tokens import open_cluster

    if not paths:
        return
    chosen = choose_claim(workflow, claim)
    found = [chosen.find_path(path) for path in paths]
    reader = ReaderPod(
        str(workflow["metadata"]["namespace"]),
        chosen.name,
        configuration.get("KUBE_RESULTS_IMAGE"),
        configuration.get("ARGO_SERVICE_ACCOUNT"),
        find_security(workflow),
    )
    download_files(open_cluster(configuration), reader, found, ResultsFolder(folder), partial(_show, folder))


def _show(folder: Path, stored: "Stored") -> None:
    print_message(f"{folder / stored.path}: {stored.size} bytes, sha256 {stored.sha256}")
