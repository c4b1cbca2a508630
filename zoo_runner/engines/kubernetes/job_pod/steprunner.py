"""Runs step pods from inside the job pod: each from its creation to its end, with its whole log."""

import contextlib
import json
import queue
import random
import string
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zoo_runner.config.kubernetes import parse_quantity
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError, is_too_large
from zoo_runner.engines.kubernetes.job_pod.printed import PrintedReader
from zoo_runner.engines.kubernetes.job_pod.printing import PRINTED_FOLDER
from zoo_runner.engines.kubernetes.job_pod.request import StepRequest, ensure_unlinked
from zoo_runner.engines.kubernetes.job_pod.steplog import StepLog
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner, build_step_pod, name_step_pod, show_pod
from zoo_runner.engines.kubernetes.job_pod.used import Used, parse_used
from zoo_runner.engines.kubernetes.job_pod.written_folders import MarkRoom, WrittenFolders
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pods import (
    Ending,
    build_lost,
    explain_ending,
    find_cwl_ending,
    find_ending,
    find_start_failure,
    has_ended,
    has_started,
)
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError, ToolError
from zoo_runner.model.events import EngineLine, Event, StepEnded, StepLines, StepStarted
from zoo_runner.model.masking import Masker

# what a kubelet may take to report that a container has ended
_STATUS_SECONDS = 5.0
_SUCCEEDED = "SUCCEEDED"
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 10.0


class StepRunner:
    """Runs steps, each in the thread that calls `run`; one watch serves all pods of the job."""

    def __init__(
        self, cluster: Cluster, settings: Mapping[str, Any], owner: Owner, emit: Callable[[Event], None], volume: Path
    ) -> None:
        self._cluster, self._settings, self._owner, self._emit = cluster, settings, owner, emit
        self._volume, self._mark_room = volume.resolve(), MarkRoom()
        self._printed = PrintedReader(self._volume / PRINTED_FOLDER)
        self._masker = Masker()
        self._stopped = threading.Event()
        self._queues: dict[str, queue.Queue[tuple[str, Manifest]]] = {}
        self._blind: RunnerError | None = None
        cluster.watch(settings["namespace"], settings["job"], ("Pod",), self._note_change)

    def run(self, request: StepRequest) -> int:
        """Run a step to its end and return its exit code; a step whose pod is lost is started again, a few times.

        Its folders are then as before; where they cannot be made so (see `WrittenFolders`), it is not started again.
        Raises `RunnerError` if something other than the tool failed.
        """
        started, step = time.time(), request.step
        self._emit(StepStarted(step, request.command, started))
        exit_code: int | None = None
        used = Used()
        try:
            ending, pod = self._attempt_repeatedly(request)
            used = parse_used(ending.message)
            if error := explain_ending(pod, ending):
                exit_code = 137 if isinstance(error, ToolError) else None
                raise error
            exit_code = ending.exit_code
        finally:
            self._emit(StepEnded(step, started, time.time(), exit_code, used.cpu_seconds, used.peak_memory_mib))
        return exit_code

    def _attempt_repeatedly(self, request: StepRequest) -> tuple[Ending, Manifest]:
        left = int(self._settings["retries"])
        written = [self._volume / one.source for one in request.mounts if left and not one.read_only]
        with WrittenFolders(written, self._mark_room) as folders:
            while True:
                tag = "".join(random.choices(string.ascii_lowercase, k=6))
                ending, pod = self._attempt(request, tag)
                error = explain_ending(pod, ending)
                last = left == 0 or self._stopped.is_set()
                if error is None or last or error.diagnosis.level is not Level.PLATFORM:
                    return ending, pod
                ensure_unlinked(request.mounts, self._volume)
                if reason := folders.restore():
                    self._emit(EngineLine("warning", f"{error}; it is not started again: {reason}"))
                    return ending, pod
                left -= 1
                self._emit(EngineLine("warning", f"{error}; starting it again ({left} more times at most)"))
                self._emit(StepStarted(request.step, request.command, time.time()))

    def _attempt(self, request: StepRequest, tag: str) -> tuple[Ending, Manifest]:
        name = name_step_pod(request, self._settings, tag)
        changes = self._queues[name] = queue.Queue()
        take = partial(self._take, request.step)
        log = StepLog(
            self._cluster,
            self._settings["namespace"],
            name,
            self._printed,
            take,
            lambda used: changes.put((_SUCCEEDED, {"used": used})),
        )
        pod: Manifest = {"metadata": {"name": name}}
        try:
            pod = manifest = self._create(request, tag, log)
            while True:
                change, item = ("BLIND", manifest) if self._blind else log.wait(changes)
                if change == _SUCCEEDED:
                    return Ending(0, "Completed", item["used"]), pod
                if self._blind:
                    raise self._blind
                pod = item
                if has_started(pod):
                    log.start()
                if ending := _judge(change, pod):
                    return ending, pod
        finally:
            if problem := log.finish(is_whole=has_ended(pod)):
                self._emit(EngineLine("warning", f"the log of step {request.step!r} may lack lines: {problem}"))
            del self._queues[name]
            with contextlib.suppress(RunnerError):  # it is deleted with the job pod in any case
                self._cluster.delete("Pod", self._settings["namespace"], name, grace_seconds=0)

    def _take(self, step: str, lines: Sequence[str]) -> None:
        self._emit(StepLines(step, lines))

    def _create(self, request: StepRequest, tag: str, log: StepLog) -> Manifest:
        """Create the pod; one that keeps what it prints on the volume, unless the cluster refuses that."""

        def build(*, keeps_printed: bool) -> Manifest:
            pod = build_step_pod(request, self._settings, tag, self._owner, keeps_printed=keeps_printed)
            shown = show_pod(pod, self._masker)[:LONGEST_LINE]
            self._emit(EngineLine("info", f"pod {pod['metadata']['name']}: {shown}"))
            return pod

        manifest = build(keeps_printed=log.is_kept)
        try:
            self._insist(request.step, manifest)
        except EngineError as error:
            # policies of an earlier version, or a site's own, know no folder for it
            if not log.is_kept or not isinstance(error.__cause__, ApiError) or not _is_policy(error.__cause__):
                raise
            log.keep_nothing()
            self._printed.refuse()
            self._emit(EngineLine("warning", f"what steps print is read from the logs of their pods: {error}"))
            manifest = build(keeps_printed=False)
            self._insist(request.step, manifest)
        return manifest

    def _insist(self, step: str, manifest: Manifest) -> None:
        """Create the pod; waits for an unavailable API and for room in a quota that others use."""
        deadline = time.monotonic() + float(self._settings["pending_seconds"])
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            try:
                self._cluster.create(manifest)
            except ApiError as error:
                if not _may_pass(error) or time.monotonic() > deadline:
                    raise _explain_refusal(step, error) from error
                self._emit(EngineLine("warning", f"step {step!r} waits: {error}"))
            else:
                return
            self._stopped.wait(wait_seconds)
            wait_seconds = min(wait_seconds * 2, _LONGEST_WAIT_SECONDS)

    def _note_change(self, change: Change | WatchFailed) -> None:
        if isinstance(change, WatchFailed):
            self._blind = change.error
            for changes in tuple(self._queues.values()):
                changes.put(("BLIND", {}))
        elif queued := self._queues.get(change.item["metadata"]["name"]):
            queued.put((change.change, change.item))

    def explain_cwl(self, cancellation: Cancellation) -> RunnerError | None:
        """Find out why the container that evaluates the package has ended; None if its status does not say so soon."""
        # of this kind, because a signal handler may put something into it
        pods: queue.SimpleQueue[Manifest | None] = queue.SimpleQueue()

        def take(change: Change | WatchFailed) -> None:
            if isinstance(change, Change) and change.item["metadata"]["name"] == self._owner.name:
                pods.put(change.item)

        stop = self._cluster.watch(self._settings["namespace"], self._settings["job"], ("Pod",), take)
        deadline = time.monotonic() + _STATUS_SECONDS
        try:
            with cancellation.calling(lambda: pods.put(None)):
                while pod := pods.get(timeout=max(0.0, deadline - time.monotonic())):
                    if ending := find_cwl_ending(pod):
                        return explain_ending(pod, ending)
        except queue.Empty:
            pass
        finally:
            stop()
        return None

    def stop(self) -> None:
        """Delete the pods of the steps that run."""
        self._stopped.set()
        for name in tuple(self._queues):
            with contextlib.suppress(RunnerError):  # it is deleted with the job pod in any case
                self._cluster.delete("Pod", self._settings["namespace"], name, grace_seconds=0)


def _judge(change: str, pod: Manifest) -> Ending | None:
    """Return how the step ended, None while it has not; raises `RunnerError` if it cannot start."""
    if (ending := find_ending(pod)) and _is_final(pod, ending):
        return ending
    if change == "DELETED":
        return Ending(-1, "Lost", build_lost(pod, "").diagnosis.cause)
    if failure := find_start_failure(pod):
        raise failure
    return None


def _is_final(pod: Manifest, ending: Ending) -> bool:
    """Whether the container ended by itself, and not because its pod is being deleted."""
    return not ("deletionTimestamp" in pod["metadata"] and ending.exit_code in (137, 143, -1))


def _is_policy(error: ApiError) -> bool:
    """Whether a request was refused by a rule of the cluster, and for no want of room."""
    return error.status in (403, 422) and "exceeded quota" not in error.message


def _may_pass(error: ApiError) -> bool:
    if "status unknown for quota" in error.message:  # it was just created, and its usage is not counted yet
        return True
    if "exceeded quota" in error.message:
        return not exceeds_quota_alone(error.message)
    return error.status in (0, 429) or (error.status >= 500 and not is_too_large(error.message))


def exceeds_quota_alone(message: str) -> bool:
    """Whether a request is larger than the whole quota, so that waiting does not help."""
    amounts: dict[str, dict[str, float]] = {}
    for kind in ("requested", "limited"):
        text = message.partition(f"{kind}: ")[2].partition(", used:" if kind == "requested" else "\n")[0]
        amounts[kind] = {
            name: parse_quantity(value) for name, _, value in (pair.partition("=") for pair in text.split(",")) if value
        }
    return any(amount > amounts["limited"].get(name, amount) for name, amount in amounts["requested"].items())


def _explain_refusal(step: str, error: ApiError) -> RunnerError:
    if "exceeded quota" in error.message:
        return EngineError(
            f"the namespace's resource quota leaves no room for step {step!r}: {error.message.partition(': ')[2]}",
            "Lower the ResourceRequirement, wait until other jobs end, or ask the operator to raise the quota.",
            evidence=(error.message,),
            step=step,
            code="cluster.quota",
        )
    return EngineError(
        f"the cluster refuses the pod of step {step!r}: {error.message or json.dumps(error.reason)}",
        error.diagnosis.remedy,
        evidence=(error.message,),
        level=Level.USER if is_too_large(error.message) else error.diagnosis.level,
        step=step,
        code=error.diagnosis.code,
    )
