"""Progress for people: a live display on a terminal, plain lines elsewhere; stderr only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from zoo_runner.model.events import EngineLine, Event, Published, Report, StageStarted, StepEnded, StepStarted
from zoo_runner.model.printable import make_lines, make_one_line
from zoo_staging.progress import Transferred

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_TITLES = {"stage-in": "stage in", "execute": "execute", "stage-out": "stage out"}
_WIDE = 76
"""Columns that a terminal needs for the bar beside the figures."""


class PlainDisplay:
    """One line for each event that a reader of a CI log needs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tenths = -1

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case StageStarted():
                self._tenths = -1
                self._say(f"{_TITLES.get(event.stage, event.stage)}: {event.about}")
            case Transferred():
                self._count(event)
            case StepStarted():
                self._say(f"  step {event.step} begins")
            case StepEnded():
                self._say(f"  step {event.step} ends with exit code {event.exit_code}")
            case Published():
                self._say(f"  logs are published at {event.href}")
            case EngineLine(severity="error" | "warning") if not event.text.startswith("[job "):
                self._say(f"  engine: {event.text.splitlines()[0] if event.text else ''}")
            case _:
                pass

    def _count(self, event: Transferred) -> None:
        """Report every tenth part, not every file."""
        tenths = event.files_done * 10 // max(event.files_total, 1)
        if tenths > self._tenths and event.files_done:
            self._tenths = tenths
            self._say(f"  {event.files_done} of {event.files_total} files, {event.bytes_done / 2**20:.1f} MiB")

    def _say(self, line: str) -> None:
        print(make_one_line(line), file=self._stream, flush=True)


class LiveDisplay:
    """Bars for what moves, spinners for what runs, with rich."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._stages: dict[str, TaskID] = {}
        self._steps: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case StageStarted():
                title = _TITLES.get(event.stage, event.stage)
                self._stages[event.stage] = self._progress.add_task(
                    title, total=None, detail=make_one_line(event.about).replace("[", r"\[")
                )
            case Transferred():
                self._progress.update(
                    self._stages[event.stage],
                    completed=event.files_done,
                    total=event.files_total,
                    detail=f"{event.files_done}/{event.files_total} files, {event.bytes_done / 2**20:.1f} MiB",
                )
            case StepStarted():
                self._steps[event.step] = self._progress.add_task(
                    f"  {make_one_line(event.step)}", total=None, detail="running"
                )
            case StepEnded():
                self._end_step(event)
            case EngineLine(severity="error" | "warning") if not event.text.startswith("[job "):
                self._progress.console.print(
                    make_lines(f"engine: {event.text}"), style="yellow", markup=False, highlight=False
                )
            case _:
                pass

    def _end_step(self, event: StepEnded) -> None:
        seconds = f"{event.ended - event.started:.1f} s"
        detail = f"[green]{seconds}" if event.exit_code == 0 else f"[red]exit code {event.exit_code} after {seconds}"
        self._progress.update(self._steps[event.step], total=1, completed=1, detail=detail)


@contextmanager
def open_display(quiet: bool) -> Iterator[Report]:
    """Choose the display that fits stderr: live on a terminal, plain lines elsewhere, none when quiet."""
    if quiet:
        yield _show_nothing
        return
    if not sys.stderr.isatty():
        yield PlainDisplay(sys.stderr)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<24}", markup=False),
        # in a narrow terminal the figures matter more
        *([BarColumn(bar_width=24)] if console.width >= _WIDE else []),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=len("0:00:00"))),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=console) as progress:
        display = LiveDisplay(progress)
        yield display
        for task in progress.tasks:
            if not task.finished:
                progress.update(task.id, total=1, completed=1)


def _show_nothing(_: Event) -> None:
    pass
