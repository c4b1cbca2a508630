"""The engine of packages that stand for a WorkflowTemplate: one Workflow for each job, which refers to the template.

Inputs are its parameters; files and folders are staged in by the process that submits it, and read by Argo as argument
artifacts. When it has ended, its artifacts come through the Argo server to the process that follows the job, which
stores them at the destination like the results of any package.
"""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.argo.server import ServerArtifacts, ServerRoot
from zoo_runner.engines.argo.smoke_test import check_server
from zoo_runner.engines.argo.template.archive import Budget
from zoo_runner.engines.argo.template.follower import TemplateFollower
from zoo_runner.engines.argo.template.inputs import (
    ensure_readable,
    find_given,
    remove_artifacts,
    stage_artifacts,
)
from zoo_runner.engines.argo.template.outputs import (
    FoundArtifact,
    build_output_object,
    fetch_artifact,
    find_outputs,
)
from zoo_runner.engines.argo.template.source import ensure_allowed, ensure_unchanged, find_namespace, read_template
from zoo_runner.engines.argo.template.workflow import build_template_workflow, fill_addresses
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.engines.kubernetes.errors import reaching
from zoo_runner.engines.kubernetes.gate import LOST, Start, follow_from_gate, reach_cluster
from zoo_runner.engines.kubernetes.leftovers import delete_objects, select_leftovers
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Names, name_job
from zoo_runner.engines.kubernetes.owners import TEMPLATE_LABEL
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot, Root
from zoo_runner.engines.kubernetes.submission import ensure_same, is_same, mark_job
from zoo_runner.engines.pipeline import build_not_continuable, build_nothing_kept, probe_destination, run_stage_out
from zoo_runner.engines.protocol import Capabilities, Check, Handle, JobSpec, Leftover, Plan
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, InputError, PackageError, RunnerError
from zoo_runner.model.events import Report, StageStarted
from zoo_runner.model.needs import NO_NEEDS, Needs
from zoo_runner.model.job import Outcome, Results
from zoo_runner.model.masking import holds_secret
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.package.workflow_template import TemplateUse, build_document, find_template

_STOPPED = {"shutdown": "Terminate"}
_MOST_AT_ONCE = 4


class TemplateEngine:
    """Runs WorkflowTemplates that the settings allow, in their namespace, with their service account."""

    name = "argo-template"
    capabilities = Capabilities(remote=True, isolates=True)

    def __init__(self, configuration: Configuration) -> None:
        self._configuration, self._workspace = configuration, configuration.workspace
        self._cluster, self._argo = configuration.kubernetes, configuration.argo
        # results are downloaded and stored apart from the threads that follow jobs
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, "template-results")

    def plan(self, job: JobSpec) -> Plan:
        """Return the Workflow; pure.

        Raises `PackageError` for a template that is not allowed, `InputError` for values that Argo would evaluate, and
        for secrets.
        """
        use = _require_template(job.package)
        ensure_allowed(self._configuration, use.name)
        _ensure_open(job, use, self._workspace)
        given = find_given(use.artifacts, job.order)
        ensure_readable(job, given)
        names = Names(find_namespace(self._configuration), name_job(job.id), site_namespace=True)
        workflow = mark_job(build_template_workflow(names, use, job, self._cluster, self._argo), job.uid)
        data = {
            "names": asdict(names),
            "uid": job.uid,
            "process": job.paths.workflow_id,
            "destination": job.destination,
            "package": asdict(job.package),
            "inputs": list(given),
        }
        return Plan(job, Handle(self.name, job.id, data), {"manifests": [workflow]})

    def measure(self, package: Package) -> Needs:
        """Return nothing: what a template of the site takes is the site's."""
        return NO_NEEDS

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
        """Stage files in, and create the Workflow, suspended, or adopt the one that an earlier attempt created."""
        cancellation.check()
        names, cluster, use = (
            Names(**plan.handle.data["names"]),
            connect(self._cluster),
            _require_template(plan.job.package),
        )
        with reaching():
            ensure_unchanged(self._configuration, use)
        addresses: dict[str, str] = {}
        if given := find_given(use.artifacts, plan.job.order):
            addresses = stage_artifacts(plan.job, given, self._workspace.storage, report, cancellation)
        manifest = fill_addresses(plan.submission["manifests"][0], addresses)
        with reaching():
            ensure_same(self._open_root(cluster, names).create(manifest), plan.job.uid, plan.job.id)

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Future[Results]:
        """Follow the Workflow, and store what it has left."""
        names = Names(**handle.data["names"])

        def open_job(cluster: Cluster) -> ClusterJob:
            return ClusterJob(cluster, names, self._open_root(cluster, names))

        def begin(job: ClusterJob, start: Start | None) -> Future[Outcome]:
            if start:
                # it has no volume to wait for
                start()
            report(StageStarted(Stage.EXECUTE, f"WorkflowTemplate {_read_use(handle).name}"))
            return TemplateFollower(job, self._cluster, report).follow(cancellation)

        def conclude(job: ClusterJob, get_outcome: Callable[[], Outcome]) -> Results:
            get_outcome()
            return self._store(handle, job.root, report, cancellation)

        return follow_from_gate(self._cluster, open_job, begin, conclude, cancellation, self._pool)

    def cancel(self, handle: Handle) -> None:
        """Terminate the Workflow."""
        cluster = reach_cluster(self._cluster)
        with reaching(*LOST):
            self._open_root(cluster, Names(**handle.data["names"])).dismiss()

    def remove(self, handle: Handle) -> None:
        """Delete the Workflow, what was downloaded of it, and, where that is possible, the files that it got."""
        data = handle.data
        shutil.rmtree(self._build_job(handle).paths.scratch, ignore_errors=True)
        cluster = connect(self._cluster)
        with reaching():
            root = self._open_root(cluster, Names(**handle.data["names"]))
            found = root.get()
            if found and is_same(found, handle.data["uid"]):
                root.delete()
        remove_artifacts(data.get("inputs", ()), data["destination"], self._workspace.storage, handle.job_id)

    def publish(self, handle: Handle, job: JobSpec, report: Report, cancellation: Cancellation) -> Results:
        """Keep no results: the artifacts of a template are in its own repository."""
        raise build_nothing_kept(handle)

    def ensure_continuable(self, handle: Handle) -> None:
        """Refuse: the nodes of a template are the site's."""
        raise build_not_continuable(handle, f"the engine {self.name} keeps nothing of the steps of a job")

    def forget(self, handle: Handle) -> None:
        """Have nothing to forget."""

    def check(self, destination: str | None, package: Package | None = None) -> Iterator[Check]:
        """Examine server, templates and destination."""
        yield Check.run("cluster", lambda: connect(self._cluster).read_version(), "the API answers")
        if self._argo.server:
            yield from check_server(self._argo)
        named = [name for name in self._argo.templates if not name.endswith("*")]
        if package:
            named.append(_require_template(package).name)
        for name in dict.fromkeys(named):
            look = partial(self._look_at_template, name)
            yield Check.run(f"WorkflowTemplate {name}", look, "allowed, and it can be a process")
        if destination:
            yield Check.run("destination", lambda: self._probe(destination), "it can be written")

    def _look_at_template(self, name: str) -> str:
        ensure_allowed(self._configuration, name)
        process = build_document(read_template(self._configuration, name))["$graph"][0]
        return f"{len(process['inputs'])} inputs, {len(process['outputs'])} outputs"

    def _probe(self, destination: str) -> str:
        probe_destination(destination, self._workspace.storage, "doctor", "doctor")
        return destination

    def examine(self, package: Package) -> Iterator[RunnerError]:
        """Find nothing: the images are those of the template, and so the site's."""
        return iter(())

    def find_leftovers(self, running: Collection[str]) -> list[Leftover]:
        """Find Workflows of jobs that do not run."""
        selector = f"{JOB_LABEL},{TEMPLATE_LABEL}"
        found = connect(self._cluster).find("Workflow", find_namespace(self._configuration), selector)
        return select_leftovers([("Workflow", one) for one in found], {name_job(one) for one in running})

    def remove_leftovers(self, leftovers: Iterable[Leftover]) -> None:
        """Delete them."""
        delete_objects(connect(self._cluster), leftovers)

    def _open_root(self, cluster: Cluster, names: Names) -> Root:
        if self._argo.server:
            return ServerRoot(self._argo, names)
        return ClusterRoot(cluster, "Workflow", names, _STOPPED)

    def _build_job(self, handle: Handle) -> JobSpec:
        """Rebuild what stage-out has to know of a job, which any process may have submitted."""
        data = handle.data
        paths = JobPaths.build(self._workspace.folders, data["process"], handle.job_id)
        return JobSpec(paths, Package(**{**data["package"], "files": ()}), {}, data["destination"])

    def _store(self, handle: Handle, root: Root, report: Report, cancellation: Cancellation) -> Results:
        job, workflow = self._build_job(handle), root.get()
        if workflow is None:
            raise EngineError(
                f"the Workflow {handle.data['names']['job']} was deleted before its results were read",
                "Run the job again.",
                code="job.lost",
            )
        found = find_outputs(workflow, _read_use(handle))
        folder = job.paths.scratch / "outputs"
        fetch = partial(self._fetch, workflow, folder, self._measure(folder), cancellation)
        outputs = build_output_object(found, job.package, fetch)
        return run_stage_out(job, self._workspace.storage, outputs, report, cancellation)

    def _measure(self, folder: Path) -> Budget:
        """Limit what artifacts write, as the local engine limits the files of a job."""
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free * 9 // 10
        most = self._configuration.settings.scratch_max_bytes
        return Budget(free if most is None else min(most, free))

    def _fetch(
        self,
        workflow: dict[str, Any],
        folder: Path,
        budget: Budget,
        cancellation: Cancellation,
        artifact: FoundArtifact,
        output: str,
    ) -> Path:
        cancellation.check()
        meta = workflow["metadata"]
        if not self._argo.server:
            raise EngineError(
                f"the output {output!r} is an artifact, and artifacts are read through the Argo server",
                "Set ARGO_SERVER and ARGO_TOKEN.",
                code="engine.argo-unreachable",
            )
        server = ServerArtifacts(self._argo, meta["namespace"])
        try:
            place = folder / output
            return fetch_artifact(server, meta["name"], artifact, place, lambda _: cancellation.check(), budget)
        finally:
            server.close()


def _ensure_open(job: JobSpec, use: TemplateUse, workspace: Workspace) -> None:
    """Refuse secrets: whoever may read Workflows reads the parameters of one. Raises `PackageError`, `InputError`."""
    if named := sorted(find_secret_inputs(job.package)):
        raise PackageError(
            f"the package {job.workflow_id!r} calls its input {named[0]!r} secret, and parameters of a Workflow are"
            " not",
            "Remove cwltool:Secrets; let the template read a Secret of its namespace.",
            code="package.unsupported",
        )
    for name, value in job.order.items():
        if name not in use.artifacts and holds_secret(value, workspace.input_secrets):
            raise InputError(
                f"the value of input {name!r} has a secret of the workspace in it, and everyone who may read Workflows"
                " reads their parameters",
                "Leave it out; let the template read a Secret of its namespace.",
                code="inputs.value",
            )


def _require_template(package: Package) -> TemplateUse:
    use = find_template(package)
    if use is None:
        raise PackageError(
            f"the package {package.workflow_id!r} stands for no WorkflowTemplate",
            "Run it with another engine; `zoo-runner hera package template/NAME` writes packages for this one.",
            code="package.unsupported",
        )
    return use


def _read_use(handle: Handle) -> TemplateUse:
    return _require_template(Package(**{**handle.data["package"], "files": ()}))
