"""Follow a workflow to its end: its nodes as they change and what its pods print, both at the same time."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from zoo_runner.engines.kubernetes.patience import Patience
from zoo_runner.hera.argo_server import ArgoServer, Workflow
from zoo_runner.hera.nodes import find_node
from zoo_runner.model.errors import EngineError

TakeLine = Callable[[str, str], None]

# what the server still has to send when the workflow has ended already
_REST_SECONDS = 10.0
# a line of Argo's executor among those of the program
_EXECUTOR = re.compile(r"(?:time=\S+ )?level=\w+ msg=.*\bargo=true\b")


class Show(Protocol):
    """What somebody who follows a workflow is shown. Calls may come from two threads."""

    def show_workflow(self, workflow: Workflow) -> None:
        """Show the workflow as it is now."""

    def show_line(self, node: str, text: str) -> None:
        """Show a line that a node printed."""

    def show_away(self, reason: str) -> None:
        """Show that the server is away, and is waited for."""


def follow_workflow(server: ArgoServer, name: str, show: Show) -> Workflow:
    """Show a workflow and its log until it ends, and return it as it was then.

    A server that is away for a while is waited for. Raises `EngineError` where it refuses.
    """
    newest: dict[str, Workflow] = {}

    def take(workflow: Workflow) -> None:
        newest["found"] = workflow
        show.show_workflow(workflow)

    def take_line(pod: str, text: str) -> None:
        if not _EXECUTOR.match(text):
            show.show_line(find_node(newest.get("found", {}), pod), text)

    with _following_log(server, name, take_line):
        return server.follow(name, take, show.show_away)


def start(follow: Callable[[], Workflow]) -> "Future[Workflow]":
    """Follow in a thread that does not keep the process alive: whoever stops following stops no workflow."""
    followed: Future[Workflow] = Future()

    def run() -> None:
        try:
            followed.set_result(follow())
        except Exception as error:  # noqa: BLE001 it is raised where the future is waited for
            followed.set_exception(error)

    threading.Thread(target=run, name="hera-follow", daemon=True).start()
    return followed


@contextmanager
def _following_log(server: ArgoServer, name: str, take: TakeLine) -> Iterator[None]:
    """Read the log while the block runs, and then its rest; a stream that breaks is opened again."""
    ended, once = threading.Event(), Once(take)

    def read() -> None:
        patience, over, whole = Patience(), False, False
        while not over:
            over = ended.is_set()
            try:
                server.read_log(name, not over, once.open_stream(), timestamps=True)
                whole = True
            except EngineError:
                # whether the server answers again is seen, and reported, by who follows the workflow
                whole = False
            # the stream of a workflow that runs ends where the server does
            over = over or (ended.wait(patience.next_wait_seconds()) and whole)

    thread = threading.Thread(target=read, name=f"log-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_REST_SECONDS)


@dataclass
class _Newest:
    """The newest time of a pod's lines, and how many lines of that time were handed on."""

    time: str = ""
    lines: int = 0

    def count(self, time: str) -> None:
        """Count a line that is handed on."""
        if time > self.time:
            self.time, self.lines = time, 0
        self.lines += time == self.time


class Once:
    """Hands on each line of a log once, without its time stamp, although a stream that is opened again repeats them.

    Lines may have equal stamps: CRI-O gives one to all lines of a buffer.
    """

    def __init__(self, take: TakeLine) -> None:
        self._take = take
        self._newest: defaultdict[str, _Newest] = defaultdict(_Newest)

    def open_stream(self) -> TakeLine:
        """Return what takes the lines of a new stream, and leaves out those that earlier ones had."""
        known = {pod: replace(newest) for pod, newest in self._newest.items()}

        def take(pod: str, text: str) -> None:
            time, _, line = text.partition(" ")
            if pod in known and _is_repeated(known[pod], time):
                return
            self._newest[pod].count(time)
            self._take(pod, line)

        return take


def _is_repeated(known: _Newest, time: str) -> bool:
    """Whether a line was handed on before; takes it off those that are still to be repeated."""
    if time != known.time:
        return time < known.time
    known.lines -= 1
    return known.lines >= 0
