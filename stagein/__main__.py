"""The command `stagein`."""

import json
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_staging.command import EXIT_CODES, error_format, fail, run_command
from zoo_staging.errors import Kind, Side, StagingError, about

if TYPE_CHECKING:
    from stagein.settings import StageInOptions
    from zoo_staging.cancel import Cancellation

HELP = f"""Download input data to local disk and print where it is, as a CWL job order.

\b
HREF is a STAC Item, Collection or Catalog (http, https, s3, gs, az or a path); it becomes a folder
with a catalog.json, one folder per item and relative links. An s3://, gs:// or az:// prefix is
downloaded as a folder.
With --job-order, the File and Directory inputs of a CWL job order are downloaded instead.

\b
Examples:
  stagein https://example.org/items/S2A_33UUU.json --output-folder scene
  stagein s3://bucket/results/ --output-folder results
  stagein --job-order job.json --output-folder inputs --result staged.json

\b
Settings (environment): STAGEIN_AWS_SERVICEURL, STAGEIN_AWS_REGION, STAGEIN_AWS_ACCESS_KEY_ID,
STAGEIN_AWS_SECRET_ACCESS_KEY, STAGEIN_AWS_SESSION_TOKEN, or the usual AWS_… ones; without a key,
requests are anonymous; likewise GOOGLE_APPLICATION_CREDENTIALS and AZURE_STORAGE_…, with or without
STAGEIN_ before. STAGEIN_BUCKETS_FILE (JSON: settings per bucket), STAGEIN_HOSTS_FILE (JSON:
credentials per web host), STAGEIN_CONCURRENCY, STAGEIN_RETRIES, STAGEIN_READ_TIMEOUT_SECONDS,
STAGEIN_MAX_ITEMS, STAGEIN_MAX_BYTES, STAGEIN_MAX_FILES, STAGEIN_ALLOW_PRIVATE,
STAGEIN_PRIVATE_HOSTS, STAGEIN_ALLOWED_ROOTS, STAGEIN_ASSET_KEYS, STAGEIN_ASSET_ROLES,
STAGEIN_ASSET_MEDIA_TYPES, STAGEIN_ASSET_BANDS, STAGEIN_BBOX.

\b
{EXIT_CODES}
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("hrefs", nargs=-1, metavar="[HREF]...")
@click.option("--job-order", type=click.Path(path_type=Path), help="CWL job order, JSON or YAML.")
@click.option(
    "--output-folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to download to.",
)
@click.option("--result", type=click.Path(path_type=Path), help="Also write the printed job order here.")
@click.option("--file", "as_files", is_flag=True, help="The HREFs are plain files, not STAC.")
@click.option("--quiet", is_flag=True, help="No progress lines.")
@error_format
def main(**given: Any) -> None:
    """Download input data to local disk."""
    if bool(given["hrefs"]) == bool(given["job_order"]):
        raise click.UsageError("Give either HREFs or --job-order.")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        with about(Side.SOURCE):
            staged = _stage(given)
    except StagingError as error:
        fail("stagein", error, given["error_format"])
    text = json.dumps(staged, indent=2)
    if given["result"]:
        given["result"].write_text(text + "\n", encoding="utf-8")
    click.echo(text)


def _stage(given: dict[str, Any]) -> dict[str, Any]:
    from stagein.settings import load_options
    from stagein.stage import stage_in
    from zoo_staging.cancel import Cancellation

    # only now: the help does not wait for what moves data
    from zoo_staging.command import ProgressLines
    from zoo_staging.progress import ignore

    cancellation = Cancellation()
    signal.signal(signal.SIGTERM, lambda *_: cancellation.cancel())
    report = ignore if given["quiet"] else ProgressLines().report
    options, folder = load_options(), given["output_folder"]
    if not given["job_order"]:
        return _stage_hrefs(given, options, report, cancellation)
    path: Path = given["job_order"]
    return stage_in(_read_job_order(path), folder, options, report, base_folder=path.parent, cancellation=cancellation)


def _stage_hrefs(
    given: dict[str, Any], options: "StageInOptions", report: Any, cancellation: "Cancellation"
) -> dict[str, Any]:
    from stagein.plan import build_hrefs_plan, build_job_order
    from stagein.stage import stage_references
    from zoo_staging.cancel import run_cancellable

    job_order, references = build_hrefs_plan(given["hrefs"], Path.cwd(), as_files=given["as_files"])
    work = stage_references(references, given["output_folder"], options, report)
    return build_job_order(job_order, run_cancellable(work, "stage-in", str(given["output_folder"]), cancellation))


def _read_job_order(path: Path) -> dict[str, Any]:
    """Read JSON or YAML; YAML tags that ask for more than plain data are ignored."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    except (OSError, ValueError, YAMLError) as error:
        raise _unreadable(path, str(error).partition("\n")[0]) from error
    if not isinstance(content, dict):
        raise _unreadable(path, f"it holds a {type(content).__name__}, not input names and values")
    return content


def _unreadable(path: Path, why: str) -> StagingError:
    return StagingError(
        Kind.SETTINGS,
        str(path),
        f"cannot read the job order: {why}",
        "Give a CWL job order, JSON or YAML.",
    )


def run() -> None:
    """Run the command and end the process."""
    run_command(main, "stagein")


if __name__ == "__main__":
    run()
