"""The argo engine: one Argo Workflow for each job, whose nodes stage in, run Calrissian and stage out."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.argo.follower import Follower
from zoo_runner.engines.argo.server import ServerRoot
from zoo_runner.engines.argo.tenant import build_executor_access
from zoo_runner.engines.argo.workflow import build_workflow
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.calrissian.namespace import build_tenant
from zoo_runner.engines.calrissian.pod_log import Ended
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import ClusterRoot, Root
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import Report

_STOPPED = {"shutdown": "Terminate"}


class ArgoEngine(CalrissianEngine):
    """Runs a job as a Workflow: what the calrissian engine does in one container of a Job, its nodes do."""

    name = "argo"
    kind = "Workflow"

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._argo = configuration.argo

    def _build_root(self, names: Names, job: JobSpec, secret_inputs: Mapping[str, str]) -> Manifest:
        return build_workflow(names, self._cluster, self._argo, 1, secret_inputs, job.time_limit_seconds)

    def _build_tenant(self, names: Names) -> list[Manifest]:
        return [*build_tenant(names, self._cluster), *build_executor_access(names, self._cluster)]

    def _open_root(self, cluster: Cluster, names: Names) -> Root:
        if self._argo.server:
            return ServerRoot(self._argo, names)
        return ClusterRoot(cluster, self.kind, names, _STOPPED)

    def _follow_root(
        self,
        cluster: Cluster,
        root: Root,
        names: Names,
        report: Report,
        start: Callable[[], None] | None,
        cancellation: Cancellation,
    ) -> Future[Ended]:
        return Follower(cluster, root, names, self._cluster, report, start).follow(cancellation)
