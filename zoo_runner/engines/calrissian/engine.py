"""The calrissian engine: one Kubernetes Job for each job, whose pod stages in, runs Calrissian and stages out."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.kubernetes import parse_quantity
from zoo_runner.engines.calrissian.bundle import build_bundle, check_bundle
from zoo_runner.engines.calrissian.dismissal import DISMISSAL, is_dismissed
from zoo_runner.engines.calrissian.follower import Follower
from zoo_runner.engines.calrissian.job_pod.steppod import build_step_settings
from zoo_runner.engines.calrissian.manifests import (
    GRACE_SECONDS,
    WORK_FOLDER,
    build_job,
    build_objects,
    build_pull_secrets,
    build_secret,
    owned_by,
    without_content,
)
from zoo_runner.engines.calrissian.namespace import build_tenant, prepare_tenant
from zoo_runner.engines.calrissian.pod_log import Ended, build_error, decode_line, encode_line
from zoo_runner.engines.calrissian.secret_inputs import hide_secret_inputs
from zoo_runner.engines.calrissian.submission import ensure_same, mark_job, remove_job
from zoo_runner.engines.cwl_process.resources import ensure_granted, find_asked
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest, Names, build_names
from zoo_runner.engines.kubernetes.secrets import find_credentials
from zoo_runner.engines.protocol import Capabilities, JobSpec, Plan
from zoo_runner.files import write_atomically
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, EngineError, NotReachedError, RunnerError, StageOutError
from zoo_runner.model.events import Event, Report
from zoo_runner.model.ids import check_job_id
from zoo_runner.model.job import Outcome, Status
from zoo_staging.destination import is_object_storage

_SUBMISSION, _STARTED, _STORY, _ENDED = "submission.json", "started", "story.txt", "ended.json"
_DISMISSED = ("the job was dismissed", "Nothing to do; run it again when you want its results.")


class CalrissianEngine:
    """Runs a job as a Kubernetes Job; who started it may go and come back."""

    name = "calrissian"
    capabilities = Capabilities(remote=True, isolates=True)

    def __init__(self, configuration: Configuration) -> None:
        self._cluster, self._workspace = configuration.kubernetes, configuration.workspace

    def plan(self, job: JobSpec) -> Plan:
        """Say what would be submitted; pure. What the bundle and the Secret hold is left out."""
        names = build_names(job.id, self._cluster)
        _, secret_inputs = hide_secret_inputs(job)
        objects = [
            *build_tenant(names, self._cluster),
            build_job(names, self._cluster, 1, job.time_limit_seconds),
            *self._build_secrets(names, secret_inputs),
            *build_objects(names, self._cluster, job.package, b""),
        ]
        return Plan(
            job,
            self.name,
            {
                "namespace": names.namespace,
                "steps": build_step_settings(names, self._cluster, secret_inputs),
                "manifests": [without_content(manifest) for manifest in objects],
            },
        )

    def run(self, plan: Plan, report: Report, cancellation: Cancellation) -> Outcome:
        """Submit the job and follow it to its end."""
        cancellation.check()
        job, secret_inputs = hide_secret_inputs(plan.job)
        _check_destination(job)
        ensure_granted(find_asked(job.package), self._cluster.max_cores, parse_quantity(self._cluster.max_ram) / 2**20)
        names = build_names(job.id, self._cluster)
        job.paths.record.mkdir(parents=True, exist_ok=True, mode=0o700)
        steps = build_step_settings(names, self._cluster, secret_inputs)
        try:
            bundle = build_bundle(job, steps, WORK_FOLDER, report, self._workspace.storage)
        finally:
            shutil.rmtree(job.paths.scratch, ignore_errors=True)
        check_bundle(bundle, self._cluster.bundle_max_mib)
        objects = build_objects(names, self._cluster, job.package, bundle)
        chunks = sum(manifest["kind"] == "ConfigMap" for manifest in objects)
        submission = {
            "names": asdict(names),
            "job": mark_job(build_job(names, self._cluster, chunks, job.time_limit_seconds)),
            "objects": objects,
            "secret_inputs": dict.fromkeys(secret_inputs),
        }
        write_atomically(job.paths.record / _SUBMISSION, json.dumps(submission).encode())
        return self._finish({**submission, "secret_inputs": secret_inputs}, job.paths.record, report, cancellation)

    def reattach(self, job_id: str, report: Report, cancellation: Cancellation) -> Outcome:
        """Go on where the caller was lost: what is not submitted yet is, what runs is followed, what ended is told."""
        record = self._workspace.folders.state / check_job_id(job_id)
        if not (record / _SUBMISSION).exists():
            raise EngineError(
                f"job {job_id} was never submitted to a cluster from here",
                "Run it again, or set ZOO_RUNNER_STATE to what it was when the job was started.",
            )
        if not (record / _ENDED).exists():
            self._ensure_reached(record, report)
        return self._finish(json.loads((record / _SUBMISSION).read_text()), record, report, cancellation)

    def _ensure_reached(self, record: Path, report: Report) -> None:
        """Raise `NotReachedError` where the cluster cannot be asked, before that is taken for the end of the job."""
        names = self._load_names(record.name)
        try:
            with self._open() as cluster:
                cluster.get("Job", names.namespace, names.job)
        except EngineError as error:
            _tell_story(record, report)
            found = error.diagnosis
            raise NotReachedError(found.cause, found.remedy, level=found.level) from error

    def cancel(self, job_id: str) -> None:
        """Stop the job's pods; whoever follows the job sees to the rest, and so does `gc`."""
        names = self._load_names(job_id)
        with self._open() as cluster:
            cluster.patch("Job", names.namespace, names.job, DISMISSAL)
            cluster.delete_labelled("Pod", names.namespace, names.selector, GRACE_SECONDS)

    def _load_names(self, job_id: str) -> Names:
        try:
            submission = json.loads((self._workspace.folders.state / check_job_id(job_id) / _SUBMISSION).read_text())
        except FileNotFoundError:
            return build_names(job_id, self._cluster)
        return Names(**submission["names"])

    @contextmanager
    def _open(self) -> Iterator[Cluster]:
        with closing(Cluster(self._cluster)) as cluster:
            yield cluster

    def _finish(
        self, submission: Mapping[str, Any], record: Path, report: Report, cancellation: Cancellation
    ) -> Outcome:
        names = Names(**submission["names"])
        with self._open() as cluster:
            ended = _read_ended(record, report)
            try:
                ended = ended or self._follow(cluster, names, submission, record, report, cancellation)
            finally:
                remove_job(cluster, names, submission["job"], report)
        error = build_error(ended)
        if error:
            raise error
        return Outcome(Status.SUCCESSFUL, ended.results)

    def _follow(
        self,
        cluster: Cluster,
        names: Names,
        submission: Mapping[str, Any],
        record: Path,
        report: Report,
        cancellation: Cancellation,
    ) -> Ended:
        cancellation.check()
        try:
            start = self._submit(cluster, names, submission, record)
        except RunnerError:
            # what a caller that was lost had heard is all that is left to tell
            _tell_story(record, report)
            raise
        try:
            with _keeping(record, report) as tell:
                ended = Follower(cluster, names, self._cluster, tell, start).follow(cancellation)
        except RunnerError as error:
            cancellation.check()
            error = DismissedError(*_DISMISSED) if is_dismissed(_get_job(cluster, names)) else error
            ended = Ended(None, error.diagnosis, type(error).__name__)
        if ended.results is None:
            cancellation.check()
        write_atomically(record / _ENDED, "\n".join(encode_line(ended)).encode())
        return ended

    def _submit(
        self, cluster: Cluster, names: Names, submission: Mapping[str, Any], record: Path
    ) -> Callable[[], None] | None:
        """Create what is not there yet; return the last request, which starts the pod, so that nothing starts twice."""
        started = record / _STARTED

        def start() -> None:
            started.touch()
            cluster.patch("Job", names.namespace, names.job, {"spec": {"suspend": False}})
            if is_dismissed(_get_job(cluster, names)):  # before it was started
                cluster.patch("Job", names.namespace, names.job, DISMISSAL)
                raise DismissedError(*_DISMISSED)

        if started.exists():
            job = _get_job(cluster, names)
            if job is None:
                raise EngineError(
                    f"the Job {names.job} is gone from namespace {names.namespace} and left no results here",
                    "Run the job again: somebody deleted it, or it ended more than a day ago.",
                )
            if is_dismissed(job):
                raise DismissedError(*_DISMISSED)
            return start if job["spec"].get("suspend") else None
        secret_inputs = submission["secret_inputs"]
        if None in secret_inputs.values() and cluster.get("Secret", names.namespace, names.secret) is None:
            raise EngineError(
                "the job's secret inputs, which are never written down, were lost with its caller before the cluster"
                " had them",
                "Run the job again.",
            )
        prepare_tenant(cluster, names, self._cluster)
        job = cluster.create(submission["job"])
        ensure_same(job, submission["job"], record.name)
        for manifest in (*self._build_secrets(names, secret_inputs), *submission["objects"]):
            cluster.create(owned_by(manifest, job))
        return start

    def _build_secrets(self, names: Names, secret_inputs: Mapping[str, str | None]) -> list[Manifest]:
        """Make what holds credentials and secret inputs; it is never written to the record."""
        known = {variable: value for variable, value in secret_inputs.items() if value is not None}
        content = {**find_credentials(self._workspace.storage), **known}
        return [build_secret(names, content), *build_pull_secrets(names, self._cluster)]


def _check_destination(job: JobSpec) -> None:
    if not is_object_storage(job.destination):
        raise StageOutError(
            f"a job on the cluster cannot put its results to {job.destination}, a folder of this machine",
            "Name a place in object storage: -o s3://<bucket>/<prefix> (also gs: and az:).",
        )


def _get_job(cluster: Cluster, names: Names) -> Manifest | None:
    return cluster.get("Job", names.namespace, names.job)


@contextmanager
def _keeping(record: Path, report: Report) -> Iterator[Report]:
    """Keep what is told of a job, to be told again when the cluster has forgotten it; no disk full ends the job."""
    with (record / _STORY).open("w", encoding="utf-8", errors="backslashreplace", buffering=1) as story:

        def tell(event: Event) -> None:
            with suppress(OSError):
                story.writelines(f"{line}\n" for line in encode_line(event))
            report(event)

        yield tell


def _read_ended(record: Path, report: Report) -> Ended | None:
    """Read how a job ended that was followed to its end before; its whole story is told again."""
    try:
        ended = decode_line((record / _ENDED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    _tell_story(record, report)
    return ended if isinstance(ended, Ended) else None


def _tell_story(record: Path, report: Report) -> None:
    """Tell again what was heard of a job here."""
    with suppress(FileNotFoundError), (record / _STORY).open(encoding="utf-8", newline="\n") as story:
        for line in story:
            if not isinstance(event := decode_line(line.rstrip("\n")), Ended):
                report(event)
