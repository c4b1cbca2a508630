"""The argo-native engine: one Argo Workflow for each job, with one pod for each step of its package.

A package that cannot be planned so is run by the engine argo, in one pod, and the job log says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.argo.engine import ArgoEngine
from zoo_runner.engines.argo.native.dag import build_dag, list_obstacles
from zoo_runner.engines.argo.native.follower import StepsFollower
from zoo_runner.engines.argo.native.images import list_movable, mark_images, read_first
from zoo_runner.engines.argo.native.nodes import JOBS_PER_POD, MARKS
from zoo_runner.engines.argo.native.workflow import build_native_workflow
from zoo_runner.engines.kubernetes.api_addresses import find_api_addresses
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.engines.kubernetes.errors import reaching
from zoo_runner.engines.kubernetes.installation import Examined
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.network_policies import build_reporting_policy, ensure_permitted
from zoo_runner.engines.kubernetes.preflight import resolve_images
from zoo_runner.engines.pipeline import build_not_continuable
from zoo_runner.engines.protocol import Check, Handle, JobSpec, Plan
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import Results

_REASONS = "onePodBecause"


class NativeEngine(ArgoEngine):
    """Runs a job as a Workflow whose nodes are the steps of the package."""

    name = "argo-native"
    continues = True
    follower = StepsFollower

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._one_pod = ArgoEngine(configuration)

    def plan(self, job: JobSpec) -> Plan:
        """Do the same; where steps cannot have pods of their own, return the plan of the engine argo, with reasons."""
        reasons = self._list_reasons(job)
        if not reasons:
            plan = super().plan(job)
            steps = {**plan.submission["steps"], JOBS_PER_POD: self._argo.jobs_per_pod}
            return replace(plan, submission={**plan.submission, "steps": steps})
        if job.continues:
            raise build_not_continuable(job.continues, f"the package now needs one pod for the whole job: {reasons[0]}")
        plan = self._one_pod.plan(job)
        handle = replace(plan.handle, engine=self.name, data={**plan.handle.data, _REASONS: reasons})
        return replace(plan, handle=handle, submission={**plan.submission, _REASONS: reasons})

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
        """Do the same, and report why steps have no pods of their own."""
        for reason in plan.submission.get(_REASONS, ()):
            report(EngineLine("warning", f"one pod for the whole job, as by the engine argo: {reason}"))
        if _REASONS not in plan.handle.data:
            plan = self._close_network(self._mark_images(plan, report) if plan.job.continues else plan)
        super().submit(plan, report, cancellation)

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Future[Results]:
        """Follow the job, with no thread of its own."""
        if _REASONS in handle.data:
            return self._one_pod.follow(handle, report, cancellation)
        return super().follow(handle, report, cancellation)

    def ensure_continuable(self, handle: Handle) -> None:
        """Do the same; a job that ran in one pod has no steps that could be reused."""
        if _REASONS in handle.data:
            raise build_not_continuable(handle, "it ran in one pod, as by the engine argo")
        super().ensure_continuable(handle)

    def _close_network(self, plan: Plan) -> Plan:
        """Add the NetworkPolicy of steps that do not ask for the network; only a cluster knows where its API is."""
        if not self._cluster.isolated:
            return plan
        with reaching():
            policy = self._build_reporting_policy(connect(self._cluster), Names(**plan.handle.data["names"]))
        *before, last = plan.submission["tenant"]
        return replace(plan, submission={**plan.submission, "tenant": [*before, policy, last]})

    def _build_examined(self) -> Examined:
        return replace(super()._build_examined(), job_stays=False)

    def _describe(self, cluster: Cluster, names: Names, pods: Sequence[Manifest]) -> Iterator[Check]:
        yield from super()._describe(cluster, names, pods)
        if self._cluster.isolated:
            look = partial(self._check_network, cluster, names)
            yield Check.run("network of steps", look, "a NetworkPolicy lets them reach the Kubernetes API alone")

    def _check_network(self, cluster: Cluster, names: Names) -> str:
        """Check that the addresses of the API are known, and that there is, or may be, a policy with them."""
        policy = self._build_reporting_policy(cluster, names)
        ensure_permitted(cluster, [policy])
        allowed = ", ".join(rule["to"][0]["ipBlock"]["cidr"] for rule in policy["spec"]["egress"])
        return f"the Kubernetes API alone: {allowed}"

    def _build_reporting_policy(self, cluster: Cluster, names: Names) -> Manifest:
        return build_reporting_policy(names, find_api_addresses(cluster, self._cluster))

    def _mark_images(self, plan: Plan, report: Report) -> Plan:
        """Find out which names of images stand for others than in the run that a job continues."""
        names, cluster = Names(**plan.handle.data["names"]), connect(self._cluster)
        images = {step.image or self._cluster.step_image: step.path for step in build_dag(plan.job.package)}
        with reaching():
            first = read_first(cluster, names)
            now = resolve_images(
                cluster, names, self._cluster, {image: images[image] for image in list_movable(images)}
            )
        marks = mark_images(first, now)
        for image in marks:
            why = (
                "stands for another image than in the job that it continues" if image in first else "was not run there"
            )
            report(EngineLine("info", f"the image {image} {why}: its steps are not reused"))
        steps = {**plan.submission["steps"], MARKS: marks}
        return replace(plan, submission={**plan.submission, "steps": steps})

    def _list_reasons(self, job: JobSpec) -> list[str]:
        reasons = list_obstacles(job.package)
        if not self._cluster.user:
            reasons.append("its steps run as the users of their images (ZOO_RUNNER_RUN_AS_USER=0)")
        return reasons

    def _build_root(self, names: Names, job: JobSpec, secret_inputs: Mapping[str, str]) -> Manifest:
        return build_native_workflow(names, self._cluster, self._argo, build_dag(job.package), job.time_limit_seconds)
