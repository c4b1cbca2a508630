"""What the tour shows in the terminal: commands, documents, log folders, numbers."""

import csv
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.tree import Tree

BARS = "▁▂▃▄▅▆▇█"


class Screen:
    """Writes to the terminal, or plain text where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self._console.print()
        self._console.print(Rule(text, style="green", align="left"))

    def say(self, text: str) -> None:
        """Write a paragraph; `[bold]` and the like count."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def command(self, words: Sequence[str]) -> None:
        """Show a command as it can be typed."""
        line = _escape(shlex.join(words))
        self._console.print(f"\n[bold green]$[/] [bold]{line}[/]", highlight=False, soft_wrap=True)

    def document(self, content: Any) -> None:
        """Show a JSON document."""
        self._console.print(Syntax(json.dumps(content, indent=2), "json", background_color="default", word_wrap=True))

    def listing(self, title: str, folder: Path) -> None:
        """Show what lies in a folder, with sizes."""
        tree = Tree(f"[bold]{_escape(title)}[/]")
        _grow(tree, folder)
        self._console.print(tree, highlight=False)

    def series(self, rows: Sequence[dict[str, str]]) -> None:
        """Show a time series as a table with bars."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("date", "scene", "clear", "NDVI"):
            table.add_column(name, justify="right" if name in ("clear", "NDVI") else "left")
        table.add_column("")
        for row in rows:
            bar = "█" * round(30 * float(row["median"]))
            clear = f"{float(row['clear_fraction']):.0%}"
            table.add_row(row["date"], row["item"], clear, f"{float(row['median']):.2f}", f"[green]{bar}[/]")
        self._console.print(table, highlight=False)
        line = build_sparkline([float(row["median"]) for row in rows])
        self._console.print(f"NDVI over the year  [bold green]{line}[/]", highlight=False)


def build_sparkline(values: Sequence[float]) -> str:
    """Draw values as one line of bars, from the least to the greatest."""
    low, high = min(values), max(values)
    steps = [round((value - low) / ((high - low) or 1) * (len(BARS) - 1)) for value in values]
    return "".join(BARS[step] for step in steps)


def read_series(path: Path) -> list[dict[str, str]]:
    """Read the table of dates that the vegetation package made."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _grow(tree: Tree, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            _grow(tree.add(f"{_escape(path.name)}/"), path)
        else:
            tree.add(f"{_escape(path.name)}  [dim]{_size(path.stat().st_size)}[/]")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.1f} KiB" if size_bytes < 2**20 else f"{size_bytes / 2**20:.1f} MiB"


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
