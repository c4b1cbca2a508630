"""Follow a workflow to its end: its nodes as they change and what its pods print, both at the same time."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
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
                server.read_log(name, not over, once, timestamps=True)
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


class Once:
    """Hands on each line of a log once, without its time stamp, although a stream that is opened again repeats them."""

    def __init__(self, take: TakeLine) -> None:
        self._take = take
        self._last: dict[str, str] = {}

    def __call__(self, pod: str, text: str) -> None:
        """Hand on a line, unless it is known."""
        time, _, line = text.partition(" ")
        if time > self._last.get(pod, ""):
            self._last[pod] = time
            self._take(pod, line)
