"""A Workflow that does nothing, by which `doctor` examines Argo Workflows; built and followed like that of a job."""

import json
from collections.abc import Iterator, Sequence

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.follower import WorkflowFollower
from zoo_runner.engines.argo.nodes import STAGE_IN
from zoo_runner.engines.argo.server import read_server_version
from zoo_runner.engines.argo.status import has_succeeded
from zoo_runner.engines.argo.workflow import build_workflow
from zoo_runner.engines.kubernetes.expiry import check_expiry
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.pod_log import LastLine
from zoo_runner.engines.kubernetes.smoke_test import build_command, build_step_image, leave_out
from zoo_runner.engines.protocol import Check
from zoo_runner.model.job import Outcome, Status

PERMISSIONS = (
    ("argoproj.io", "workflows", ("create", "get", "list", "watch", "patch", "delete")),
    ("argoproj.io", "workflowtaskresults", ("create", "patch")),
)
"""What the runner does with the API on Argo Workflows, besides the rest."""
SUBJECTS = {
    "engine.argo-controller": "Argo controller",
    "engine.argo-invalid": "Argo controller",
    "engine.executor-permission": "Argo executor",
    "engine.executor-memory": "Argo executor",
    "engine.executor-network": "Argo executor",
    "engine.argo-login": "Argo server",
    "engine.argo-permission": "Argo server",
    "engine.argo-unreachable": "Argo server",
    "cluster.service-account": "account",
}
"""Under which name an error of the smoke test is listed."""
_JOB_ONLY = ("onExit", "synchronization")


class SmokeTestFollower(WorkflowFollower):
    """Follows to the end of the Workflow: the executor reports after the end of the log."""

    _last: Outcome | None = None
    _succeeded = False

    def _take_root(self, change: str, root: Manifest) -> None:
        if has_succeeded(root):
            self._succeeded = True
            self._conclude()
        else:
            super()._take_root(change, root)

    def _take_last_line(self, last: LastLine) -> None:
        if isinstance(last, Outcome) and last.status is Status.SUCCESSFUL:
            self._last = last
            self._conclude()
        else:
            super()._take_last_line(last)

    def _note_log_end(self, uid: str, node: str) -> None:
        # after the outcome the end of the log is expected, and the Workflow's is waited for
        if self._last is None:
            super()._note_log_end(uid, node)

    def _conclude(self) -> None:
        if self._succeeded and self._last:
            self._end(self._last)


def build_smoke_test_workflow(
    names: Names, site: KubernetesSettings, argo: ArgoSettings, destination: str | None
) -> Manifest:
    """Build a Workflow whose pod starts like that of a job, reports its end, and does nothing else; pure."""
    workflow = build_workflow(names, site, argo, 1)
    spec = workflow["spec"] = {name: value for name, value in workflow["spec"].items() if name not in _JOB_ONLY}
    job = spec["templates"][0]
    (node,) = (one for one in job["containerSet"]["containers"] if one["name"] == STAGE_IN)
    node["command"] = build_command(destination)
    mounts = leave_out(job["containerSet"]["volumeMounts"])
    patch = json.loads(spec["podSpecPatch"])
    spec["podSpecPatch"] = json.dumps({**patch, "volumes": leave_out(patch["volumes"])})
    spec["volumes"] = leave_out(spec["volumes"])
    spec["templates"] = [
        {
            "name": job["name"],
            "initContainers": [build_step_image(site)],
            "containerSet": {"containers": [node], "volumeMounts": mounts},
        }
    ]
    return workflow


def check_server(argo: ArgoSettings) -> Iterator[Check]:
    """Check the Argo server, and the token for it, where the settings name one."""
    if not argo.server:
        return
    yield Check.run("Argo server", lambda: read_server_version(argo), f"{argo.server} answers")
    if argo.token:
        remedy = "Set ARGO_TOKEN to a new token, as from `kubectl create token <service account>`."
        token = argo.token
        yield Check.run("Argo token", lambda: check_expiry(token, "engine.argo-login", remedy), "valid for an hour")


def describe_argo(pods: Sequence[Manifest]) -> Iterator[Check]:
    """List what a Workflow that succeeded shows of Argo; the version is in the tag of the executor's image."""
    images = {one["image"] for pod in pods for one in pod["spec"]["containers"] if one["name"] == "wait"}
    yield Check(True, "Argo controller", "has run a Workflow of this namespace", "it manages namespace and instance id")
    found = f"has reported; image {', '.join(sorted(images)) or 'unknown'}"
    yield Check(True, "Argo executor", found, "its image is pulled, and it may report results")
