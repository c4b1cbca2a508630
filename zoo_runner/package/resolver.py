"""A process that has cwltool in memory, for adapters that resolve many packages: each package in a child of its own.

Importing cwltool and parsing CWL's schemas take longer than all else of a deployment. A child is forked from the
process that has done so, and ends with its package: nothing of a package stays, and its limits are its own.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import EngineError

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo_runner.package.resolver import serve; serve()"
)
_PROGRAM_FOR_ONE = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['path'];"
    " from zoo_runner.package.resolution import resolve; resolve(order)"
)
_READY = "ready\n"


@dataclass(frozen=True)
class Resolved:
    """How a child has ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Resolve = Callable[[Mapping[str, Any], Settings], Resolved]
"""Has a child process resolve the package of an order."""


def resolve_in_new_process(order: Mapping[str, Any], settings: Settings) -> Resolved:
    """Start Python for one package."""
    return _finish(_start_for_one(settings), order)


class WarmResolver:
    """Starts its process with the first package, which does not wait for it, as no other does while it is busy."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self._known: set[subprocess.Popen[str]] = set()
        self._interrupted = False

    def __call__(self, order: Mapping[str, Any], settings: Settings) -> Resolved:
        """Have a child resolve a package; raises `EngineError` where it was interrupted."""
        done = self._resolve_warm(order, settings)
        if done is None and not self._interrupted:
            done = self._resolve_cold(order, settings)
        if done is None or (done.returncode and self._interrupted):
            raise EngineError(
                "the server stops, and the package was not resolved",
                "Send the request again when the server runs.",
                code="request.interrupted",
            )
        return done

    @property
    def ready(self) -> bool:
        """Whether its process has in memory what it needs."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """The id of its process; None before the first package."""
        return self._process.pid if self._process else None

    def interrupt(self) -> None:
        """End everything that is resolved now, and resolve nothing more; may be called by a signal's handler."""
        self._interrupted = True
        for process in tuple(self._known):
            _kill(process)

    def close(self) -> None:
        """Interrupt, and wait until its process has ended."""
        self.interrupt()
        with self._turn:
            self._end()

    def _resolve_warm(self, order: Mapping[str, Any], settings: Settings) -> Resolved | None:
        if not self._turn.acquire(blocking=False):
            return None
        try:
            process = self._find(settings)
            return _ask(process, order) if process else None
        finally:
            self._turn.release()

    def _resolve_cold(self, order: Mapping[str, Any], settings: Settings) -> Resolved:
        process = self._keep(_start_for_one(settings))
        try:
            return _finish(process, order)
        finally:
            self._known.discard(process)

    def _keep(self, process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
        """Know a process that was started, so that it can be interrupted."""
        self._known.add(process)
        if self._interrupted:
            _kill(process)
        return process

    def _end(self) -> None:
        if self._process:
            # this closes its pipes, and waits for it
            with self._process as process:
                _kill(process)
            self._known.discard(process)

    def _find(self, settings: Settings) -> "subprocess.Popen[str] | None":
        """Return the process once it is ready; start it where there is none."""
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._ready.clear()
            self._process = self._keep(_start(settings))
            threading.Thread(target=self._await, args=(self._process,), name="resolver", daemon=True).start()
        return self._process if self._ready.is_set() else None

    def _await(self, process: "subprocess.Popen[str]") -> None:
        if process.stdout and process.stdout.readline() == _READY:
            self._ready.set()


def _start(settings: Settings) -> "subprocess.Popen[str]":
    paths = [path for path in sys.path if path and Path(path).is_absolute()]
    return subprocess.Popen(
        [find_python(settings), "-I", "-c", _PROGRAM, json.dumps(paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_build_environ(settings),
        start_new_session=True,
    )


def _start_for_one(settings: Settings) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [find_python(settings), "-I", "-c", _PROGRAM_FOR_ONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_build_environ(settings),
        start_new_session=True,
    )


def _finish(process: "subprocess.Popen[str]", order: Mapping[str, Any]) -> Resolved:
    """Hand an order to a process that is for this one, and wait for its end."""
    with process:
        try:
            out, err = process.communicate(json.dumps(order))
        except BaseException:
            _kill(process)
            raise
    return Resolved(process.returncode, out, err)


def _kill(process: "subprocess.Popen[str]") -> None:
    """End a process with its children."""
    # the number of one that has ended may be another's by now
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _build_environ(settings: Settings) -> dict[str, str]:
    return {name: settings.inherited.get(name, "") for name in ("PATH", "HOME")}


def _ask(process: "subprocess.Popen[str]", order: Mapping[str, Any]) -> Resolved | None:
    """Hand an order to the process; None where it has died."""
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return Resolved(**json.loads(process.stdout.readline()))
    except (OSError, ValueError):
        return None


def serve() -> None:
    """Read orders, one a line, and answer each when its child has ended; until the input ends."""
    from zoo_runner.package.packing import load_schemas

    load_schemas()
    gc.collect()
    gc.freeze()
    sys.stdout.write(_READY)
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_run_child(line))) + "\n")
        sys.stdout.flush()


def _run_child(line: str) -> Resolved:
    with os.fdopen(os.memfd_create("out"), "w+b") as out, os.fdopen(os.memfd_create("err"), "w+b") as err:
        child = os.fork()
        if child == 0:
            _be_child(line, out, err)
        returncode = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return Resolved(returncode, _read(out), _read(err))


def _be_child(line: str, out: IO[bytes], err: IO[bytes]) -> None:
    """Resolve the package of an order, and end; the parent reads the orders after it."""
    from zoo_runner.package.resolution import resolve

    failed = 1
    try:
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 its number is needed
            for number, file in enumerate((nothing, out, err)):
                os.dup2(file.fileno(), number)
        resolve(json.loads(line))
        sys.stdout.flush()
        failed = 0
    finally:
        if failed:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(failed)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
