"""The command `diagnose`: what holds up, or made fail, a job, a workflow or a pod, whoever started it."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.cli.show import print_json, print_json_line, print_message

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.engines.argo.judgement import Judgement
    from zoo_runner.model.diagnosis import Diagnosis

_ACTORS = {
    "user": "the user who wrote or started it",
    "engine": "the operator of Argo Workflows or of zoo-runner",
    "platform": "the administrator of the cluster",
}


def add_diagnose(cli: click.Group, read: "Callable[..., Configuration]") -> None:
    """Add the command to the command line."""

    @cli.command()
    @click.argument("name", metavar="JOB|WORKFLOW|POD")
    @click.option("-n", "--namespace", help="Where the workflow or pod is. [default: that of the workspace]")
    @click.option("--watch", is_flag=True, help="Go on until it moves, and show each new finding.")
    @click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        help="json: one document on stdout; with --watch one document for each finding, each on one line.",
    )
    def diagnose(name: str, namespace: str | None, watch: bool, form: str) -> None:
        """Say what holds up a job, a workflow or a pod, or why it failed: level, cause, evidence, remedy.

        Joins what Argo shows with pods, events, nodes, volumes and the log of the workflow controller, as far as the
        account may read them. Works for workflows that zoo-runner did not start; one that Argo does not show is found
        by its pods. What waits for its turn, its image or its volume is healthy. Exit code 7 where something is wrong.
        """
        _diagnose(read(), name, namespace, watch, form)


def _diagnose(configuration: "Configuration", name: str, namespace: str | None, watch: bool, form: str) -> None:
    from zoo_runner.execution.diagnose import find_judgements
    from zoo_runner.model.errors import EngineError

    print_document = print_json_line if watch else print_json
    show = _show if form == "text" else lambda judgement: print_document(describe_judgement(judgement))
    wrong = False
    for judgement in find_judgements(configuration, name, namespace, watch=watch):
        wrong = bool(judgement.diagnoses)
        show(judgement)
    sys.exit(EngineError.exit_code if wrong else 0)


def describe_judgement(judgement: "Judgement") -> dict[str, Any]:
    """Describe what was found, as `diagnose --format json` prints it."""
    from zoo_runner.model.codec import to_plain
    from zoo_runner.model.masking import Masker

    described: dict[str, Any] = Masker().mask_data(
        {
            "about": judgement.about,
            "state": judgement.state,
            "diagnoses": [{**to_plain(one), "actor": _name_actor(one)} for one in judgement.diagnoses],
            "waits": list(judgement.waits),
            "unread": list(judgement.unread),
        }
    )
    return described


def _show(judgement: "Judgement") -> None:
    from zoo_runner.model.masking import Masker
    from zoo_runner.model.printable import make_lines

    mask = Masker().mask
    click.echo(f"{judgement.about}: {judgement.state}")
    for one in judgement.diagnoses:
        click.echo(make_lines(mask(f"  {one.level}: {one.cause}")))
        click.echo(f"    code: {one.code}, who can act: {_name_actor(one)}")
        for line in one.evidence:
            click.echo(make_lines(mask(f"    | {line}")))
        click.echo(make_lines(mask(f"    what to do: {one.remedy}")))
    for wait in judgement.waits:
        click.echo(make_lines(mask(f"  healthy: {wait}")))
    for missing in judgement.unread:
        print_message(mask(f"not read: {missing}"))


def _name_actor(diagnosis: "Diagnosis") -> str:
    return _ACTORS[diagnosis.level]
