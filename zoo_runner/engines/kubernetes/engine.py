"""What the engines on a cluster share: one root object for each job, which owns everything else of the job."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, replace
from typing import ClassVar

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.kubernetes import KubernetesSettings, limit_steps, parse_quantity
from zoo_runner.engines.cwl_process.resources import ensure_granted, find_asked, find_needs
from zoo_runner.engines.kubernetes.bundle import build_bundle, check_bundle, pack_bundle
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.engines.kubernetes.errors import reaching
from zoo_runner.engines.kubernetes.follower import Follower
from zoo_runner.engines.kubernetes.gate import LOST, Start, follow_from_gate, reach_cluster
from zoo_runner.engines.kubernetes.installation import Examined, examine_cluster, examine_images
from zoo_runner.engines.kubernetes.job_pod.steppod import build_step_settings
from zoo_runner.engines.kubernetes.kept import (
    forget_volume,
    has_kept,
    has_volume_of_another,
    keep_volume,
    remove_rest,
    take_volume,
)
from zoo_runner.engines.kubernetes.leftovers import delete_objects, list_objects, select_leftovers
from zoo_runner.engines.kubernetes.manifests import (
    GRACE_SECONDS,
    build_bundle_maps,
    build_objects,
    build_pull_secrets,
    build_secret,
    name_job_folder,
    owned_by,
    without_content,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names, build_names, name_job
from zoo_runner.engines.kubernetes.namespace import (
    NO_QUOTA,
    build_tenant,
    look_at_tenant,
    mark_content,
)
from zoo_runner.engines.kubernetes.pod_log import build_no_result
from zoo_runner.engines.kubernetes.publisher import Publication, publish_volume
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot, Root, is_dismissed
from zoo_runner.engines.kubernetes.secrets import find_credentials
from zoo_runner.engines.kubernetes.smoke_test import open_smoke_test
from zoo_runner.engines.kubernetes.submission import ensure_same, fill_in, mark_job, remove_job
from zoo_runner.engines.pipeline import build_not_continuable, build_nothing_kept, leaves_results
from zoo_runner.engines.protocol import Capabilities, Check, Handle, JobSpec, Leftover, Plan
from zoo_runner.engines.secret_inputs import hide_secret_inputs
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import DismissedError, NotReachedError, RunnerError, StageOutError
from zoo_runner.model.events import Event, Report, StageStarted
from zoo_runner.model.job import Outcome, Results
from zoo_runner.model.needs import Needs
from zoo_runner.model.outcomes import restore_error
from zoo_runner.model.package import Package
from zoo_staging.destination import is_object_storage

_QUOTA = "what the quota of the workspace leaves beside the job pod"
_NOT_KEPT = "its volume is not kept, or another job has taken it over"


class ClusterEngine(ABC):
    """Runs a job on a cluster, where it continues whatever happens to the process that follows it.

    `submit` creates the root object suspended, so that nothing runs before its handle is stored; `follow` starts it.
    Subclasses know what the root object is: its `kind`, the part of its spec that stops it (`stopped`), whether it ends
    with the pod of the job (`ends_itself`), who follows it (`follower`), and whether another job can continue one that
    failed (`continues`).
    """

    name: str
    capabilities = Capabilities(remote=True, isolates=True)
    kind: str
    stopped: ClassVar[Manifest]
    ends_itself: ClassVar[bool]
    continues: ClassVar[bool] = False
    follower: type[Follower]

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._workspace = configuration.workspace
        quota = self._workspace.quota
        self._cluster = limit_steps(configuration.kubernetes, quota.cores, quota.memory_mib)
        # by their uid: the jobs that were submitted here and not followed yet, and those whose results are stored
        self._waiting, self._stored = set[str](), set[str]()

    def plan(self, job: JobSpec) -> Plan:
        """Return what will be submitted, without the content of Secrets and ConfigMaps; pure.

        Raises `StageOutError` for a destination that pods cannot reach, `EngineError` for a request above the limits.
        """
        _check_destination(job)
        for cluster, limited_by in ((self._configuration.kubernetes, ""), (self._cluster, _QUOTA)):
            ensure_granted(find_asked(job.package), *_read_limits(cluster), limited_by)
        names = self._build_names(job)
        handle = Handle(self.name, job.id, {"names": asdict(names), "uid": job.uid})
        _, secret_inputs = hide_secret_inputs(job)
        objects = [
            mark_job(self._build_root(names, job, secret_inputs), job.uid),
            *self._build_secrets(names, secret_inputs),
            *build_bundle_maps(names, b"left out"),
            *build_objects(names, self._cluster, job.package),
        ]
        return Plan(
            job,
            handle,
            {
                "tenant": mark_content(self._build_tenant(names)),
                "steps": build_step_settings(names, self._cluster, secret_inputs),
                "manifests": [without_content(manifest) for manifest in objects],
            },
        )

    def measure(self, package: Package) -> Needs:
        """Return what the steps of a job may request at once, together with the job pod."""
        own = Needs(parse_quantity(self._cluster.job_cpu), parse_quantity(self._cluster.job_ram) / 2**20)
        return find_needs(package).capped(*_read_limits(self._cluster)).plus(own)

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
        """Create all that the job needs, with its root object suspended, or adopt what an earlier attempt created."""
        cancellation.check()
        content = self._build_content(plan, report)
        cluster = connect(self._cluster)
        with reaching():
            self._create(cluster, plan, content)

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Future[Results]:
        """Follow the job, with no thread of its own."""
        names, watcher = Names(**handle.data["names"]), _StageWatcher(report)
        notes: list[Callable[[], Mapping[str, str]]] = []

        def begin(job: ClusterJob, start: Start | None) -> Future[Outcome]:
            follower = self.follower(job, self._cluster, watcher, start)
            notes.append(follower.describe_run)
            return follower.follow(cancellation)

        def conclude(job: ClusterJob, get_outcome: Callable[[], Outcome]) -> Results:
            try:
                results = _read_results(get_outcome(), self._cluster.image, cancellation)
            except RunnerError as error:
                watcher.place(error)
                # a server keeps no results for later commands, and continues jobs
                keeps = self._workspace.keeps_results or self.continues
                if not (keeps and self._is_worth_keeping(names, watcher.begun, error)):
                    raise
                # of a volume that has run others before, the first one's count
                noted = notes[0]() if notes and not names.generation else {}
                hours, by_server = self._cluster.kept_hours, not self._workspace.keeps_results
                raise keep_volume(job, handle.job_id, hours, error, noted, by_server=by_server) from error
            if names.generation:
                # else the volume goes when the cluster deletes the root object
                with suppress(RunnerError):
                    forget_volume(job.cluster, names)
            else:
                self._stored.add(handle.data["uid"])
            return results

        def open_job(cluster: Cluster) -> ClusterJob:
            return self._open_job(cluster, names)

        waits = handle.data["uid"] in self._waiting
        self._waiting.discard(handle.data["uid"])
        return follow_from_gate(self._cluster, open_job, begin, conclude, cancellation, waits=waits)

    def publish(self, handle: Handle, job: JobSpec, report: Report, cancellation: Cancellation) -> Results:
        """Store the results on the volume of the job, from a pod, with the settings and credentials of now."""
        _check_destination(job)
        names, cluster, storage = Names(**handle.data["names"]), connect(self._cluster), self._workspace.storage
        with reaching():
            if not has_kept(cluster, names):
                raise build_nothing_kept(handle)
            # the inputs were staged long ago, and may be gone from this machine, as may be files of the package
            publication = Publication(pack_bundle(replace(job, order={}), {}, {}), find_credentials(storage))
            outcome = publish_volume(cluster, names, self._cluster, publication, report, cancellation)
        return _read_results(outcome, self._cluster.image, cancellation)

    def ensure_continuable(self, handle: Handle) -> None:
        """Ensure that the volume of a failed job is there, with what its steps did."""
        if not self.continues:
            raise build_not_continuable(handle, f"the engine {self.name} keeps nothing of the steps of a job")
        names, cluster = Names(**handle.data["names"]), connect(self._cluster)
        with reaching():
            if not has_kept(cluster, names):
                raise build_not_continuable(handle, _NOT_KEPT)

    def forget(self, handle: Handle) -> None:
        """Have the volume go with the job: `remove` then removes it too."""
        names, cluster = Names(**handle.data["names"]), connect(self._cluster)
        with reaching():
            # whoever kept nothing may lack the permission to change a volume
            if has_kept(cluster, names):
                forget_volume(cluster, names)

    def cancel(self, handle: Handle) -> None:
        """Stop the job's pods; its follower removes the rest, or `gc` does."""
        names = Names(**handle.data["names"])
        cluster = reach_cluster(self._cluster)
        with reaching(*LOST):
            self._open_root(cluster, names).dismiss()
            cluster.delete_labelled("Pod", names.namespace, names.selector, GRACE_SECONDS)

    def remove(self, handle: Handle) -> None:
        """Remove all objects of the job; where its results wait on its volume, what is secret and what still runs."""
        names = Names(**handle.data["names"])
        cluster = connect(self._cluster)
        uid: str = handle.data["uid"]
        keeps_nothing = uid in self._stored
        for known in (self._waiting, self._stored):
            known.discard(uid)
        with reaching():
            job = self._open_job(cluster, names)
            if not keeps_nothing and has_kept(cluster, names):
                remove_rest(job, uid, names.list_secrets(self._cluster), self.ends_itself)
            else:
                remove_job(job, uid, keeps_namespace=self._is_anothers(cluster, names))

    def check(self, destination: str | None, package: Package | None = None) -> Iterator[Check]:
        """Examine the cluster step by step, with a job that does nothing."""
        return examine_cluster(self._configuration, destination, self._build_examined(), package)

    def examine(self, package: Package) -> Iterator[RunnerError]:
        """Find images that the nodes cannot pull."""
        return examine_images(self._configuration, self._build_examined(), package)

    def find_leftovers(self, running: Collection[str]) -> list[Leftover]:
        """Find objects of jobs that do not run."""
        names = {name_job(job_id) for job_id in running}
        cluster = connect(self._cluster)
        return select_leftovers(list_objects(cluster, self._workspace), names)

    def remove_leftovers(self, leftovers: Iterable[Leftover]) -> None:
        """Delete objects."""
        cluster = connect(self._cluster)
        delete_objects(cluster, leftovers)

    @abstractmethod
    def _build_root(self, names: Names, job: JobSpec, secret_inputs: Mapping[str, str]) -> Manifest:
        """Return the root object, suspended, with one part of the bundle in its volume; pure."""

    def _build_tenant(self, names: Names) -> list[Manifest]:
        """Return what has to exist in the namespace before a job; pure."""
        # in the namespace of another workspace that one's quota holds
        own = NO_QUOTA if self._workspace.storage_of else self._workspace.quota
        return build_tenant(names, self._cluster, own)

    def _build_examined(self) -> Examined:
        """Return what `check` looks at, besides the cluster."""
        return Examined(
            lambda cluster, names, destination: open_smoke_test(cluster, names, self._cluster, destination),
            self._build_tenant,
        )

    def _build_names(self, job: JobSpec) -> Names:
        """Compute the names of a job; of one that continues another, in the namespace and with the volume of that."""
        names = build_names(job.id, self._cluster, self._workspace)
        if job.continues is None:
            return names
        if not self.continues or "names" not in job.continues.data:
            raise build_not_continuable(job.continues, f"the engine {self.name} keeps nothing of the steps of a job")
        earlier = Names(**job.continues.data["names"])
        if earlier.own_namespace != names.own_namespace or (
            earlier.namespace != names.namespace and not names.own_namespace
        ):
            place = f"it ran in namespace {earlier.namespace}, and this job would run in {names.namespace}"
            raise build_not_continuable(job.continues, place)
        return earlier.build_next(names.job)

    def _is_worth_keeping(self, names: Names, begun: Collection[Stage], error: RunnerError) -> bool:
        """Whether a job that failed may have left something on its volume that another command needs."""
        if leaves_results(error):
            # before the results, the destination itself is tried
            return Stage.STAGE_OUT in begun
        if isinstance(error, DismissedError | NotReachedError) or not self.continues:
            return False
        return Stage.EXECUTE in begun or names.generation > 0

    def _is_anothers(self, cluster: Cluster, names: Names) -> bool:
        """Whether the namespace of a job has the volume of one that it was to continue, or that continues it."""
        return names.own_namespace and has_volume_of_another(cluster, names)

    def _take_volume(self, cluster: Cluster, plan: Plan, root: Manifest) -> None:
        """Take over the volume of the job that this one continues. Raises `EngineError` where there is none."""
        handle = plan.job.continues
        if handle is None:
            return
        earlier = self._open_job(cluster, Names(**handle.data["names"]))
        if not take_volume(earlier, handle.data["uid"], Names(**plan.handle.data["names"]), root):
            raise build_not_continuable(handle, _NOT_KEPT)

    def _open_root(self, cluster: Cluster, names: Names) -> Root:
        return ClusterRoot(cluster, self.kind, names, self.stopped)

    def _open_job(self, cluster: Cluster, names: Names) -> ClusterJob:
        return ClusterJob(cluster, names, self._open_root(cluster, names))

    def _build_content(self, plan: Plan, report: Report) -> list[Manifest]:
        """Build what the plan leaves out: Secrets and the parts of the bundle."""
        names, scratch = Names(**plan.handle.data["names"]), plan.job.paths.scratch
        job, secret_inputs = hide_secret_inputs(plan.job)
        try:
            folder = name_job_folder(names.generation)
            bundle = build_bundle(job, plan.submission["steps"], folder, report, self._workspace.storage)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        check_bundle(bundle, self._cluster.bundle_max_mib)
        return [*self._build_secrets(names, secret_inputs), *build_bundle_maps(names, bundle)]

    def _create(self, cluster: Cluster, plan: Plan, content: list[Manifest]) -> None:
        first, *others = fill_in(plan.submission["manifests"], content)
        # in the namespace of another workspace that one's quota holds
        look_at_tenant(cluster, plan.submission["tenant"], has_own_quota=not self._workspace.storage_of)
        job = self._open_root(cluster, Names(**plan.handle.data["names"])).create(first)
        ensure_same(job, plan.job.uid, plan.job.id)
        cluster.create_each([owned_by(manifest, job) for manifest in others])
        if job["spec"].get("suspend") and not is_dismissed(job):
            self._waiting.add(plan.job.uid)
        # last: where anything before fails, the failed job can still be continued
        self._take_volume(cluster, plan, job)

    def _build_secrets(self, names: Names, secret_inputs: Mapping[str, str]) -> list[Manifest]:
        """Build the Secrets with credentials and secret inputs."""
        content = {**find_credentials(self._workspace.storage), **secret_inputs}
        return [build_secret(names, content), *build_pull_secrets(names, self._cluster)]


def _read_limits(cluster: KubernetesSettings) -> tuple[float, float]:
    """Return how many cores, and MiB of memory, the steps of a job use at once."""
    return cluster.max_cores, parse_quantity(cluster.max_ram) / 2**20


def _read_results(outcome: Outcome, image: str, cancellation: Cancellation) -> Results:
    if outcome.results is None:
        cancellation.check()
        raise restore_error(outcome) or build_no_result(image, 0)
    return outcome.results


class _StageWatcher:
    """Passes events on, and notes which stages of the job have begun."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.begun: set[Stage] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self.begun.add(event.stage)
        self._report(event)

    def place(self, error: RunnerError) -> None:
        """Give what ended the job its stage: of a pod that is lost, the error does not say what it did."""
        if Stage.STAGE_OUT in self.begun:
            error.move_to(Stage.STAGE_OUT)


def _check_destination(job: JobSpec) -> None:
    if not is_object_storage(job.destination):
        raise StageOutError(
            f"a job on the cluster cannot store its results in {job.destination}, a folder of this machine",
            "Choose a destination in object storage: -o s3://<bucket>/<prefix> (also gs: and az:).",
            code="destination.unsupported",
        )
