"""From a checked request to a stored job: what an adapter does before it answers or continues."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines import choose_engine
from zoo_runner.engines.pipeline import find_destination
from zoo_runner.engines.protocol import Handle, JobSpec
from zoo_runner.execution.context import Context
from zoo_runner.inputs.neighbours import ensure_secondary_files
from zoo_runner.model import clock
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.ids import accept_job_id, new_job_id, new_uid
from zoo_runner.model.job import Job, Status
from zoo_runner.model.masking import Masker, holds_secret, list_texts, split_secrets
from zoo_runner.model.outcomes import build_failure
from zoo_runner.model.package import NO_PACKAGE, Package
from zoo_runner.model.portable import make_text_portable
from zoo_runner.model.problems import ValuePath
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.cwltypes import join_text
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.package.validate import ensure_runs


@dataclass(frozen=True)
class Origin:
    """Where a job comes from: who asked for it, what of the request is kept, how urgent it is, who has its process.

    `trace` is the context of the request's span; `title` that of the process, None: the label of its package.

    Of waiting jobs, those with the highest `priority` start first. `deployed_in` is the workspace of the process, None:
    that of the job.
    """

    caller: str | None = None
    request: Mapping[str, Any] | None = None
    priority: int = 0
    deployed_in: str | None = None
    trace: str | None = None
    title: str | None = None


_LONGEST_TITLE = 200
UNKNOWN = Origin()
"""Nothing is known of the client but that it called this process."""


def draft_job(
    package: Package,
    order: Mapping[str, Any],
    destination: Callable[[JobPaths], str],
    workspace: Workspace,
    job_id: str | None = None,
    *,
    place: ValuePath = (),
    continues: Handle | None = None,
) -> JobSpec:
    """Make a job of what was checked already; nothing is created. `destination` may depend on its names, and a relative
    one begins at the folder of this process.

    `place` leads to the inputs in the document that the client sent; `continues` is the handle of the failed job whose
    ended steps are not run again. Raises `PackageError` for a step that fails for certain, `InputError` for a local
    file without a secondary file that the package requires, `SettingsError` for an invalid job id, `StageOutError` for
    an invalid destination.
    """
    ensure_runs(package)
    ensure_secondary_files(package, order, workspace.storage.allowed_roots, place)
    job_id = accept_job_id(job_id) if job_id else new_job_id()
    paths = JobPaths.build(workspace.folders, package.workflow_id, job_id)
    limits, uid = workspace.limits, new_uid()
    limit, log_bytes = limits.time_seconds, limits.log_bytes
    chosen = find_destination(destination(paths))
    return JobSpec(paths, package, dict(order), chosen, limit, uid, log_bytes, continues, place, workspace.readers)


def accept(
    context: Context,
    draft: JobSpec,
    engine: str,
    workspace: Workspace,
    origin: Origin = UNKNOWN,
    *,
    leased: bool = False,
) -> Job:
    """Create a job and return it; nothing of it runs before somebody calls `execute` or `start`.

        job = accept(context, draft_job(package, order, choose, workspace), "local", workspace, leased=True)
        outcome = execute(context, job.id, secrets=find_secret_values(draft, workspace))

    `leased`: the caller goes on with it at once, so that no other process takes it meanwhile. Values of secret inputs
    are not stored. `engine` runs CWL; a package of another kind has an engine of its own.
    Raises `RunnerError` for what the engine cannot run, `JobExistsError` where the id is taken.
    """
    engine = choose_engine(draft.package, engine)
    job = _build_planned(context, draft, engine, workspace, origin)
    owner = context.owner if leased else None
    return context.store.create(job, draft.package, owner, context.keeper.lease_seconds)


def accept_failed(
    context: Context,
    draft: JobSpec,
    engine: str,
    workspace: Workspace,
    error: RunnerError,
    origin: Origin = UNKNOWN,
) -> Job:
    """Create a job that has failed, for clients that learn of an invalid request by a failed job only.

    Raises `JobExistsError` where the id is taken.
    """
    job = _build_job(draft, engine, workspace, origin)
    masker = build_masker(workspace, find_secret_values(draft, workspace), find_secret_inputs(draft.package))
    outcome = build_failure(error, masker)
    failed = replace(job, status=outcome.status, outcome=outcome, finished=job.created)
    return context.store.create(failed, draft.package)


def create_unstarted(
    context: Context,
    draft: JobSpec,
    engine: str,
    workspace: Workspace,
    origin: Origin,
) -> Job:
    """Create a job that nobody works on before `accept_created` starts it; its request may change until then."""
    engine = choose_engine(draft.package, engine)
    job = replace(_build_job(draft, engine, workspace, origin), status=Status.CREATED)
    return context.store.create(job, draft.package)


def accept_created(context: Context, job: Job, draft: JobSpec, workspace: Workspace, origin: Origin) -> Job:
    """Start a job that was created before, as what was drafted of its request by now.

    Raises `RunnerError` for what the engine cannot run, `JobChangedError` where somebody else changed or started it.
    """
    started = _build_planned(context, draft, job.engine, workspace, origin)
    return context.store.update(replace(started, created=job.created, version=job.version))


def build_unaccepted(job_id: str, process_id: str, workspace: Workspace) -> Job:
    """Build the record of a job that ends before it was accepted: of its package and inputs nothing is known."""
    now = clock.now()
    return Job(
        id=job_id,
        workspace=workspace.name,
        process_id=process_id,
        workflow_id=process_id,
        engine="none",
        package=NO_PACKAGE.digest,
        inputs={},
        destination="",
        created=now,
        updated=now,
    )


def _build_planned(context: Context, draft: JobSpec, engine: str, workspace: Workspace, origin: Origin) -> Job:
    """Build a job that its engine can run; raises `RunnerError`."""
    runs = context.find_engine(engine, workspace)
    planned = runs.plan(draft)
    built = _build_job(draft, engine, workspace, origin)
    return replace(built, needs=runs.measure(draft.package), settings=planned.settings)


def _build_job(draft: JobSpec, engine: str, workspace: Workspace, origin: Origin) -> Job:
    secrets = find_secret_values(draft, workspace)
    now, roots = clock.now(), workspace.storage.allowed_roots
    return Job(
        id=draft.id,
        workspace=workspace.storage_of or workspace.name,
        process_id=draft.paths.workflow_id,
        workflow_id=draft.workflow_id,
        engine=engine,
        package=draft.package.digest,
        inputs={name: value for name, value in draft.order.items() if name not in secrets},
        destination=draft.destination,
        created=now,
        updated=now,
        secret_inputs=tuple(secrets),
        allowed_roots=None if roots is None else tuple(map(str, roots)),
        public_url=workspace.storage.public_url,
        time_limit_seconds=draft.time_limit_seconds,
        log=str(draft.paths.job_log),
        log_folder=str(draft.paths.log_folder),
        uid=draft.uid,
        caller=origin.caller,
        request=origin.request,
        priority=origin.priority,
        runs_in=workspace.name if workspace.storage_of else None,
        deployed_in=origin.deployed_in,
        trace=origin.trace,
        title=_cut_title(origin.title or join_text(draft.package.process.get("label"))),
        continues=asdict(draft.continues) if draft.continues else None,
    )


def _cut_title(title: str | None) -> str | None:
    return make_text_portable(title)[:_LONGEST_TITLE] if title else None


def find_secret_values(draft: JobSpec, workspace: Workspace) -> dict[str, Any]:
    """Return the values of secret inputs: `execute` gets them in memory, no store does.

    Secret is what the package calls so, and what has a secret of the workspace whose inputs they are in it.
    """
    named = find_secret_inputs(draft.package)
    return {
        name: value
        for name, value in draft.order.items()
        if value is not None and (name in named or holds_secret(value, workspace.input_secrets))
    }


def build_masker(workspace: Workspace, secrets: Mapping[str, Any], declared: Collection[str] = ()) -> Masker:
    """Make the masker of a job; `declared` are the inputs that the package calls secret.

    Any other text with a secret of the workspace in it is not a secret as a whole.
    """
    texts = [
        text
        for name, value in secrets.items()
        for text in list_texts(value)
        if name in declared or not holds_secret(text, workspace.secrets)
    ]
    return Masker([*workspace.secrets, *split_secrets(texts)])
