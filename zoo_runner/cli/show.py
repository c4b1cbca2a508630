"""What the command line shows: one document or the results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.model.codec import to_plain
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import RunnerError, SettingsError
from zoo_runner.model.masking import Masker
from zoo_runner.model.printable import make_lines

if TYPE_CHECKING:
    from zoo_runner.engines.protocol import Check
    from zoo_runner.model.job import Job, Outcome, Results


def print_message(text: str) -> None:
    """Print a message on stderr, where it cannot control the terminal: stdout is for results."""
    click.echo(make_lines(text), err=True)


def print_json(document: Any) -> None:
    """Print the one document of stdout."""
    click.echo(json.dumps(document, indent=2))


def print_json_line(document: Any) -> None:
    """Print one of several documents of stdout, each of which is a line."""
    click.echo(json.dumps(document))


def print_objects(submission: Mapping[str, Any], engine: str) -> None:
    """Print the objects that an engine on a cluster submits, as YAML documents; raises `SettingsError` for others."""
    from ruamel.yaml import YAML

    objects = [*submission.get("tenant", ()), *submission.get("manifests", ())]
    if not objects:
        raise SettingsError(
            f"the engine {engine} submits no objects to a cluster", "Use --format json, or an engine on a cluster."
        )
    YAML(typ="safe", pure=True).dump_all(objects, sys.stdout)


def show_checks(checks: "Iterable[Check]") -> bool:
    """Show what was found, each finding as soon as it is there; return whether all is as expected."""
    sound = True
    for check in checks:
        sound = sound and check.ok
        click.echo(f"{'ok' if check.ok else 'BAD':<4}{check.about}: {check.found} (expected: {check.expected})")
        if check.remedy:
            code = f", code: {check.code}" if check.code else ""
            click.echo(f"    what to do: {check.remedy} (level: {check.level}{code})")
    return sound


def show_outcome(job: "Job", outcome: "Outcome", form: str) -> None:
    """Show how a job ended: results on stdout, a diagnosis on stderr."""
    if form == "json":
        print_json(describe_outcome(job, outcome))
    elif form == "cwl":
        print_output_object(outcome)
    elif outcome.results:
        show_results(outcome.results)
        click.echo(f"step logs {job.log_folder}")
        if outcome.published:
            click.echo(f"published logs {outcome.published}")
        for step in outcome.reused:
            click.echo(f"reused {step.step}, from job {step.job}")
    if outcome.diagnosis:
        show_diagnosis(outcome.diagnosis)


def print_output_object(outcome: "Outcome") -> None:
    """Print the CWL output object of a job that succeeded; nothing for one that failed, as CWL runners do."""
    from zoo_runner.cli.output_object import build_output_object

    if outcome.results:
        print_json(build_output_object(outcome.results))


def show_results(results: "Results") -> None:
    """Show the results by output, and the address of their collection."""
    click.echo("results")
    for name, value in results.document.items():
        click.echo(f"  {name}: {_short(value)}")
    click.echo(f"collection {results.collection_href}")


def describe_outcome(job: "Job", outcome: "Outcome") -> dict[str, Any]:
    """Describe how a job ended, as `run --format json` prints it."""
    return {
        "jobID": job.id,
        "processID": job.workflow_id,
        "status": outcome.status,
        "results": outcome.results.document if outcome.results else None,
        "collection": outcome.results.collection_href if outcome.results else None,
        "diagnosis": to_plain(outcome.diagnosis),
        "log": job.log,
        "stepLogs": job.log_folder,
        "publishedLogs": outcome.published,
        "reused": [to_plain(step) for step in outcome.reused],
    }


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "href" in value:
        return str(value["href"])
    if isinstance(value, list):
        return ", ".join(map(_short, value)) or "[]"
    return json.dumps(value)


def show_failure(error: RunnerError, form: str) -> None:
    """Show why no job was created; on stdout too if a document is expected there."""
    if form == "json":
        print_json({"status": "failed", "diagnosis": Masker().mask_data(to_plain(error.diagnosis))})
    show_diagnosis(error.diagnosis)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Show on stderr what went wrong and what to do."""
    mask = Masker().mask
    print_message(f"error: {mask(diagnosis.cause)}")
    print_message(f"  code: {diagnosis.code}, stage: {diagnosis.stage}, level: {diagnosis.level}")
    for line in diagnosis.evidence:
        print_message(f"  | {mask(line)}")
    print_message(f"  what to do: {diagnosis.remedy}")
    if diagnosis.log:
        print_message(f"  log: {diagnosis.log}")


def read_version() -> str | None:
    """Version of the installed distribution; None in a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("zoo-runner")
    except PackageNotFoundError:  # run from a checkout
        return None
