"""The `stageout` command: parse, call the library once, say how it went."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from stageout.settings import Settings, load_options, read_environ
from staging.errors import Kind, StagingError
from staging.progress import Transferred

HELP = """Put the results of a CWL run into a bucket or a folder, as STAC.

\b
Give the output object that the CWL runner printed, or folders and files:
  stageout --outputs outputs.json --destination s3://bucket/results/job-7
  stageout ./my-results ./chart.png --destination ./published

A folder with a STAC catalog (catalog.json) is uploaded with its links made
right. Other files and folders get a STAC Item. All items are linked from
<destination>/collection.json, which is written last.

\b
Settings, from the environment:
  STAGEOUT_AWS_SERVICEURL         S3 endpoint (default: AWS)
  STAGEOUT_AWS_REGION             region (default: us-east-1)
  STAGEOUT_AWS_ACCESS_KEY_ID      key; without one requests are not signed
  STAGEOUT_AWS_SECRET_ACCESS_KEY  its secret
  STAGEOUT_AWS_SESSION_TOKEN      session token, where keys are temporary
  STAGEOUT_OUTPUT                 destination when --destination is not given
  STAGEOUT_PUBLIC_URL             links read <this>/<key> instead of s3://

\b
Prints one JSON document on stdout; progress and errors go to stderr.
Exit codes: 0 done, 1 results could not be staged out, 2 wrong use.
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--outputs", type=click.File("rb"), help="CWL output object (JSON); - for stdin.")
@click.option("--destination", metavar="URL|FOLDER", help="s3://bucket/prefix or a folder.")
@click.option("--job-id", help="Job that made the results; default: a new one.")
@click.option("--workflow-id", default="workflow", show_default=True, help="Workflow that made them.")
@click.option("--check", is_flag=True, help="Only see whether the destination can be written.")
@click.option("--format", "form", type=click.Choice(["json", "cwl"]), default="json", help="What to print.")
def main(**given: Any) -> None:
    """Run the command; `HELP` is its text."""
    settings = load_options(read_environ(), given["job_id"] or uuid4().hex, given["workflow_id"])
    destination = given["destination"] or settings.destination
    if not destination:
        raise click.UsageError("Say where the results go: --destination, or STAGEOUT_OUTPUT.")
    outputs = {} if given["check"] else _read_outputs(given["outputs"], given["paths"])
    try:
        answer = _check(destination, settings) if given["check"] else _run(outputs, destination, settings)
    except StagingError as error:
        for each in (error, *error.others):
            click.echo(f"stageout: {each.href}: {each.reason}\n  {each.remedy}", err=True)
        sys.exit(2 if error.kind is Kind.UNSUPPORTED else 1)
    if given["form"] == "cwl":
        catalogs = answer.get("catalogs", ())
        href = catalogs[0] if len(catalogs) == 1 else answer.get("collection")
        answer = {"s3_catalog_output": href}
    click.echo(json.dumps(answer, indent=2))


def _read_outputs(stream: Any, paths: tuple[Path, ...]) -> Mapping[str, Any]:
    if (stream is None) == (not paths):
        raise click.UsageError("Give either --outputs FILE or the folders and files to put away.")
    if stream is None:
        kinds = ((path, "Directory" if path.is_dir() else "File") for path in paths)
        named = [(path.absolute().name, {"class": kind, "location": path.absolute().as_uri()}) for path, kind in kinds]
        if len(dict(named)) < len(named):
            raise click.UsageError("Two of the folders and files have the same name.")
        return dict(named)
    try:
        outputs = json.load(stream)
    except ValueError as error:
        raise click.UsageError(f"{stream.name} is not JSON: {error}") from error
    if not isinstance(outputs, dict):
        raise click.UsageError(f"{stream.name} is not a CWL output object ({{name: value, …}}).")
    return outputs


def _run(outputs: Mapping[str, Any], destination: str, settings: Settings) -> dict[str, Any]:
    from stageout.stage import stage_out  # not before: --help answers at once

    results = stage_out(outputs, destination, settings.options, _show)
    for warning in results.warnings:
        click.echo(f"stageout: warning: {warning}", err=True)
    return {
        "outputs": results.document,
        "collection": results.collection_href,
        "catalogs": results.catalog_hrefs,
        "files": results.files,
        "bytes": results.bytes,
        "warnings": results.warnings,
    }


def _check(destination: str, settings: Settings) -> dict[str, Any]:
    from stageout.stage import check_destination

    check_destination(destination, settings.options)
    return {"destination": destination, "writable": True}


def _show(progress: Transferred) -> None:
    share = f"{progress.files_done}/{progress.files_total} files, {progress.bytes_done} bytes"
    click.echo(f"stageout: {share}: {progress.href}", err=True)


if __name__ == "__main__":
    main(prog_name="stageout")
