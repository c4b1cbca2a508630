"""The argo engine: one Argo Workflow for each job, whose nodes stage in, run Calrissian and stage out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.argo.artifacts import check_artifacts
from zoo_runner.engines.argo.follower import WorkflowFollower
from zoo_runner.engines.argo.server import ServerRoot
from zoo_runner.engines.argo.smoke_test import (
    PERMISSIONS,
    SUBJECTS,
    SmokeTestFollower,
    build_smoke_test_workflow,
    check_server,
    describe_argo,
)
from zoo_runner.engines.argo.tenant import build_executor_access
from zoo_runner.engines.argo.workflow import build_workflow
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.engine import ClusterEngine
from zoo_runner.engines.kubernetes.installation import Examined
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import Root
from zoo_runner.engines.kubernetes.smoke_test import SmokeJob
from zoo_runner.engines.protocol import Check, JobSpec


class ArgoEngine(ClusterEngine):
    """Runs a job as a Workflow: what the calrissian engine does in one container of a Job, its nodes do."""

    name = "argo"
    kind = "Workflow"
    stopped: ClassVar[Manifest] = {"shutdown": "Terminate"}
    # what runs after the job pod needs the job's Secret, and would wait for it for ever
    ends_itself = False
    follower = WorkflowFollower

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._argo = configuration.argo

    def _build_root(self, names: Names, job: JobSpec, secret_inputs: Mapping[str, str]) -> Manifest:
        return build_workflow(names, self._cluster, self._argo, 1, secret_inputs, job.time_limit_seconds)

    def _build_tenant(self, names: Names) -> list[Manifest]:
        return [*super()._build_tenant(names), *build_executor_access(names, self._cluster)]

    def _build_examined(self) -> Examined:
        return Examined(
            self._open_smoke_test,
            self._build_tenant,
            PERMISSIONS,
            SUBJECTS,
            lambda: check_server(self._argo),
            self._describe,
        )

    def _describe(self, cluster: Cluster, names: Names, pods: Sequence[Manifest]) -> Iterator[Check]:
        yield from describe_argo(pods)
        own = replace(names, job=f"{names.job}-artifact")
        root = self._open_root(cluster, own)
        look = partial(check_artifacts, cluster, root, own, self._cluster, self._argo)
        yield Check.run("artifact repository", look, "written by a Workflow, where one is set")

    def _open_smoke_test(self, cluster: Cluster, names: Names, destination: str | None) -> SmokeJob:
        workflow = build_smoke_test_workflow(names, self._cluster, self._argo, destination)
        return SmokeJob(self._open_job(cluster, names), workflow, SmokeTestFollower)

    def _open_root(self, cluster: Cluster, names: Names) -> Root:
        return ServerRoot(self._argo, names) if self._argo.server else super()._open_root(cluster, names)
