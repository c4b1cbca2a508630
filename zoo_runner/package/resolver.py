"""A process that has cwltool in memory, for doors that resolve many packages: each package in a child of its own.

Importing cwltool and parsing CWL's schemas take longer than all else of a deployment. A child is forked from the
process that has done so, and ends with its package: nothing of a package stays, and its limits are its own.
"""

import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo_runner.package.resolver import serve; serve()"
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
    program = (
        "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['path'];"
        " from zoo_runner.package.prepare import resolve; resolve(order)"
    )
    done = subprocess.run(
        [find_python(settings), "-I", "-c", program],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
        env=_build_environ(settings),
    )
    return Resolved(done.returncode, done.stdout, done.stderr)


class WarmResolver:
    """Starts its process with the first package, which does not wait for it, as no other does while it is busy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()

    def __call__(self, order: Mapping[str, Any], settings: Settings) -> Resolved:
        """Have a child resolve a package."""
        if self._lock.acquire(blocking=False):
            try:
                if (process := self._find(settings)) and (done := _ask(process, order)):
                    return done
            finally:
                self._lock.release()
        return resolve_in_new_process(order, settings)

    @property
    def ready(self) -> bool:
        """Whether its process has in memory what it needs."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """The id of its process; None before the first package."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process:
            # this closes its pipes, and waits for it
            with self._process as process:
                process.kill()

    def _find(self, settings: Settings) -> "subprocess.Popen[str] | None":
        """Return the process once it is ready; start it where there is none."""
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._ready.clear()
            self._process = _start(settings)
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
    )


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
    from zoo_runner.package.prepare import resolve

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
