import io
import sys

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from tests.unit.messages import Check
from zoo_runner.cli.display import LiveDisplay, PlainDisplay, open_display
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepEnded, StepLines, StepStarted
from zoo_staging.progress import Transferred

STORY: tuple[Event, ...] = (
    StageStarted(Stage.STAGE_IN, "/in"),
    *(Transferred("stage-in", f"f{n}", n, 100, n * 2**20, None) for n in range(101)),
    StageStarted(Stage.EXECUTE, "water"),
    StepStarted("index", "index.py", 0.0),
    StepLines("index", ("not shown",)),
    EngineLine("info", "not shown"),
    EngineLine("warning", "[job index] not shown"),
    EngineLine("warning", "mind this\nnot shown"),
    StepEnded("index", 0.0, 1.0, 3, None, None),
    StageStarted(Stage.STAGE_OUT, "/out[/red]"),
)


def test_plain_lines_report_stages_steps_warnings_and_every_tenth_part(check: Check) -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    for event in STORY:
        display(event)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "stage in: /in"
    assert len([line for line in lines if "files, " in line]) <= 11
    assert "  100 of 100 files, 100.0 MiB" in lines
    check.words("\n".join(lines[-5:]), "execute: water", "step index", "engine: mind this", "exit code 3", "/out[/red]")


def test_a_live_display_takes_every_event_and_no_markup_of_others() -> None:
    stream = io.StringIO()
    columns = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, console=Console(file=stream, width=100)) as progress:
        display = LiveDisplay(progress)
        for event in STORY:
            display(event)
        display(StepStarted("[red]x", "x", 0.0))
        display(EngineLine("error", "[bold]kept[/bold]"))
    shown = stream.getvalue()
    assert "[red]x" in shown
    assert "[bold]kept[/bold]" in shown
    assert "exit code 3" in shown
    assert "/out[/red]" in shown


@pytest.mark.parametrize(("columns", "bar"), [(50, False), (120, True)])
def test_a_narrow_terminal_shows_the_figures_and_no_bar(
    columns: int, bar: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    with open_display(quiet=False) as report:
        for event in STORY:
            report(event)
    shown = terminal.getvalue()
    assert "0:00:00" in shown
    assert ("━" in shown) is bar
