"""The command `harvest`: deploys the workflows of git repositories, once or again and again."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from math import inf
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.cli.metrics_option import METRICS, parse_address
from zoo_runner.cli.records_options import add_records_options, opening_records
from zoo_runner.cli.show import print_json_line, print_message

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.harvest.announcing import Publish
    from zoo_runner.harvest.harvester import Report
    from zoo_runner.harvest.metrics import HarvestMetrics
    from zoo_runner.harvest.pushes import Pushes
    from zoo_runner.harvest.records import Records
    from zoo_runner.harvest.sources import Harvest

_NOT_ALL = 7
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 60.0, 3600.0


def add_harvest(cli: click.Group, read: "Callable[..., Configuration]") -> None:
    """Add the command to the command line."""

    @cli.command()
    @click.argument("sources", type=click.Path(path_type=Path, dir_okay=False))
    @click.option("--every", type=click.FloatRange(min=1), metavar="SECONDS", help="Go on, in this interval.")
    @click.option(
        "--listen",
        metavar="HOST:PORT",
        help="Go on, and receive webhooks at /webhook: what is pushed to comes at once.",
    )
    @click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
    @click.option(
        "--again", is_flag=True, help="Look at every commit again, try what was given up, and deploy what was removed."
    )
    @click.option(
        "--adopt",
        is_flag=True,
        help="Take processes of the workflows' ids that exist for those of the sources: after records were lost.",
    )
    @add_records_options
    @click.option("--report", type=click.Path(path_type=Path), help="Write what was found and done to this file, JSON.")
    @click.option(
        "--probes",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the file `alive`, by which a platform sees that this goes on.",
    )
    @METRICS
    @click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: a line a source."
    )
    def harvest(  # noqa: PLR0913, PLR0917 the options of the command
        sources: Path,
        every: float | None,
        listen: str | None,
        dry_run: bool,
        again: bool,
        adopt: bool,
        records: str | None,
        take_over: Path | None,
        report: Path | None,
        probes: Path | None,
        metrics: tuple[str, int] | None,
        form: str,
    ) -> None:
        """Deploy the workflows of git repositories at an OGC API - Processes server, and keep them up to date.

        SOURCES is a YAML file that names the server and the repositories. New, changed and removed workflows are
        deployed, replaced and undeployed; one that became invalid stays as it was, and is reported. Exit code 7 where
        not everything could be done; the next run does the rest.

        \b
        server: https://ades.example.org/ogc-api
        sources:
          - url: https://github.com/example/workflows
            branch: main
            include: ["*.cwl"]
            exclude: [tests/]
        """
        if adopt and (every or listen):
            raise click.BadParameter("adopt once, then go on without it", param_hint="--adopt")
        if metrics and not (every or listen):
            raise click.BadParameter("it needs --every or --listen", param_hint="--metrics")
        choices = {"again": again, "adopt": adopt, "dry": dry_run}
        configuration = read(for_service=True)
        with opening_records(configuration, "harvest", records, take_over) as kept:
            good = _harvest(configuration, sources, kept, report, probes, form, every, listen, metrics, choices)
        sys.exit(0 if good else _NOT_ALL)


def _harvest(  # noqa: PLR0913, PLR0915, PLR0917 the options of the command
    configuration: "Configuration",
    path: Path,
    kept: "Records",
    file: Path | None,
    probes: Path | None,
    form: str,
    every: float | None,
    listen: str | None,
    address: tuple[str, int] | None,
    choices: Mapping[str, bool],
) -> bool:
    from zoo_runner.config.extras import extra

    with extra("dulwich"):
        from zoo_runner.harvest.harvester import Harvester
        from zoo_runner.harvest.probes import Probes
        from zoo_runner.harvest.pushes import Pushes
        from zoo_runner.harvest.sources import load_harvest
    from zoo_runner.model.cancellation import Cancellation, cancelling_on_signals
    from zoo_runner.package.resolver import WarmResolver

    show = _show if form == "text" else lambda report: print_json_line(describe_report(report))
    beat = Probes(probes).beat
    settings, storage = configuration.settings, configuration.workspace.storage
    stop, pushes = Cancellation(), Pushes()
    stop.when_cancelled(pushes.stop)

    def run(places: frozenset[tuple[str, ...]]) -> bool:
        # read each time: a source may be added while this goes on
        harvest = load_harvest(path)
        reports: list[Report] = []
        pushes.set_harvest(harvest)
        if metrics:
            metrics.set_sources(harvest.sources)
        with _announcing(harvest) as publish:
            is_stopped = stop.is_set
            harvester = Harvester(
                harvest, settings, kept, resolver, storage, publish=publish, beat=beat, is_stopped=is_stopped, **choices
            )
            begun = monotonic()
            for report in harvester.run(places):
                reports.append(report)
                if metrics:
                    metrics.count_run(report, monotonic() - begun)
                show(report)
                begun = monotonic()
        if file:
            _write(file, reports)
        return all(report.succeeded for report in reports)

    with (
        closing(WarmResolver()) as resolver,
        cancelling_on_signals(stop),
        _listening(pushes, listen),
        _measuring(address) as metrics,
    ):
        good = run(frozenset())
        if every or listen:
            broken_off = metrics.count_broken_off if metrics else lambda: None
            good = repeat_runs(run, lambda seconds: pushes.wait(seconds, beat), every, good, broken_off)
    return good


def repeat_runs(
    run: "Callable[[frozenset[tuple[str, ...]]], bool]",
    wait: "Callable[[float | None], frozenset[tuple[str, ...]] | None]",
    every: float | None,
    good: bool,
    broken_off: Callable[[], None] = lambda: None,
) -> bool:
    """Run in an interval and for pushes until it is stopped; return whether the last run succeeded, or the first.

    `broken_off` is called for a run that raises `RunnerError`.
    """
    from zoo_runner.model.errors import RunnerError

    failed, undone, next_whole = False, int(not good), monotonic() + (every or inf)
    while True:
        pause = max(0.0, next_whole - monotonic()) if every else _find_pause(undone)
        only = wait(min(pause or inf, _PAUSE_SECONDS) if failed else pause)
        if only is None:
            return good
        # after one that failed, whatever that was for
        only = frozenset() if failed or (undone and not every) else only
        # pushes do not put off what the others wait for
        next_whole = next_whole if only else monotonic() + (every or inf)
        try:
            good, failed = run(only), False
            undone = 0 if good else undone + 1
        except RunnerError as error:
            # the file is being edited, or another process harvests: that ends nothing
            good, failed = False, True
            broken_off()
            print_message(f"{error.diagnosis.cause} ({error.diagnosis.code})\n  {error.diagnosis.remedy}")


def _find_pause(undone: int) -> float | None:
    """Return how long to wait after so many runs that left something undone, where only pushes bring another."""
    return min(_PAUSE_SECONDS * 2.0 ** min(undone - 1, 10), _LONGEST_PAUSE_SECONDS) if undone else None


@contextmanager
def _measuring(address: tuple[str, int] | None) -> "Iterator[HarvestMetrics | None]":
    """Serve figures at an address, and give what counts them; None without an address."""
    if address is None:
        yield None
        return
    from zoo_runner.config.extras import extra

    with extra("prometheus_client"):
        from zoo_runner.harvest.metrics import HarvestMetrics
        from zoo_runner.metrics import serving_metrics
    metrics = HarvestMetrics()
    with serving_metrics(metrics.registry, address):
        yield metrics


@contextmanager
def _announcing(harvest: "Harvest") -> "Iterator[Publish | None]":
    """Give what sends announcements of changes, None where they are not announced."""
    if harvest.announcement is None:
        yield None
        return
    from zoo_runner.config.extras import extra

    with extra("pulsar"):
        from zoo_runner.harvest.bus import Bus
    with closing(Bus(harvest.announcement.bus)) as bus:
        yield bus.publish


def _listening(pushes: "Pushes", address: str | None) -> AbstractContextManager[None]:
    if address is None:
        return nullcontext()
    from zoo_runner.config.extras import extra

    wrong = click.BadParameter(f"{address!r} is not HOST:PORT", param_hint="--listen")
    if ":" not in address:
        raise wrong
    try:
        host, port = parse_address(address)
    except ValueError as error:
        raise wrong from error
    with extra("uvicorn"):
        from zoo_runner.harvest.listening import listening
    return listening(pushes, host, port)


def _write(file: Path, reports: "list[Report]") -> None:
    from zoo_runner.files import write_atomically

    write_atomically(file, json.dumps([describe_report(report) for report in reports], indent=2).encode())


def describe_report(report: "Report") -> dict[str, Any]:
    """Describe a report, as `--format json` prints it."""
    from zoo_runner.model.codec import to_plain
    from zoo_runner.model.masking import Masker

    described: dict[str, Any] = Masker().mask_data({**to_plain(report), "succeeded": report.succeeded})
    return described


def _say(text: str) -> None:
    from zoo_runner.model.masking import Masker
    from zoo_runner.model.printable import make_lines

    for line in Masker().mask(text).splitlines():
        click.echo(make_lines(line))


def _show(report: "Report") -> None:
    _say(f"{report.source}: {'commit ' + report.commit[:12] if report.commit else 'no commit'}")
    for finding in report.findings:
        _say(f"  {finding.severity}: {finding.path}: {finding.message} ({finding.code})")
        _say(f"    {finding.remedy}" if finding.remedy else "")
    for done in report.done:
        failed = f": failed\n    {done.problem.cause}\n    {done.problem.remedy}" if done.problem else ""
        _say(f"  {done.change.kind} {done.change.name} ({done.change.path}){failed}")
    _say("\n".join(f"  access {process}: {access}" for process, access in report.access.items()))
    for name in report.given_up:
        print_message(f"  given up: {name} failed too often; --again tries it once more")
    _say("\n".join(f"  the next run tries again: {path}" for path in report.unresolved))
    for problem in filter(None, (report.problem, report.unposted)):
        _say(f"  {problem.cause} ({problem.code})\n    {problem.remedy}")
    if not (report.problem or report.done or report.unresolved):
        _say("  nothing to do")
