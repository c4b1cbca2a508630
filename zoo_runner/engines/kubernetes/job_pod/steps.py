"""The other container of the job pod, as the launcher sees it: it runs steps, and takes messages and the end."""

import itertools
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from zoo_runner.engines.kubernetes.job_pod.channel import Channel
from zoo_runner.engines.kubernetes.job_pod.request import StepRequest
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import EngineLine
from zoo_runner.model.job import Outcome


class Steps:
    """Asks for steps, from any thread; this process ends when the other container does not want it any more."""

    def __init__(self, channel: Channel, messages: Iterator[Mapping[str, Any]]) -> None:
        self._channel, self._messages = channel, messages
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[int | None]] = {}
        self._ready = threading.Event()
        threading.Thread(target=self._receive, daemon=True).start()

    def wait_for_order(self) -> None:
        """Wait until the inputs are staged and the job order is written."""
        self._ready.wait()

    def run(self, request: StepRequest) -> int:
        """Run a step and return its exit code; raises `EngineError` if something else than the tool failed."""
        number = next(self._numbers)
        future = self._waiting[number] = Future[int | None]()
        self._channel.send({"step": to_plain(request), "number": number})
        code = future.result()
        if code is None:  # the other side knows why, and says so
            raise EngineError(f"step {request.step!r} could not be run", "Read the job log.", code="engine.failed")
        return code

    def report(self, line: EngineLine) -> None:
        """Report a message of the engine."""
        self._channel.send({"line": line.text, "severity": line.severity})

    def end(self, outputs: Mapping[str, Any] | None, failure: Outcome | None) -> None:
        """Send how it ended."""
        self._channel.send({"end": to_plain(failure), "outputs": outputs})

    def _receive(self) -> None:
        for message in self._messages:
            if "go" in message:
                self._ready.set()
            else:
                self._waiting.pop(message["number"]).set_result(message["code"])
        os._exit(0)
