"""Runs the steps that the container `cwl` asks for, as far as the settings of the job allow."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo_runner.engines.kubernetes.job_pod.request import StepRequest, ensure_unlinked, read_request
from zoo_runner.model.errors import EngineError, RunnerError

RunStep = Callable[[StepRequest], int]
"""Runs a step to its end and returns its exit code; raises `RunnerError` if something else than the tool failed."""

MOST_STEPS = 200
"""How many steps of one job run at the same time."""
MOST_REQUESTS = 2000
"""How many of its requests are open at the same time: each has a thread, which runs the step or waits for room."""


class Room:
    """The cores and memory (MiB) that the steps of a job use at the same time; further steps wait for their turn."""

    def __init__(self, cores: float, ram: float, steps: int = MOST_STEPS) -> None:
        self._limits = {"cores": cores, "ram": ram, "steps": float(steps)}
        self._used = dict.fromkeys(self._limits, 0.0)
        self._changed = threading.Condition()

    @contextmanager
    def take(self, cores: float, ram: float) -> Iterator[None]:
        """Wait until there is room, and have it; raises `ValueError` for more than there ever is."""
        wanted = {"cores": cores, "ram": ram, "steps": 1.0}
        if not self._fits(wanted, dict.fromkeys(wanted, 0.0)):
            raise ValueError(f"{cores:g} cores and {ram:g} MiB are above the limits of the job")
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
    """Checks each request and runs it in a thread; `failures` has what went wrong apart from tools."""

    def __init__(self, run: RunStep, room: Room, volume: Path) -> None:
        self._run, self._room, self._volume = run, room, volume
        self._open = threading.BoundedSemaphore(MOST_REQUESTS)
        self.failures: list[RunnerError] = []

    def start(self, data: Mapping[str, Any], answer: Callable[[int | None], None]) -> None:
        """Start a step and return; `answer` is called with its exit code, or None if it could not be run.

        Raises `ValueError` for more open requests than any package has.
        """
        if not self._open.acquire(blocking=False):
            raise ValueError(f"more than {MOST_REQUESTS} requests at a time")
        threading.Thread(target=self._serve, args=(data, answer), daemon=True).start()

    def _serve(self, data: Mapping[str, Any], answer: Callable[[int | None], None]) -> None:
        code: int | None = None
        try:
            code = self._execute(data)
        except ValueError as error:
            self.failures.append(build_refused(str(error)))
        except RunnerError as error:
            self.failures.append(error)
        finally:
            self._open.release()
        answer(code)

    def _execute(self, data: Mapping[str, Any]) -> int:
        request = read_request(data)
        ensure_unlinked(request.mounts, self._volume)
        with self._room.take(request.cores, request.ram):
            return self._run(request)


def build_refused(reason: str) -> RunnerError:
    """Build the error of a request that is not one of Calrissian's."""
    return EngineError(
        f"the container that evaluates the package made a forbidden request: {reason}",
        "Do not run this package again before somebody has looked at it: expressions of it may have left their"
        " interpreter.",
        code="engine.refused-request",
    )
