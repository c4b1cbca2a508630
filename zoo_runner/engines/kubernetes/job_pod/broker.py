"""Runs the steps that the container `cwl` asks for, as far as the settings of the job allow."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.diagnose import build_refused
from zoo_runner.engines.kubernetes.job_pod.request import StepRequest, ensure_unlinked, read_request
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.outcomes import build_defect

RunStep = Callable[[StepRequest], int]
"""Runs a step to its end and returns its exit code; raises `RunnerError` if something else than the tool failed."""

MOST_STEPS = 200
"""How many steps of one job run at the same time."""
MOST_REQUESTS = 2000
"""How many of its requests are open at the same time: each has a thread, which runs the step or waits for room."""
MOST_OPEN_BYTES = 64 << 20
"""What the open requests have together, as JSON."""
LARGEST_REQUEST_BYTES = 3 << 19
"""What one of them has, without the command for the log: etcd stores no pod above 1.5 MiB."""


class Room:
    """The cores and memory (MiB) that the steps of a job use at the same time; further steps wait for their turn."""

    def __init__(self, cores: float, ram: float, steps: int = MOST_STEPS) -> None:
        self._limits = {"cores": cores, "ram": ram, "steps": float(steps)}
        self._used = dict.fromkeys(self._limits, 0.0)
        self._changed = threading.Condition()

    def ensure_enough(self, cores: float, ram: float) -> None:
        """Raise `ValueError` for more than there ever is."""
        if not self._fits({"cores": cores, "ram": ram}, dict.fromkeys(self._limits, 0.0)):
            raise ValueError(f"{cores:g} cores and {ram:g} MiB are above the limits of the job")

    @contextmanager
    def take(self, cores: float, ram: float) -> Iterator[None]:
        """Wait until there is room, and have it."""
        wanted = {"cores": cores, "ram": ram, "steps": 1.0}
        with self._changed:
            self._changed.wait_for(lambda: self._fits(wanted, self._used))
            self._add(wanted, 1)
        try:
            yield
        finally:
            with self._changed:
                self._add(wanted, -1)
                self._changed.notify_all()

    def _fits(self, wanted: Mapping[str, float], used: Mapping[str, float]) -> bool:
        # sums of fractions of a core
        return all(used[kind] + amount <= self._limits[kind] + 1e-6 for kind, amount in wanted.items())

    def _add(self, wanted: Mapping[str, float], sign: int) -> None:
        for kind, amount in wanted.items():
            self._used[kind] += sign * amount


class Broker:
    """Checks each request and runs it in a thread.

    `failure` is the first thing that went wrong apart from tools; after a refused request (`has_refused`) nothing more
    is to be taken from the other container.
    """

    def __init__(self, run: RunStep, room: Room, volume: Path) -> None:
        self._run, self._room, self._volume = run, room, volume
        self._lock, self._open, self._open_bytes = threading.Lock(), 0, 0
        self.failure: RunnerError | None = None
        self.has_refused = False

    def start(self, data: Mapping[str, Any], answer: Callable[[int | None], None]) -> None:
        """Start a step and return; `answer` is called with its exit code, or None if it could not be run.

        Raises `ValueError` for a request that is not allowed, and for more open ones than any package has.
        """
        request = read_request(data)
        size = len(json.dumps(to_plain(replace(request, command=""))))
        self._room.ensure_enough(request.cores, request.ram)
        if size > LARGEST_REQUEST_BYTES:
            self._note(_build_too_large(request.step, size))
            answer(None)
            return
        self._admit(size)
        threading.Thread(target=self._serve, args=(request, size, answer), daemon=True).start()

    def _admit(self, size: int) -> None:
        with self._lock:
            if self._open >= MOST_REQUESTS or self._open_bytes + size > MOST_OPEN_BYTES:
                raise ValueError(f"more than {MOST_REQUESTS} requests or {MOST_OPEN_BYTES >> 20} MiB at a time")
            self._open, self._open_bytes = self._open + 1, self._open_bytes + size

    def _serve(self, request: StepRequest, size: int, answer: Callable[[int | None], None]) -> None:
        code: int | None = None
        try:
            code = self._execute(request)
        except ValueError as error:
            self._note(build_refused(str(error)))
            self.has_refused = True
        except RunnerError as error:
            self._note(error)
        except Exception as error:  # noqa: BLE001 without an answer the package waits until the time limit of the job
            self._note(build_defect(error))
        finally:
            with self._lock:
                self._open, self._open_bytes = self._open - 1, self._open_bytes - size
        answer(code)

    def _execute(self, request: StepRequest) -> int:
        with self._room.take(request.cores, request.ram):
            # not before: a request may wait for hours, and what it mounts may be replaced by a link meanwhile
            ensure_unlinked(request.mounts, self._volume)
            return self._run(request)

    def _note(self, failure: RunnerError) -> None:
        with self._lock:
            self.failure = self.failure or failure


def _build_too_large(step: str, size: int) -> RunnerError:
    return EngineError(
        f"the command, variables and files of step {step!r} have {size / 2**20:.1f} MiB, and"
        f" Kubernetes stores no pod above {LARGEST_REQUEST_BYTES / 2**20:.1f} MiB",
        "Give long inputs as files, and many files as a folder.",
        step=step,
        code="cluster.too-large",
    )
