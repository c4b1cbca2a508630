"""Runs a command under the supervisor: passes on its lines, returns its exit code, leaves nothing behind."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

from zoo_runner.lines import LONGEST_LINE, iterate_lines
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_KEPT_COMPLAINTS = 200
_CHUNK_BYTES = 1 << 20
LONGEST_EVENT = 64 << 20
"""Bytes after which a line of stdout is cut: no launcher writes such an event."""


class Supervised:
    """One command under the supervisor (see its module for `order`); started when created, ended when closed.

    `python` runs the supervisor: inside a ZOO kernel `sys.executable` may be another program, or empty.
    """

    def __init__(self, order: Mapping[str, Any], python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-I", "-S", str(_SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            start_new_session=True,
        )
        self._stdin, self._stdout, stderr = _pipes(self._process)
        self._complaints: list[str] = []
        self._drain = threading.Thread(target=self._read_complaints, args=(stderr,), daemon=True)
        self._drain.start()
        self._send(json.dumps(order).encode())

    def __enter__(self) -> "Supervised":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the command has ended."""
        return self._process.poll() is not None

    def hand_over(self, job: Mapping[str, Any]) -> None:
        """Give a command that waits for its job (see the supervisor) that job; `follow` reports one that has ended."""
        with contextlib.suppress(OSError):
            self._send(json.dumps(job).encode())

    def follow(self, on_lines: Callable[[Sequence[str]], None], cancellation: Cancellation) -> int:
        """Pass on the lines of stdout, as many at once as there are, until the command ends; return its exit code."""
        with cancellation.calling(self.stop):
            for lines in iterate_lines(self._read_some, LONGEST_EVENT):
                on_lines(lines)
            return self._process.wait()

    def _read_some(self) -> bytes:
        return cast(BufferedReader, self._stdout).read1(_CHUNK_BYTES)

    @property
    def complaints(self) -> tuple[str, ...]:
        """The last lines of stderr, once the command has ended."""
        self._drain.join()
        return tuple(self._complaints)

    def stop(self) -> None:
        """Let the supervisor end the command, if it still runs."""
        with contextlib.suppress(OSError, ValueError):
            self._send(b"cancel")

    def close(self) -> None:
        """End the command if it still runs, and close all pipes."""
        if not self.ended:
            self.stop()
        self._process.wait()
        self._drain.join()
        self._stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()

    def _send(self, line: bytes) -> None:
        self._stdin.write(line + b"\n")
        self._stdin.flush()

    def _read_complaints(self, stream: IO[bytes]) -> None:
        with stream:
            for lines in iterate_lines(lambda: cast(BufferedReader, stream).read1(_CHUNK_BYTES), LONGEST_LINE):
                self._complaints.extend(line.rstrip() for line in lines[-_KEPT_COMPLAINTS:])
                del self._complaints[:-_KEPT_COMPLAINTS]


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise EngineError("the supervisor has no pipes", "Please report this internal error.", code="runner.defect")
    return process.stdin, process.stdout, process.stderr
