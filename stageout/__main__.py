"""The command `stageout`."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import click

from stageout.settings import Settings, load_options, read_environ
from stageout.stage import check_destination, stage_out
from zoo_staging.cancel import Cancellation
from zoo_staging.command import EXIT_CODES, ProgressLines, error_format, fail, run_command
from zoo_staging.errors import StagingError
from zoo_staging.progress import ignore

HELP = f"""Upload the results of a CWL run to a bucket or a folder, as STAC.

\b
Give the output object that the CWL runner printed, or folders and files:
  stageout --outputs outputs.json --destination s3://bucket/results/job-7
  stageout ./my-results ./chart.png --destination ./published

\b
A folder with a STAC catalog is uploaded with corrected links. Other folders and files get a STAC Item.
All items are linked from <destination>/collection.json, which is written last.

\b
Settings (environment): STAGEOUT_AWS_SERVICEURL (S3 endpoint; default AWS), STAGEOUT_AWS_REGION,
STAGEOUT_AWS_ACCESS_KEY_ID, STAGEOUT_AWS_SECRET_ACCESS_KEY, STAGEOUT_AWS_SESSION_TOKEN, or the usual
AWS_... ones; without a key, requests are anonymous; likewise GOOGLE_APPLICATION_CREDENTIALS and
AZURE_STORAGE_..., with or without STAGEOUT_ before. STAGEOUT_OUTPUT: destination when --destination is
not given. STAGEOUT_PUBLIC_URL: links read <this>/<key> instead of s3://...
STAGEOUT_KEEP_EMPTY_FOLDERS=true: an empty folder is a result, not an error.

\b
Prints one JSON document on stdout; progress, warnings and errors go to stderr.
{EXIT_CODES}
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
@click.option("--outputs", type=click.File("rb"), help="CWL output object, JSON; - for stdin.")
@click.option("--destination", metavar="HREF", help="s3://bucket/prefix (or gs:, az:) or a folder.")
@click.option("--job-id", help="Id of the job, for STAC ids; a new one when not given.")
@click.option("--workflow-id", default="workflow", show_default=True, help="Id of the workflow, likewise.")
@click.option("--check", is_flag=True, help="Only check that the destination can be written.")
@click.option(
    "--outputs-folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Refuse files that do not lie in this folder.",
)
@click.option("--format", "form", type=click.Choice(["json", "cwl"]), default="json", help="Results, or CWL outputs.")
@click.option("--quiet", is_flag=True, help="No progress lines.")
@error_format
def main(**given: Any) -> None:
    """Upload results."""
    # a link that the user names is the user's own
    folder = given["outputs_folder"] and given["outputs_folder"].resolve()
    settings = load_options(read_environ(), given["job_id"] or uuid4().hex, given["workflow_id"], folder)
    destination = given["destination"] or settings.destination
    if not destination:
        raise click.UsageError("Missing destination: give --destination, or set STAGEOUT_OUTPUT.")
    try:
        answer = _check(destination, settings) if given["check"] else _run(given, destination, settings)
    except StagingError as error:
        fail("stageout", error, given["error_format"])
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def _check(destination: str, settings: Settings) -> dict[str, Any]:
    check_destination(destination, settings.options)
    return {"destination": destination, "writable": True}


def _run(given: Mapping[str, Any], destination: str, settings: Settings) -> dict[str, Any]:
    outputs = _read_outputs(given["outputs"], given["paths"])
    cancellation = Cancellation()
    signal.signal(signal.SIGTERM, lambda *_: cancellation.cancel())
    report = ignore if given["quiet"] else ProgressLines().report
    results = stage_out(outputs, destination, settings.options, report, cancellation=cancellation)
    for warning in results.warnings:
        click.echo(f"warning: {warning}", err=True)
    if given["form"] == "cwl":
        catalogs = results.catalog_hrefs
        return {"s3_catalog_output": catalogs[0] if len(catalogs) == 1 else results.collection_href}
    return {
        "outputs": results.document,
        "collection": results.collection_href,
        "catalogs": results.catalog_hrefs,
        "files": results.files,
        "bytes": results.bytes,
        "warnings": results.warnings,
    }


def _read_outputs(stream: BinaryIO | None, paths: tuple[Path, ...]) -> Mapping[str, Any]:
    if (stream is None) == (not paths):
        raise click.UsageError("Give either --outputs or the folders and files to upload.")
    if stream is None:
        return _describe_paths([path.absolute() for path in paths])
    try:
        outputs = json.load(stream)
    except ValueError as error:
        raise click.UsageError(f"{stream.name} is not JSON: {error}") from error
    if not isinstance(outputs, dict):
        raise click.UsageError(f"{stream.name} is not a CWL output object: {{name: value, …}}.")
    return outputs


def _describe_paths(paths: list[Path]) -> Mapping[str, Any]:
    outputs = {
        path.name: {"class": "Directory" if path.is_dir() else "File", "location": path.as_uri()} for path in paths
    }
    if len(outputs) < len(paths):
        raise click.UsageError("Two of the folders and files have the same name.")
    return outputs


def run() -> None:
    """Run the command and end the process."""
    run_command(main, "stageout")


if __name__ == "__main__":
    run()
