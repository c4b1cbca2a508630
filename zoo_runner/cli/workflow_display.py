"""A workflow of Argo for people who follow it: a tree of its nodes on a terminal, lines elsewhere; stderr only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo_runner.cli.show import print_message
from zoo_runner.model.printable import make_one_line

if TYPE_CHECKING:
    from rich.live import Live

    from zoo_runner.hera.argo_server import Workflow
    from zoo_runner.hera.following import Show

_STYLES = {"Succeeded": "green", "Failed": "red", "Error": "red", "Running": "cyan"}


class WorkflowLines:
    """One line for each change of a node and each line that it prints."""

    def __init__(self) -> None:
        from zoo_runner.hera.nodes import Progress

        self._progress: Progress = Progress()

    def show_workflow(self, workflow: "Workflow") -> None:
        """Print the nodes that are new or have changed."""
        for line in self._progress.read(workflow):
            print_message(line)

    def show_line(self, node: str, text: str) -> None:
        """Print a line of a node."""
        print_message(f"[{node}] {text}")

    def show_away(self, reason: str) -> None:
        """Print that the server is away."""
        print_message(f"warning: {reason}; waiting until it answers")


class WorkflowTree:
    """The tree of nodes at the bottom of the terminal, and above it what the nodes print."""

    def __init__(self, live: "Live") -> None:
        self._live = live

    def show_workflow(self, workflow: "Workflow") -> None:
        """Draw the tree anew."""
        from rich.text import Text

        from zoo_runner.hera.nodes import list_tree

        tree = Text()
        for line in list_tree(workflow):
            tree.append(make_one_line(str(line)) + "\n", style=_STYLES.get(line.phase.partition(" ")[0], ""))
        self._live.update(tree, refresh=True)

    def show_line(self, node: str, text: str) -> None:
        """Print a line of a node above the tree."""
        self._live.console.print(make_one_line(f"[{node}] {text}"), markup=False, highlight=False)

    def show_away(self, reason: str) -> None:
        """Print that the server is away."""
        self._live.console.print(f"{reason}; waiting until it answers", style="yellow", markup=False)


@contextmanager
def open_workflow_display() -> Iterator["Show"]:
    """Choose the display that fits stderr."""
    if not sys.stderr.isatty():
        yield WorkflowLines()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield WorkflowTree(live)
