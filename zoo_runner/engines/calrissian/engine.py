"""The calrissian engine: one Kubernetes Job for each job, whose pod stages in, runs Calrissian and stages out."""

from collections.abc import Mapping
from typing import ClassVar

from zoo_runner.engines.kubernetes.engine import ClusterEngine
from zoo_runner.engines.kubernetes.job_follower import JobFollower
from zoo_runner.engines.kubernetes.manifests import build_job
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.protocol import JobSpec


class CalrissianEngine(ClusterEngine):
    """Runs a job as a Kubernetes Job."""

    name = "calrissian"
    kind = "Job"
    stopped: ClassVar[Manifest] = {"suspend": True}
    ends_itself = True
    follower = JobFollower

    def _build_root(self, names: Names, job: JobSpec, secret_inputs: Mapping[str, str]) -> Manifest:
        return build_job(names, self._cluster, 1, job.time_limit_seconds)
