"""Whether Argo can write to its artifact repository, tried by a Workflow with one small output artifact.

Jobs of zoo-runner need none; workflows of others often do. The file stays there as the repository's own settings say.
"""

import json
import threading
import time

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.evidence import Subject, read_evidence
from zoo_runner.engines.argo.judgement import judge
from zoo_runner.engines.argo.status import has_ended, has_succeeded
from zoo_runner.engines.argo.workflow import build_workflow
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.manifests import CONFINED, build_resources, build_token_volume
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import Root
from zoo_runner.model.errors import EngineError

_SECONDS = 60.0
# its pods are no pods of a job, which may not mount the Secret of the repository's keys
_JOB_ONLY = ("onExit", "podMetadata", "suspend", "synchronization", "volumes")
_NONE = "engine.artifact-repository"


def check_artifacts(cluster: Cluster, root: Root, names: Names, site: KubernetesSettings, argo: ArgoSettings) -> str:
    """Run the Workflow and say what was found; raises `EngineError` where a repository is set and not writable."""
    root.create(build_artifact_workflow(names, site, argo))
    try:
        workflow = _wait(cluster, root, names)
        if has_succeeded(workflow):
            return "written"
        found = judge(read_evidence(cluster, argo, Subject(names.namespace, names.job))).diagnoses
    finally:
        root.delete()
    if not found:
        raise EngineError(
            f"a Workflow with an artifact did not end within {_SECONDS:g} s",
            "Check the address of the artifact repository, and that pods reach it.",
            code=_NONE,
        )
    if found[0].code == _NONE:
        return "none is set; jobs of zoo-runner need none"
    raise EngineError.restore(found[0])


def build_artifact_workflow(names: Names, site: KubernetesSettings, argo: ArgoSettings) -> Manifest:
    """Build the Workflow, with the account, place and settings of jobs, but without their volumes; pure."""
    workflow = build_workflow(names, site, argo, 0)
    spec = {name: value for name, value in workflow["spec"].items() if name not in _JOB_ONLY}
    patch = json.loads(spec["podSpecPatch"])
    spec["podSpecPatch"] = json.dumps({**patch, "volumes": [build_token_volume()]})
    spec["templates"] = [
        {
            "name": spec["entrypoint"],
            "outputs": {"artifacts": [{"name": "probe", "path": "/tmp/probe"}]},
            "container": {
                "image": site.step_image,
                "command": ["/bin/sh", "-c", "echo doctor > /tmp/probe"],
                "resources": build_resources(site),
                "securityContext": dict(CONFINED),
            },
        }
    ]
    return {**workflow, "spec": {**spec, "activeDeadlineSeconds": round(_SECONDS)}}


def _wait(cluster: Cluster, root: Root, names: Names) -> Manifest:
    """Return the Workflow once it has ended, or as it is after a while."""
    changed, until = threading.Event(), time.monotonic() + _SECONDS
    with cluster.noticing(names.namespace, names.job, changed.set):
        while True:
            workflow = root.get() or {}
            left = until - time.monotonic()
            if has_ended(workflow) or left < 0:
                return workflow
            changed.wait(left)
            changed.clear()
