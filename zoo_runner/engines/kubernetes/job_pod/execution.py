"""A package under evaluation in the container `cwl`, from the side that has the credentials and the token.

That container has neither. It reads the package and the staged inputs, evaluates, and asks for steps; everything that
it sends is checked here.
"""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.diagnose import Findings, build_refused, diagnose_execution
from zoo_runner.engines.cwl_process.engine_lines import EngineLines
from zoo_runner.engines.cwl_process.links import list_paths
from zoo_runner.engines.cwl_process.parameters import PACKAGE, build_launch_parameters
from zoo_runner.engines.kubernetes.bundle import FILES_FOLDER
from zoo_runner.engines.kubernetes.job_pod.broker import Broker
from zoo_runner.engines.kubernetes.job_pod.channel import Channel, Offer
from zoo_runner.engines.kubernetes.job_pod.request import VERSIONS
from zoo_runner.engines.kubernetes.manifests import CHANNEL_FOLDER
from zoo_runner.engines.pipeline import Staged
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import encode_json, write_anew, write_json
from zoo_runner.inputs.file_objects import find_remote_files
from zoo_runner.lines import LONGEST_LINE, iterate_lines
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.codec import from_plain
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Event, Report
from zoo_runner.model.job import Outcome
from zoo_runner.model.outcomes import restore_error

_KEPT_COMPLAINTS = 200
_LARGEST_FAILURE_BYTES = 1 << 20
# what the last lines may take that the other container has printed
_COMPLAINT_SECONDS = 1.0
_CHUNK_BYTES = 1 << 20


def prepare(job: JobSpec, earlier: Iterable[Path] = ()) -> dict[str, Any]:
    """Create the folders of a run and write its package; return where all of it is, for the launcher.

    `earlier` are the runs that this one continues: files of the package may be theirs.
    """
    scratch = job.paths.scratch
    for name in ("inputs", "tmp", "out", "outputs"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    write_json(scratch / PACKAGE, job.package.document)
    # those that came with the job, and those that were staged
    folders = [folder for run in (scratch, *earlier) for folder in (run.parent / FILES_FOLDER, run / "inputs")]
    paths = [
        path for path in list_paths(job.package.document) if any(Path(path).is_relative_to(one) for one in folders)
    ]
    return {
        **build_launch_parameters(job, scratch),
        "is_staged": bool(find_remote_files(job.package)),
        "package_files": paths,
    }


class Observer:
    """Reports events, and keeps what a diagnosis may need of them; threads may share it."""

    def __init__(self, emit: Report) -> None:
        self._emit, self._lock, self.findings = emit, threading.Lock(), Findings()

    def __call__(self, event: Event) -> None:
        """Report an event."""
        with self._lock:
            self.findings.add(event)
            self._emit(event)

    def keep(self, event: Event) -> None:
        """Keep what a diagnosis may need of an event that is not reported."""
        with self._lock:
            self.findings.add(event)


class Execution:
    """The evaluation of one package: offered early, so that the package is loaded while its inputs are staged.

    `spec` is what the other container gets to know; `explain` finds out why it ended without a word.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        broker: Broker,
        observe: Observer,
        explain: Callable[[Cancellation], RunnerError | None],
        folder: Path = Path(CHANNEL_FOLDER),
    ) -> None:
        self._spec, self._broker, self._observe, self._explain = spec, broker, observe, explain
        self._complaints: list[str] = []
        self._engine_lines = EngineLines(observe, observe.keep)
        self._offer = Offer(folder)
        self._channel: Channel | None = None
        self._joined: Future[Channel] = Future()
        reading, writing = os.pipe()
        self._reader = threading.Thread(target=self._read_complaints, args=(reading,), daemon=True)
        self._reader.start()
        threading.Thread(target=self._welcome, args=(writing,), daemon=True).start()

    def execute(self, staged: Staged, cancellation: Cancellation) -> dict[str, Any]:
        """Run the CWL on what was staged and return its output object; raises why it failed."""
        # the other container may read its package at any time, and may write to the folder too
        if self._spec["is_staged"]:
            write_anew(Path(self._spec["package"]), encode_json(staged.document))
        write_anew(Path(self._spec["scratch"]) / VERSIONS, encode_json(dict(staged.versions)))
        write_anew(Path(self._spec["order"]), encode_json(dict(staged.order)))
        with cancellation.calling(self._stop):
            end = self._converse()
        cancellation.check()
        if end is not None and isinstance(end.get("outputs"), dict) and not self._broker.failure:
            outputs: dict[str, Any] = end["outputs"]
            return outputs
        error = self._find_error(end, cancellation)
        # where the pod is stopped, both containers are, in any order
        cancellation.check()
        raise error

    def close(self) -> None:
        """End the evaluation."""
        self._stop()

    def _stop(self) -> None:
        self._offer.close()
        if self._channel:
            self._channel.close()

    def _welcome(self, writing: int) -> None:
        """Wait for the other container, and send it what to load."""
        try:
            self._channel = self._offer.accept(writing)
            self._channel.send({"spec": self._spec})
        except OSError as error:
            self._joined.set_exception(error)
        else:
            self._joined.set_result(self._channel)
        finally:
            os.close(writing)

    def _converse(self) -> dict[str, Any] | None:
        """Let the other container evaluate, and serve it; return its last message, None if it ended without one."""
        with contextlib.suppress(OSError):
            channel = self._joined.result()
            channel.send({"go": True})
            try:
                for message in channel.receive():
                    if self._broker.has_refused:
                        return None
                    if "end" in message:
                        return message
                    self._take(message, channel)
            except ValueError as error:
                raise build_refused(str(error)) from error
        return None

    def _take(self, message: Mapping[str, Any], channel: Channel) -> None:
        """Take a line of the log or a request for a step; raises `ValueError` for anything else."""
        match message:
            case {"line": str(text), "severity": "info" | "warning" | "error" as severity}:
                self._engine_lines.report(EngineLine(severity, text))
            case {"step": dict(request), "number": int(number)}:

                def answer(code: int | None) -> None:
                    if self._broker.has_refused:
                        channel.close()
                    with contextlib.suppress(OSError):
                        channel.send({"number": number, "code": code})

                self._broker.start(request, answer)
            case _:
                raise ValueError(f"unknown message with {', '.join(sorted(message))[:100]}")

    def _find_error(self, end: Mapping[str, Any] | None, cancellation: Cancellation) -> RunnerError:
        """Find why there are no outputs: what the broker saw comes first, which the other container cannot forge."""
        if self._broker.failure:
            return self._broker.failure
        if end is None and (explained := self._explain(cancellation)):
            return explained
        self._reader.join(_COMPLAINT_SECONDS)
        for text in self._complaints:
            self._observe(EngineLine("warning", text))
        return _read_failure(end or {}) or diagnose_execution(self._observe.findings)

    def _read_complaints(self, reading: int) -> None:
        with os.fdopen(reading, "rb") as stream:
            for lines in iterate_lines(lambda: stream.read1(_CHUNK_BYTES), LONGEST_LINE):
                self._complaints = [*self._complaints, *lines][-_KEPT_COMPLAINTS:]


def _read_failure(end: Mapping[str, Any]) -> RunnerError | None:
    """Read the error that the other container found; None if it found none, or says what is no error."""
    failure = end.get("end")
    if not isinstance(failure, dict) or len(json.dumps(failure)) > _LARGEST_FAILURE_BYTES:
        return None
    try:
        return restore_error(from_plain(Outcome, failure))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
