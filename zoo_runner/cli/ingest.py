"""The command `ingest`: follows the messages of a bus, and deploys the workflows that they name."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.cli.metrics_option import METRICS
from zoo_runner.cli.records_options import add_records_options, opening_records
from zoo_runner.cli.show import print_json_line, print_message

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.harvest.delivery import Delivered, Delivery
    from zoo_runner.harvest.records import Records
    from zoo_runner.model.diagnosis import Diagnosis

_NOT_ALL = 7
MOST_REPORTED = 1000
"""Of so many messages, the last ones, a report has the newest attempt."""


def add_ingest(cli: click.Group, read: "Callable[..., Configuration]") -> None:
    """Add the command to the command line."""

    @cli.command()
    @click.argument("messages", type=click.Path(path_type=Path, dir_okay=False))
    @click.option("--bus", metavar="URL", default="", help="Another bus than the file names: pulsar://host:port.")
    @click.option("--once", is_flag=True, help="Handle the messages that wait, and end.")
    @click.option(
        "--dead-letters",
        type=click.Choice(["list", "send-again", "discard"]),
        help="Show the messages that could not be carried out, and send them again or throw them away; then end.",
    )
    @add_records_options
    @click.option(
        "--report",
        type=click.Path(path_type=Path),
        help="Write what became of the last 1,000 messages to this file after each attempt, JSON.",
    )
    @click.option(
        "--probes",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the files `alive` and `ready`, by which a platform sees how this does.",
    )
    @METRICS
    @click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a line an attempt."
    )
    def ingest(  # noqa: PLR0913, PLR0917 the options of the command
        messages: Path,
        bus: str,
        once: bool,
        dead_letters: str | None,
        records: str | None,
        take_over: Path | None,
        report: Path | None,
        probes: Path | None,
        metrics: tuple[str, int] | None,
        form: str,
    ) -> None:
        """Deploy the workflows that messages of a data hub's bus (Apache Pulsar) name, until SIGTERM or Ctrl-C.

        MESSAGES is a YAML file that names the server, the bus and the bucket of the files. Workflows that are new,
        changed or gone are deployed, replaced or undeployed; then the message is acknowledged. One that cannot be
        carried out is tried again, and is a dead letter in the end. With --once, exit code 7 where not all were done.

        \b
        server: https://ades.example.org/{workspace}/ogc-api
        bus: {url: "pulsar://pulsar.example.org:6650", topic: transformed}
        files: s3://catalogue-population
        keys: "git-harvester/{workspace}/"
        """
        if metrics and (once or dead_letters):
            raise click.BadParameter("it goes with neither --once nor --dead-letters", param_hint="--metrics")
        if dead_letters:
            _handle_dead_letters(messages, bus, dead_letters, form)
            return
        configuration = read(for_service=True)
        with opening_records(configuration, "ingest", records, take_over) as kept:
            good = _ingest(configuration, messages, bus, once, kept, report, probes, metrics, form)
        sys.exit(0 if good else _NOT_ALL)


def _ingest(  # noqa: PLR0913, PLR0917 the options of the command
    configuration: "Configuration",
    path: Path,
    bus: str,
    once: bool,
    kept: "Records",
    file: Path | None,
    folder: Path | None,
    address: tuple[str, int] | None,
    form: str,
) -> bool:
    from zoo_runner.config.extras import extra

    with extra("pulsar"), extra("dulwich"):
        from zoo_runner.harvest.bus_settings import load_ingest
        from zoo_runner.harvest.delivery import Outcome
        from zoo_runner.harvest.following import follow_messages
        from zoo_runner.harvest.ingester import Ingester
        from zoo_runner.harvest.probes import Probes
        from zoo_runner.harvest.workflow_files import WorkflowFiles
    from zoo_runner.model.cancellation import Cancellation, cancelling_on_signals
    from zoo_runner.package.resolver import WarmResolver

    show = _show if form == "text" else lambda one: print_json_line(describe_delivery(one))
    ingest, stop, probes = load_ingest(path, bus), Cancellation(), Probes(folder)
    files = WorkflowFiles(ingest.files, configuration.workspace.storage)
    unfinished: set[str] = set()
    report = DeliveryReport(file)
    with (
        closing(WarmResolver()) as resolver,
        cancelling_on_signals(stop),
        kept.locked(),
        _measuring(address, lambda: probes.is_connected) as (watch, count),
    ):
        ingester = Ingester(ingest, configuration.settings, kept, resolver, files, probes.beat)
        for delivered in follow_messages(ingest, ingester, kept, stop, _notify, probes=probes, once=once, watch=watch):
            count(delivered)
            show(delivered)
            report.add(delivered)
            (unfinished.discard if delivered.outcome is Outcome.DONE else unfinished.add)(delivered.message)
    return not (once and unfinished)


class DeliveryReport:
    """The newest attempt of each of the last messages, in a file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._attempts: dict[str, dict[str, Any]] = {}
        self._write()

    def add(self, delivered: "Delivered") -> None:
        """Add an attempt in the place of the former one of its message."""
        if self._file is None:
            return
        self._attempts.pop(delivered.message, None)
        self._attempts[delivered.message] = describe_delivery(delivered)
        while len(self._attempts) > MOST_REPORTED:
            del self._attempts[next(iter(self._attempts))]
        self._write()

    def _write(self) -> None:
        from zoo_runner.files import write_atomically

        if self._file:
            write_atomically(self._file, json.dumps(list(self._attempts.values()), indent=2).encode())


@contextmanager
def _measuring(
    address: tuple[str, int] | None, is_connected: Callable[[], bool]
) -> "Iterator[tuple[Callable[[Delivery], None], Callable[[Delivered], None]]]":
    """Serve figures at an address; give what is to be called for each subscription, and for each attempt."""
    if address is None:
        yield lambda _: None, lambda _: None
        return
    from zoo_runner.config.extras import extra

    with extra("prometheus_client"):
        from zoo_runner.harvest.metrics import IngestMetrics
        from zoo_runner.metrics import serving_metrics
    metrics = IngestMetrics(is_connected)
    with serving_metrics(metrics.registry, address):
        yield metrics.watch, metrics.count


def _handle_dead_letters(path: Path, bus: str, action: str, form: str) -> None:
    from zoo_runner.config.extras import extra

    with extra("pulsar"), extra("dulwich"):
        from zoo_runner.harvest.bus_settings import load_ingest
        from zoo_runner.harvest.dead_letters import MOST, Action, handle_dead_letters
    from zoo_runner.model.codec import to_plain
    from zoo_runner.model.printable import make_lines

    letters = handle_dead_letters(load_ingest(path, bus).bus, Action(action))
    for one in letters:
        if form == "json":
            print_json_line(to_plain(one))
            continue
        click.echo(make_lines(f"{one.message} {one.buried}: {one.reason} ({one.code})"))
        click.echo(make_lines(f"  {one.remedy}\n  {one.body[:500]}"))
    more = "; there may be more: call it again" if len(letters) >= MOST else ""
    done = {Action.LIST: "", Action.SEND_AGAIN: ", sent again", Action.DISCARD: ", thrown away"}[Action(action)]
    print_message(f"{len(letters)} dead letters{done}{more}")


def _notify(problem: "Diagnosis") -> None:
    print_message(f"{problem.cause} ({problem.code})\n  {problem.remedy}")


def describe_delivery(delivered: "Delivered") -> dict[str, Any]:
    """Describe an attempt of a message, as `--format json` prints it."""
    from zoo_runner.model.codec import to_plain
    from zoo_runner.model.masking import Masker

    described: dict[str, Any] = Masker().mask_data(to_plain(delivered))
    return described


def _show(delivered: "Delivered") -> None:
    from zoo_runner.model.masking import Masker
    from zoo_runner.model.printable import make_lines

    def say(text: str) -> None:
        for line in Masker().mask(text).splitlines():
            click.echo(make_lines(line))

    handled = delivered.handled
    after = f", again in {delivered.seconds:.0f} s" if delivered.seconds else ""
    say(f"{delivered.message} {handled.workspace}: {delivered.outcome}{after}")
    for done in handled.done:
        failed = ": failed" if done.problem else ""
        say(f"  {done.change.kind} {done.change.name} ({done.change.path}){failed}")
    for one in handled.failed:
        say(f"  {one.path}: {one.problem.cause} ({one.problem.code})\n    {one.problem.remedy}")
    if delivered.problem and not handled.failed:
        say(f"  {delivered.problem.cause} ({delivered.problem.code})\n    {delivered.problem.remedy}")
