"""The work on one job: submit it, follow it, conclude it, from its beginning or from where another process left it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from typing import Any

from zoo_runner.engines.background import fail
from zoo_runner.engines.protocol import Engine, Handle, JobSpec
from zoo_runner.execution.accept import build_masker
from zoo_runner.execution.context import Context, build_ended, build_paths, build_workspace
from zoo_runner.execution.insist import insist
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.job_record import build_documents
from zoo_runner.execution.journal import Journal
from zoo_runner.execution.kept_results import remove_with_results
from zoo_runner.execution.progress import may_have_begun
from zoo_runner.execution.publish import discard_partial_results, publish_logs, publish_record
from zoo_runner.model import clock
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, JobBusyError, NotReachedError, RunnerError
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import FINAL, Job, Outcome, Results, Status
from zoo_runner.model.outcomes import catch_outcome, mask_outcome, may_have_kept
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.store.protocol import Lease


def execute(
    context: Context,
    job_id: str,
    report: Report = lambda _: None,
    cancellation: Cancellation | None = None,
    secrets: Mapping[str, Any] | None = None,
) -> Outcome:
    """Work on a job until it has ended and return how: this never raises for what a job can do wrong.

    A job that another process left is taken up where it was; of one that has ended, the outcome is returned again.
    `secrets` are the values of its secret inputs, needed until it is submitted. Raises `JobNotFoundError`,
    `JobBusyError` while another process works on it, `SettingsError` where its logs cannot be written, and
    `NotReachedError` where the engine does not answer: then the job is as it was.
    """
    with _Work(context, job_id, report, cancellation, secrets) as work:
        return work.ended or work.conclude(work.begin())


def start(
    context: Context,
    job_id: str,
    report: Report = lambda _: None,
    cancellation: Cancellation | None = None,
    secrets: Mapping[str, Any] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> Future[Outcome]:
    """Do the same without waiting: the future ends as `execute` returns or raises.

    While a job of a remote engine runs, it takes no thread of this process. `begun` is called once it is submitted, or
    has failed before.
    """
    done: Future[Outcome] = Future()

    def begin() -> None:
        work = None
        try:
            work = _Work(context, job_id, report, cancellation, secrets)
            following = work.begin() if work.ended is None else _succeed(work.ended)
            following.add_done_callback(lambda _: context.pool.submit(end, work, following))
        except BaseException as error:  # noqa: BLE001 the end of the thread: what waits gets the error
            if work:
                work.close()
            done.set_exception(error)
        finally:
            begun()

    def end(work: _Work, following: Future[Any]) -> None:
        try:
            with work:
                outcome = work.ended or work.conclude(following)
        except BaseException as error:  # noqa: BLE001 as above
            done.set_exception(error)
        else:
            done.set_result(outcome)

    context.pool.submit(begin)
    return done


class _Work:
    """One process working on one job, under a lease; `ended` is how the job ended before."""

    def __init__(
        self,
        context: Context,
        job_id: str,
        report: Report,
        cancellation: Cancellation | None,
        secrets: Mapping[str, Any] | None,
    ) -> None:
        self._context, self._secrets = context, dict(secrets or {})
        self._handle: Handle | None = None
        self._stack = ExitStack()
        self.ended = _find_end(context.store.get(job_id))
        if self.ended:
            return
        try:
            self._open(job_id, report, cancellation)
        except BaseException:
            self.close()
            raise

    def _open(self, job_id: str, report: Report, cancellation: Cancellation | None) -> None:
        context = self._context
        self._lease = self._take(job_id)
        job = context.store.get(job_id)
        self.ended = _find_end(job)  # another process may have ended it before the lease
        if self.ended:
            return
        self._workspace = build_workspace(job, context.find_workspace_of(job))
        self._secrets = {**context.find_secrets(job), **self._secrets}
        masker = build_masker(self._workspace, self._secrets, self._find_declared(job))
        paths, most = build_paths(job, self._workspace), self._workspace.limits.log_bytes
        log = self._stack.enter_context(JobLog(paths, masker, most, readers=self._workspace.readers))
        self._journal = Journal(context, job, log, report)
        # that of a job submitted here counts also where it cannot be stored
        self._handle = Handle(**job.handle) if job.handle else None
        self._cancellation = cancellation or Cancellation(job.time_limit_seconds)
        left = _find_seconds_left(job, self._cancellation)
        keeping = context.keeper.keeping(self._lease, self._cancellation, left, self._journal.hand_over)
        self._stack.enter_context(keeping)

    def _find_declared(self, job: Job) -> Collection[str]:
        """Find the inputs that the package calls secret, if this process has the values of any."""
        return find_secret_inputs(self._context.store.load_package(job.package)) if self._secrets else ()

    def _take(self, job_id: str) -> Lease:
        """Lease the job; raises `JobBusyError` where this process or another works on it already."""
        context = self._context
        if not context.in_work.add(job_id):
            raise _build_busy(job_id)
        self._stack.callback(context.in_work.discard, job_id)
        lease = context.store.lease(job_id, context.owner, context.keeper.lease_seconds)
        if lease is None:
            raise _build_busy(job_id)
        self._stack.callback(self._release)
        return lease

    def _release(self) -> None:
        # a lease that cannot be given back ends by itself; how the job ended is known by now
        with suppress(RunnerError, OSError):
            self._context.store.release(self._lease)

    def __enter__(self) -> "_Work":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the logs and give the lease back."""
        self._stack.close()

    def begin(self) -> Future[Results]:
        """Submit the job if it is not yet, and follow it; what goes wrong is in the future."""
        try:
            return self._follow()
        except Exception as error:  # noqa: BLE001 `conclude` turns it into an outcome
            return fail(error)

    def conclude(self, following: Future[Results]) -> Outcome:
        """Wait for the end, keep how the job ended, publish its logs, and remove what the engine created.

        Raises `JobBusyError` where another process took the job over meanwhile.
        """
        journal, log = self._journal, self._journal.log
        outcome = journal.job.outcome or self._keep_outcome(following)
        results = outcome.results
        log.write_end(outcome.diagnosis, results.collection_href if results else None)
        place, ended = (journal.job.destination, self._workspace.storage), clock.now()
        is_kept = not self._is_removal_requested()
        if is_kept and log.published is None:
            publish_logs(log, *place, outcome, journal)
        if is_kept and log.published:
            # also where a pod has published the logs: it does not know the record
            publish_record(log.paths, *place, lambda: self._build_documents(outcome, ended), journal)
        self._remove(outcome)
        if outcome.status is Status.DISMISSED and may_have_begun(Stage.STAGE_OUT, journal.job.progress):
            # only now does nothing of the job write there any more
            discard_partial_results(log.paths, *place, journal)
        outcome = replace(self._complete(outcome), published=log.published)
        insist(lambda: journal.end(mask_outcome(outcome, log.masker), ended))
        return outcome

    def _complete(self, outcome: Outcome) -> Outcome:
        """Return an outcome with what the logs say of the steps."""
        log = self._journal.log
        return replace(outcome, usage=log.usage or outcome.usage, reused=log.reused or outcome.reused)

    def _build_documents(self, outcome: Outcome, ended: str) -> Mapping[str, bytes]:
        """Build the record of the job, as it is about to be stored; raises as the store does, and `ValueError`."""
        job, masker = self._journal.job, self._journal.log.masker
        final = build_ended(job, mask_outcome(self._complete(outcome), masker), ended)
        return build_documents(final, self._context.store.load_package(job.package), masker)

    def _is_removal_requested(self) -> bool:
        """Whether somebody wants nothing of the job to stay, as a kernel does that deletes it."""
        return insist(lambda: self._context.store.get(self._lease.job_id)).removal_requested

    def _keep_outcome(self, following: Future[Results]) -> Outcome:
        """Store how the job ended, before anything is removed: whoever takes it up from here needs no engine.

        An outcome that is stored already is never replaced by another.
        """
        journal, log = self._journal, self._journal.log
        keep_trace = (log.paths.record / "internal-error.txt").write_text
        outcome = catch_outcome(following.result, log.masker, str(log.paths.job_log), keep_trace)
        store, seconds = self._context.store, self._context.keeper.lease_seconds
        if insist(lambda: store.renew(self._lease, seconds)) is None:
            raise _build_busy(self._lease.job_id)
        known = mask_outcome(outcome, log.masker)
        insist(lambda: journal.change(lambda stored: replace(stored, outcome=stored.outcome or known)))
        stored = journal.job.outcome
        return outcome if stored in (None, known) else stored

    def _follow(self) -> Future[Results]:
        job = self._journal.job
        if job.outcome:
            # what its end has written may be there too
            self._journal.log.take_up()
            return fail(EngineError("the outcome is stored already", "Nothing to do.", code="job.changed"))
        engine = self._find_engine()
        handle = self._handle
        if handle is None:
            handle = self._submit(engine)
        else:
            note = f"{job.workflow_id} {job.id} is followed again on engine {engine.name}"
            if engine.capabilities.remote:
                self._journal.begin_again(note)
            else:
                self._journal.log.write("job", note)
        if self._journal.job.cancel_requested:
            self._cancellation.cancel()
        self._cancellation.check()
        return engine.follow(handle, self._journal, self._cancellation)

    def _submit(self, engine: Engine) -> Handle:
        journal, job = self._journal, self._journal.job
        journal.log.write("job", f"{job.workflow_id} {job.id} on engine {engine.name}, results to {job.destination}")
        if job.status is Status.ACCEPTED:
            journal.change(lambda stored: stored.moved_to(Status.RUNNING, clock.now()))
        if journal.job.cancel_requested:
            self._cancellation.cancel()
        missing = [name for name in job.secret_inputs if name not in self._secrets]
        plan = engine.plan(self._build_spec(job, missing))
        # an earlier attempt may have broken off: whatever it created is removed by this handle
        self._handle = plan.handle
        if missing and not self._cancellation.reason:
            raise _build_secrets_lost(missing)
        journal.log.write_plan(plan.describe())
        engine.submit(plan, journal, self._cancellation)
        insist(lambda: journal.change(lambda stored: replace(stored, handle=asdict(plan.handle))))
        return plan.handle

    def _build_spec(self, job: Job, missing: Sequence[str]) -> JobSpec:
        """Rebuild what was accepted, with empty texts for the `missing` secret inputs."""
        package = self._context.store.load_package(job.package)
        order = {**job.inputs, **dict.fromkeys(missing, ""), **self._secrets}
        paths, most = self._journal.log.paths, self._workspace.limits.log_bytes
        continues = Handle(**job.continues) if job.continues else None
        return JobSpec(
            paths,
            package,
            order,
            job.destination,
            job.time_limit_seconds,
            job.uid,
            most,
            continues,
            readers=self._workspace.readers,
        )

    def _find_engine(self) -> Engine:
        return self._context.find_engine(self._journal.job.engine, self._workspace)

    def _remove(self, outcome: Outcome) -> None:
        """Remove what the engine created; what cannot be removed does not change how the job ended.

        Raises `NotReachedError` where something may still run, as of a job without results: it is removed when the job
        is taken up again.
        """
        handle = self._handle
        if handle is None:
            return
        try:
            engine = self._find_engine()
            if may_have_kept(outcome) and self._is_removal_requested():
                remove_with_results(engine, handle)
            else:
                engine.remove(handle)
        except RunnerError as error:
            if isinstance(error, NotReachedError) and outcome.results is None:
                raise
            text = f"not everything of the job was removed ({error}); `zoo-runner gc` finds the rest"
            self._journal(EngineLine("warning", text))


def _find_seconds_left(job: Job, cancellation: Cancellation) -> float | None:
    """Return what is left of a time limit; a job that was taken up has used some of it."""
    limit = cancellation.time_limit_seconds
    if limit is None:
        return None
    return limit - clock.seconds_since(job.started) if job.started else limit


def _find_end(job: Job) -> Outcome | None:
    return job.outcome if job.status in FINAL else None


def _build_secrets_lost(names: Iterable[str]) -> EngineError:
    return EngineError(
        f"the values of the secret inputs {', '.join(names)}, which are never stored, were lost with the process that"
        " accepted the job",
        "Run the job again.",
        code="job.secrets-lost",
    )


def _build_busy(job_id: str) -> JobBusyError:
    return JobBusyError(
        f"job {job_id} is already worked on, by another process or by another thread of this one",
        f"Follow its log with `zoo-runner logs -f {job_id}`, or stop it with `zoo-runner cancel {job_id}`.",
    )


def _succeed(outcome: Outcome) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(outcome)
    return future
