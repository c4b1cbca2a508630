"""What the pod of a job finds on the volume of an earlier one that was lost, and in whose place it runs.

Of the earlier run stay the time of its start, how it ended, if it had ended, and the outputs of the steps that had
ended (`finished`). No two pods of a job work at the same time: Kubernetes starts one once the last has ended, and this
one waits for the steps of that.
"""

import queue
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.request import OUT, OUTPUTS, RECORDS
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest
from zoo_runner.engines.kubernetes.owners import find_step
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.files import encode_json, read_unlinked, write_anew
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import Event, Report
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.written import read_json
from zoo_runner.removal import remove_tree

# less than the container that evaluates the package waits for this one
_WAIT_SECONDS = 100.0
_ENDED = ("Succeeded", "Failed")


class Attempts:
    """The files by which the pods of a job know of each other, in its folder; no step mounts them."""

    def __init__(self, folder: Path) -> None:
        self._started, self._again, self._outcome = folder / "started", folder / "again", folder / "outcome.json"
        self._run = folder / "run"

    def begin(self) -> bool:
        """Note when the job started; return whether an earlier pod has done so."""
        if self._started.exists():
            self._again.touch()
        else:
            write_anew(self._started, str(time.time()).encode())
        return self.is_another

    @property
    def is_another(self) -> bool:
        """Whether the pod that began last took the place of an earlier one."""
        return self._again.exists()

    def publish_for(self, report: Report) -> Report:
        """Return how a pod reports that it has published the logs: in the place of another one, not at all.

        It has only its own part of them. Its follower has all, and publishes what no pod says it has published.
        """
        return _ignore if self.is_another else report

    def clear(self) -> None:
        """Remove what an earlier pod has left, but for the outputs of steps that had ended.

        The folder itself is mounted by the container that evaluates.
        """
        for left in self._run.glob("*"):
            is_folder = left.is_dir() and not left.is_symlink()
            if is_folder and left.name in (OUT, OUTPUTS, RECORDS):
                continue
            remove_tree(left) if is_folder else left.unlink()

    def find_outcome(self) -> Outcome | None:
        """Return how the job ended in an earlier pod; None where that did not get so far."""
        if not self._outcome.exists():
            return None
        return from_plain(Outcome, read_json(read_unlinked(self._outcome)))

    def keep_outcome(self, outcome: Outcome) -> bool:
        """Store how the job ended, once; a pod that was stopped does not know whether another follows."""
        if outcome.status is Status.DISMISSED or self._outcome.exists():
            return False
        write_anew(self._outcome, encode_json(to_plain(outcome)))
        return True

    @contextmanager
    def limited(self, seconds: float | None, cancellation: Cancellation) -> Iterator[Cancellation]:
        """Count the job's time limit from its start, whichever pod works."""
        limited = Cancellation(seconds)
        with cancellation.calling(limited.cancel):
            if seconds is None:
                yield limited
                return
            left = float(read_unlinked(self._started)) + seconds - time.time()
            timer = Timer(max(0.0, left), limited.cancel, [Reason.TIME_LIMIT])
            timer.start()
            try:
                yield limited
            finally:
                timer.cancel()


def wait_for_steps(
    cluster: Cluster, steps: Mapping[str, Any], own_uid: str, cancellation: Cancellation, seconds: float = _WAIT_SECONDS
) -> None:
    """Wait until the steps of the earlier pod have ended, which Kubernetes removes with it: they write to the volume.

    Raises `EngineError` where they still run after so many `seconds`.
    """
    changes: queue.SimpleQueue[Change | WatchFailed | None] = queue.SimpleQueue()
    stop = cluster.watch(steps["namespace"], steps["job"], ("Pod",), changes.put)
    deadline = time.monotonic() + seconds
    try:
        with cancellation.calling(lambda: changes.put(None)):
            pods = cluster.find("Pod", steps["namespace"], f"{JOB_LABEL}={steps['job']}")
            running = {pod["metadata"]["name"] for pod in pods if _runs_for_another(pod, own_uid)}
            while running:
                change = changes.get(timeout=max(0.0, deadline - time.monotonic()))
                cancellation.check()
                if isinstance(change, WatchFailed):
                    raise change.error
                if change and (change.change == "DELETED" or not _runs_for_another(change.item, own_uid)):
                    running.discard(change.item["metadata"]["name"])
    except queue.Empty:
        raise EngineError(
            f"the earlier pod of this job was lost, and steps of it still run after {seconds:g} s",
            "Run the job again once they are gone; a node that does not answer keeps them until it is removed.",
            evidence=tuple(sorted(running)),
            level=Level.PLATFORM,
            code="cluster.pod-lost",
        ) from None
    finally:
        stop()


def _runs_for_another(pod: Manifest, own_uid: str) -> bool:
    """Whether a pod is that of a step of another job pod, and may still write."""
    owners = [owner["uid"] for owner in pod["metadata"].get("ownerReferences") or ()]
    return bool(find_step(pod)) and own_uid not in owners and pod.get("status", {}).get("phase") not in _ENDED


def _ignore(_: Event) -> None:
    """Leave it to the follower to publish the logs, and to say so."""
