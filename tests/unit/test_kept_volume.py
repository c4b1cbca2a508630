"""The volume of a job whose results could not be stored: until when it waits, and when there is none."""

from typing import Any, cast

import pytest

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.kept import find_end_of_stay, keep_volume
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.model import clock
from zoo_runner.model.errors import StageOutError

NAMES = Names("ws-a", "job-1")
HOURS = 72.0
ENDED = "2026-01-01T00:00:00Z"
FAILED = {"type": "Failed", "status": "True", "lastTransitionTime": ENDED}
ROOTS: dict[str, Manifest] = {
    "a Job": {"spec": {"ttlSecondsAfterFinished": 3600}, "status": {"completionTime": ENDED}},
    "a Job that failed": {"spec": {"ttlSecondsAfterFinished": 3600}, "status": {"conditions": [FAILED]}},
    "a Workflow": {"spec": {"ttlStrategy": {"secondsAfterCompletion": 3600}}, "status": {"finishedAt": ENDED}},
}


class ClusterWith:
    """A cluster that has some objects, and notes what is changed."""

    def __init__(self, **there: Manifest) -> None:
        self.there, self.changed = there, list[tuple[str, Manifest]]()

    def get(self, kind: str, namespace: str, name: str) -> Any:
        return self.there.get(kind)

    def patch(self, kind: str, namespace: str, name: str, change: Manifest) -> None:
        self.changed.append((kind, change))


def keep(double: ClusterWith, *, by_server: bool = False) -> str:
    cluster = cast(Cluster, double)
    job = ClusterJob(cluster, NAMES, ClusterRoot(cluster, "Job", NAMES, {}))
    return keep_volume(job, "1", HOURS, StageOutError("full", "Make room."), by_server=by_server).diagnosis.remedy


def test_a_remedy_is_a_command_or_of_a_server_a_request() -> None:
    there: dict[str, Manifest] = {"PersistentVolumeClaim": {}, "Job": ROOTS["a Job"]}
    assert keep(ClusterWith(**there)).endswith(": `zoo-runner publish 1` tries again.")
    assert keep(ClusterWith(**there), by_server=True).endswith(": `POST /jobs/1/retry` continues it.")


@pytest.mark.parametrize("what", ROOTS)
def test_its_time_runs_from_the_end_of_the_job_as_the_job_was_submitted(what: str) -> None:
    assert abs(clock.to_seconds(find_end_of_stay(ROOTS[what], HOURS)) - clock.to_seconds("2026-01-01T01:00:00Z")) < 60


def test_the_time_of_a_job_that_has_not_ended_runs_from_now() -> None:
    running = {"spec": {"ttlSecondsAfterFinished": 3600}, "status": {"active": 1, "completionTime": None}}
    assert -3600 <= clock.seconds_since(find_end_of_stay(running, HOURS)) <= -3500
    assert -HOURS * 3600 <= clock.seconds_since(find_end_of_stay(None, HOURS)) <= -HOURS * 3600 + 100


def test_the_message_and_the_mark_say_the_same_time() -> None:
    double = ClusterWith(PersistentVolumeClaim={}, Job=ROOTS["a Job"])
    remedy = keep(double)
    ((kind, change),) = double.changed
    assert kind == "PersistentVolumeClaim"
    assert change["metadata"]["annotations"]["zoo-runner/kept-until"] in remedy
    assert "zoo-runner publish 1" in remedy


def test_nothing_is_said_to_be_kept_where_there_is_no_volume() -> None:
    double = ClusterWith(Job=ROOTS["a Job"])
    assert keep(double) == "Make room."
    assert double.changed == []
