"""Commands for people who run Hera workflows: their configuration, running scripts and workflows, looking at them."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.cli.hera_options import configured, open_server, read_words
from zoo_runner.cli.hera_results import add_results, show_results
from zoo_runner.cli.show import print_json, print_message, show_checks
from zoo_runner.cli.workflow_display import WorkflowLines, open_workflow_display
from zoo_runner.model.printable import make_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_runner.engines.protocol import Check
    from zoo_runner.hera.argo_server import ArgoServer, Workflow
    from zoo_runner.hera.configuration import HeraConfiguration

_FILES = ("hera.bash", "hera.config")
_FAILED = 6
_TEMPLATE = "template/"
_PYTHON = "Python that has the script's Hera. [default: this one]"


def add_hera(cli: click.Group) -> None:
    """Add the command group to the command line."""

    @cli.group()
    def hera() -> None:
        """Run Hera scripts and Argo workflows with one configuration (docs/hera.md)."""

    @hera.command()
    @configured
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="[default: text]")
    def config(configuration: "HeraConfiguration", form: str) -> None:
        """Print each value, where it came from and what it overrode; secrets are masked."""
        described = configuration.describe()
        print_json(described) if form == "json" else _show_configuration(described)

    @hera.command()
    @click.argument("kind", type=click.Choice(_FILES), default="hera.bash")
    @click.option("--force", is_flag=True, help="Replace a file that exists.")
    def init(kind: str, force: bool) -> None:
        """Write a configuration file to fill in: hera.bash (default) or hera.config, in this folder."""
        _write_template(Path(kind), force)

    @hera.command(context_settings={"ignore_unknown_options": True})
    @configured
    @click.argument("target", metavar="[SCRIPT.py|WORKFLOW.yaml|template/NAME]", required=False)
    @click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS OF THE SCRIPT]")
    @click.option("--python", metavar="PATH", help=_PYTHON)
    def check(
        configuration: "HeraConfiguration", target: str | None, words: tuple[str, ...], python: str | None
    ) -> None:
        """Check what a workflow needs: cluster, namespace, accounts, volume claim, ConfigMap, token, Argo server.

        Of a workflow or template also what it mounts, that its pods fit a node, and that the nodes can pull its images.
        A script runs up to its first workflow, which is checked and not submitted.
        """
        from zoo_runner.model.errors import EngineError

        command = (python or sys.executable, target or "", *words)
        sys.exit(0 if show_checks(_list_checks(configuration, target, command)) else EngineError.exit_code)

    _add_run(hera)
    _add_looks(hera)
    add_results(hera)
    _add_changes(hera)


def _add_run(hera: click.Group) -> None:
    @hera.command(context_settings={"ignore_unknown_options": True})
    @configured
    @click.argument("target", metavar="SCRIPT.py|WORKFLOW.yaml|template/NAME")
    @click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS OF THE SCRIPT]")
    @click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Not for a script.")
    @click.option("--python", metavar="PATH", help=_PYTHON)
    def run(
        configuration: "HeraConfiguration",
        target: str,
        words: tuple[str, ...],
        parameters: tuple[str, ...],
        python: str | None,
    ) -> None:
        """Run a Hera script, a workflow or a template, follow its workflows to their end, print their outputs.

        Ctrl-C stops following; the workflows go on. Exit code 6: a workflow failed.
        """
        given = read_words(parameters, "-p")
        if target.endswith(".py"):
            if given:
                raise click.UsageError("-p is for workflows and templates; give a script its arguments after --")
            _run_script(configuration, (python or sys.executable, target, *words))
        else:
            _run_workflow(configuration, target, given)

    @hera.command()
    @configured
    @click.argument("target", metavar="template/NAME")
    @click.option("-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="[default: stdout]")
    def package(configuration: "HeraConfiguration", target: str, path: Path | None) -> None:
        """Write a WorkflowTemplate as an application package, to deploy and run like any other.

        \b
          zoo-runner hera package template/ndvi -o ndvi.cwl
          zoo-runner run ndvi.cwl -i red=B04
        """
        _write_package(configuration, target, path)


def _add_looks(hera: click.Group) -> None:
    @hera.command("list")
    @configured
    def list_workflows(configuration: "HeraConfiguration") -> None:
        """List the workflows of the namespace, newest first."""
        from zoo_runner.hera.argo_server import read_phase

        for one in open_server(configuration).find():
            meta = one["metadata"]
            click.echo(f"{meta['name']:40} {read_phase(one):10} {meta['creationTimestamp']}")

    @hera.command()
    @configured
    @click.argument("name")
    @click.option("-f", "--follow", is_flag=True, help="Go on until the workflow ends.")
    def logs(configuration: "HeraConfiguration", name: str, follow: bool) -> None:
        """Print what the pods of a workflow print."""
        open_server(configuration).read_log(name, follow, lambda pod, text: click.echo(f"{pod}: {text}"))

    @hera.command()
    @configured
    @click.argument("name")
    def show(configuration: "HeraConfiguration", name: str) -> None:
        """Print the nodes of a workflow, and what it has left."""
        from zoo_runner.hera.nodes import list_tree

        workflow = open_server(configuration).get(name)
        for line in list_tree(workflow):
            click.echo(make_lines(str(line)))
        show_results(workflow)

    @hera.command()
    @configured
    @click.argument("name")
    def follow(configuration: "HeraConfiguration", name: str) -> None:
        """Follow a workflow to its end: its nodes and what they print; then print what it has left.

        An Argo server that is away for a while is waited for. Exit code 6: the workflow failed.
        """
        _conclude([_follow(open_server(configuration), name)], 0)


def _add_changes(hera: click.Group) -> None:
    @hera.command()
    @configured
    @click.argument("name")
    def stop(configuration: "HeraConfiguration", name: str) -> None:
        """Stop a workflow; its exit handlers run."""
        open_server(configuration).change(name, "stop")

    @hera.command()
    @configured
    @click.argument("name")
    def retry(configuration: "HeraConfiguration", name: str) -> None:
        """Run the failed nodes of a workflow again."""
        open_server(configuration).change(name, "retry")

    @hera.command()
    @configured
    @click.argument("name")
    def delete(configuration: "HeraConfiguration", name: str) -> None:
        """Delete a workflow with its pods."""
        open_server(configuration).delete(name)


def _list_checks(configuration: "HeraConfiguration", target: str | None, command: tuple[str, ...]) -> "Iterator[Check]":
    from zoo_runner.hera.preflight import Preflight

    preflight = Preflight(configuration)
    yield from preflight.list_checks()
    if target:
        yield from preflight.list_workflow_checks(_find_workflow(configuration, target, command))


def _find_workflow(configuration: "HeraConfiguration", target: str, command: tuple[str, ...]) -> "Workflow":
    from zoo_runner.hera.scripts import read_first_workflow
    from zoo_runner.hera.tokens import Tokens
    from zoo_runner.hera.workflows import read_workflow

    if target.endswith(".py"):
        _ensure_script(target)
        request = read_first_workflow(configuration, Tokens(configuration), command, os.environ)  # noqa: TID251 the entry point
        if "workflow" in request:
            workflow: Workflow = request["workflow"]
            return workflow
        target = f"{_TEMPLATE}{request['resourceName']}"
    template = target.removeprefix(_TEMPLATE)
    is_file = template == target
    return read_workflow(Path(target), {}) if is_file else open_server(configuration).get_template(template)


def _ensure_script(script: str) -> None:
    if not Path(script).is_file():
        raise click.UsageError(f"script {script} does not exist")


def _run_script(configuration: "HeraConfiguration", command: tuple[str, ...]) -> None:
    from zoo_runner.hera.argo_server import ArgoServer
    from zoo_runner.hera.following import follow_workflow, start
    from zoo_runner.hera.scripts import run_script
    from zoo_runner.hera.tokens import Tokens

    _ensure_script(command[1])
    tokens, followed = Tokens(configuration), []

    def follow(namespace: str, name: str) -> None:
        # the script prints where a tree would be drawn
        server = ArgoServer(configuration, tokens, namespace)
        followed.append(start(lambda: follow_workflow(server, name, WorkflowLines())))

    exit_code = run_script(configuration, tokens, command, os.environ, follow)  # noqa: TID251 entry point
    _conclude([one.result() for one in followed], exit_code)


def _run_workflow(configuration: "HeraConfiguration", target: str, parameters: dict[str, str]) -> None:
    from zoo_runner.hera.workflows import read_workflow

    server = open_server(configuration)
    if target.startswith(_TEMPLATE):
        created = server.submit(target.removeprefix(_TEMPLATE), parameters)
    else:
        created = server.create(read_workflow(Path(target), parameters))
    _conclude([_follow(server, created["metadata"]["name"])], 0)


def _write_package(configuration: "HeraConfiguration", target: str, path: Path | None) -> None:
    from zoo_runner.files import write_atomically
    from zoo_runner.package.workflow_template import build_document

    if not target.startswith(_TEMPLATE):
        raise click.UsageError(f"{target} is no template; name one of the namespace: template/NAME")
    text = json.dumps(build_document(open_server(configuration).get_template(target.removeprefix(_TEMPLATE))), indent=2)
    if path is None:
        click.echo(text)
    else:
        write_atomically(path, text.encode())
        print_message(f"{path} written; `zoo-runner describe {path}` shows its inputs")


def _follow(server: "ArgoServer", name: str) -> "Workflow":
    from zoo_runner.hera.following import follow_workflow

    with open_workflow_display() as display:
        return follow_workflow(server, name, display)


def _conclude(ended: "list[Workflow]", exit_code: int) -> None:
    from zoo_runner.hera.argo_server import read_phase

    for one in ended:
        click.echo(f"{one['metadata']['name']}: {read_phase(one)}")
        show_results(one)
    if not exit_code and any(read_phase(one) != "Succeeded" for one in ended):
        exit_code = _FAILED
    sys.exit(exit_code)


def _show_configuration(described: dict[str, Any]) -> None:
    for value in described["values"]:
        click.echo(f"{value['name']:26} {value['value'] or '-':40} {value['source']}")
        for old in value["overrode"]:
            click.echo(f"{'':26}   instead of {old['value']} from {old['source']}")
    for file in described["files"]:
        click.echo(f"{'read' if file['exists'] else 'not there':26} {file['path']}")
    for one in described["unknown"]:
        print_message(f"warning: {one['source']}: {one['key']} is not a value of this toolkit; your script may use it")


def _write_template(path: Path, force: bool) -> None:
    from zoo_runner.hera.configuration import build_template

    if path.exists() and not force:
        raise click.UsageError(f"{path} exists; use --force to replace it")
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(build_template(path.name))
    print_message(f"{path} written; fill it in and look at it with `zoo-runner hera config`")
