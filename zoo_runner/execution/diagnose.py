"""What holds up, or made fail, a job of this store, or anything else on the cluster that has the name given."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.argo.evidence import Evidence, Subject, find_subject, read_evidence
from zoo_runner.engines.argo.judgement import Judgement, State, judge, read_progress
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.engines.kubernetes.names import name_namespace
from zoo_runner.execution.context import open_context
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import Job, Status

_OVER = (State.FAILED, State.SUCCEEDED, State.NOT_FOUND)
# what only time shows, such as a controller that stays silent
_LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class Look:
    """One subject on one cluster, which can be judged again."""

    configuration: Configuration
    cluster: Cluster
    subject: Subject

    def read(self) -> Evidence:
        """Read what there is now."""
        return read_evidence(self.cluster, self.configuration.argo, self.subject)

    def follow(self) -> Iterator[Judgement]:
        """Yield each new judgement until the end, where nothing is found, or until a phase of anything has changed."""
        changed = threading.Event()
        with self.cluster.noticing(self.subject.namespace, self.subject.name, changed.set):
            seen = self.read()
            first, last = read_progress(seen), judge(seen)
            yield last
            while last.state not in _OVER:
                changed.wait(_LOOK_SECONDS)
                changed.clear()
                seen = self.read()
                moved, known, last = read_progress(seen) != first, last, judge(seen)
                if moved or last.diagnoses != known.diagnoses:
                    yield last
                if moved:
                    return


def find_judgements(
    configuration: Configuration, name: str, namespace: str | None = None, *, watch: bool = False
) -> Iterator[Judgement]:
    """Yield the judgement of a job of this store, a workflow or a pod, as it is; with `watch` until it moves.

    `namespace` is by default that of the workspace. Raises `EngineError` where the cluster does not answer.
    """
    job = None if namespace else _find_job(configuration, name)
    if job and (judgement := _judge_record(job)):
        yield judgement
        return
    look = _open_look(configuration, job, name, namespace)
    if watch:
        yield from look.follow()
    else:
        yield judge(look.read())


def _open_look(configuration: Configuration, job: Job | None, name: str, namespace: str | None) -> Look:
    cluster = connect(configuration.kubernetes)
    if names := _find_names(job):
        return Look(configuration, cluster, Subject(names["namespace"], names["job"]))
    place = namespace or name_namespace(configuration.workspace)
    return Look(configuration, cluster, find_subject(cluster, place, name))


def _find_job(configuration: Configuration, name: str) -> Job | None:
    try:
        return open_context(configuration).store.get(name)
    except JobNotFoundError:
        return None


def _judge_record(job: Job) -> Judgement | None:
    """Return what the record of a job says, where it says all: of one that has ended, or is on no cluster."""
    about = f"Job {job.id}"
    if outcome := job.outcome:
        state = State.SUCCEEDED if outcome.status is Status.SUCCESSFUL else State.FAILED
        return Judgement(about, state, (outcome.diagnosis,) if outcome.diagnosis else ())
    if _find_names(job):
        return None
    if job.status is Status.RUNNING:
        return Judgement(about, State.RUNNING, waits=(f"it runs on the engine {job.engine}; its log is {job.log}",))
    return Judgement(about, State.WAITING, waits=(f"it is {job.status}, and no process has submitted it so far",))


def _find_names(job: Job | None) -> Mapping[str, Any] | None:
    """Return the names of what a job has on a cluster; None for one that is on none."""
    names: Mapping[str, Any] | None = ((job.handle or {}).get("data") or {}).get("names") if job else None
    return names
