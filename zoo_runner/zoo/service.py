"""The adapter to a ZOO kernel: takes `conf`, `inputs` and `outputs`, runs a job, returns a code and a status message.

The only module that uses the module `zoo`, which exists inside a kernel only.
"""

import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, Protocol, cast

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import RESULTS_DOCUMENT, JobPaths
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.accept import accept, build_masker, build_unaccepted, draft_job, find_secret_values
from zoo_runner.execution.context import Context, open_context, record_outcome
from zoo_runner.execution.execute import execute
from zoo_runner.execution.job_log import JobLog
from zoo_runner.files import write_atomically
from zoo_runner.handler import HookError, add_service_logs, load_handler
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import InputError, JobExistsError, RunnerError, SettingsError
from zoo_runner.model.job import Job, Outcome, Results
from zoo_runner.model.masking import Masker
from zoo_runner.model.outcomes import DEFECT, build_defect, catch_outcome
from zoo_runner.model.package import Package
from zoo_runner.model.remedies import Readers
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.package.prepare import prepare_package
from zoo_runner.store.files import FileStore
from zoo_runner.zoo.conf import (
    RESULTS_FOLDER,
    Conf,
    choose_destination,
    confine_inputs,
    find_api_proxy,
    load_site_configuration,
    read_site,
)
from zoo_runner.zoo.dismiss import build_dismissal, is_removal_requested, was_dismissed, was_removed
from zoo_runner.zoo.hooks import Hooks, build_hook_output
from zoo_runner.zoo.process import captured_output, child_signals, direct_connections, end_as_dismissed
from zoo_runner.zoo.progress import Progress
from zoo_runner.zoo.results import (
    Response,
    build_failure_message,
    build_outputs,
    build_service_logs,
    ensure_downloadable,
    list_wanted,
    read_hook_value,
)
from zoo_runner.zoo.values import InputReader, build_withheld_note

Entries = dict[str, dict[str, Any]]


class Kernel(Protocol):
    """What a service uses of the module `zoo`."""

    SERVICE_SUCCEEDED: int
    SERVICE_FAILED: int

    def update_status(self, conf: Conf, progress: int) -> None:
        """Show percent and `conf["lenv"]["message"]` in the status of the job."""


def open_kernel() -> Kernel:
    """Return the kernel of this process; outside of a kernel, where handlers are tried by hand, a silent substitute."""
    try:
        return cast(Kernel, import_module("zoo"))
    except ModuleNotFoundError:
        silent = SimpleNamespace(SERVICE_SUCCEEDED=3, SERVICE_FAILED=4, update_status=lambda conf, progress: None)
        return cast(Kernel, silent)


class KernelJob:
    """One call of a service by a kernel.

    `package` is a reference or a whole CWL document. `handler` is the site's, None: the one of the settings.
    `namespace` overrides that of the handler.
    """

    namespace: str | None = None

    def __init__(
        self,
        package: str | Mapping[str, Any],
        conf: Conf,
        inputs: Entries | None,
        outputs: Entries | None,
        handler: Any = None,
    ) -> None:
        self._package = package
        # for a process without inputs or outputs the kernel gives None
        self._conf, self._inputs, self._outputs = conf, inputs or {}, {} if outputs is None else outputs
        self._handler = handler
        self._kernel = open_kernel()
        # the kernel leaves holes in this section, and a process that reads or copies them crashes
        conf.pop("orequests", None)

    def execute(self, time_limit_seconds: float | None = None) -> int:
        """Run the job and report to the kernel how it ended. Never raises."""
        diagnosis = self._attempt(time_limit_seconds)
        for name in [name for name, section in self._conf.items() if not isinstance(section, dict)]:
            del self._conf[name]
        if diagnosis is None:
            return self._kernel.SERVICE_SUCCEEDED
        lenv = self._conf.setdefault("lenv", {})
        lenv["message"] = build_failure_message(diagnosis, diagnosis.log or "")
        lenv["code"] = "InvalidParameterValue" if diagnosis.stage is InputError.stage else "NoApplicableCode"
        return self._kernel.SERVICE_FAILED

    def _attempt(self, time_limit_seconds: float | None) -> Diagnosis | None:
        try:
            call = _Call(self._conf, self._inputs, self._outputs, self._kernel)
            with ExitStack() as stack:
                stack.callback(call.end_if_dismissed)
                stack.enter_context(child_signals())
                stack.enter_context(captured_output(call.take_line))
                stack.enter_context(direct_connections(os.environ, call.api_proxy))  # noqa: TID251
                return call.run(self._package, self._handler, self.namespace, time_limit_seconds)
        except BaseException as error:  # noqa: BLE001 the entry point: nothing may reach the kernel, not even SystemExit
            known = error if isinstance(error, RunnerError) else build_defect(error)
            sys.stderr.write(f"{known.diagnosis.cause}\n")
            return known.diagnosis


class _Call:
    """The job of one call, from settings to outputs."""

    def __init__(self, conf: Conf, inputs: Entries, outputs: Entries, kernel: Kernel) -> None:
        self._conf, self._inputs, self._outputs, self._kernel = conf, inputs, outputs, kernel
        self._taking, self._removed, self._dismissed = threading.Lock(), False, False
        self._site = read_site(conf)
        self.api_proxy = find_api_proxy(os.environ)  # noqa: TID251
        configuration = self._read_configuration()
        self._paths = JobPaths.build(configuration.workspace.folders, self._site.process_id, self._site.job_id)
        self._store = FileStore(configuration.workspace.folders.state)
        self._use(configuration)
        self._progress = Progress(self._update, self._masker, steps=1)
        self._job = self._build_fallback()

    def _use(self, configuration: Configuration) -> None:
        self._settings = configuration.settings
        self._workspace = replace(configuration.workspace, readers=Readers.ZOO)
        self._masker = Masker(configuration.workspace.secrets)
        self._log = JobLog(self._paths, self._masker, self._workspace.limits.log_bytes, readers=self._workspace.readers)

    def _hide_inputs(self, package: Package) -> None:
        """Mask the values of secret inputs from here on, before anything reads them."""
        given = {name: self._inputs.get(name, {}).get("value") for name in find_secret_inputs(package)}
        self._masker = build_masker(self._workspace, given, given)
        self._log = JobLog(self._paths, self._masker, self._workspace.limits.log_bytes, readers=self._workspace.readers)

    def take_line(self, text: str) -> None:
        """Add a line that was printed to the job log."""
        with self._taking:
            if not self._removed:
                self._log.write("service", text)

    def run(
        self, given: str | Mapping[str, Any], handler: Any, namespace: str | None, time_limit_seconds: float | None
    ) -> Diagnosis | None:
        """Run the job; return the diagnosis of a failure."""
        try:
            self._ensure_not_dismissed()
            self._ensure_not_removed()
            self._progress.report(4, "preparing the job")
            hooks = Hooks(handler or self._make_handler())
            parameters = hooks.prepare(self._site, self._conf, namespace)
            return self._run(given, hooks, parameters, time_limit_seconds)
        except BaseException as error:  # noqa: BLE001 the end of the job: an internal error must not lose its logs
            return self._fail(error)
        finally:
            # a store that does not answer, or a log that stays, does not change how the job ended
            with suppress(RunnerError, OSError):
                self._remove_logs_if_dismissed()

    def _run(
        self,
        given: str | Mapping[str, Any],
        hooks: Hooks,
        parameters: dict[str, Any],
        time_limit_seconds: float | None,
    ) -> Diagnosis | None:
        # read again after the hooks: existing handlers put settings into the environment
        configuration = self._read_configuration(parameters)
        workspace = replace(configuration.workspace, folders=self._workspace.folders)
        self._use(replace(configuration, workspace=workspace))
        package = prepare_package(given if isinstance(given, str) else self._keep_package(given), self._settings)
        self._hide_inputs(package)
        self._progress = Progress(self._update, self._masker, len(package.process.get("steps", ())))
        draft, workspace = self._draft(package, parameters, time_limit_seconds)
        context = open_context(
            replace(configuration, workspace=workspace), beat_seconds=self._settings.dismiss_check_seconds
        )
        self._job = job = self._accept(context, draft, workspace)
        outcome = execute(context, job.id, self._progress, secrets=find_secret_values(draft, workspace))
        return self._deliver(hooks, outcome)

    def _accept(self, context: Context, draft: JobSpec, workspace: Workspace) -> Job:
        """Store the job; raises `DismissedError` where it was dismissed before, else `JobExistsError` for its id."""
        try:
            return accept(context, draft, self._settings.engine, workspace, leased=True)
        except JobExistsError:
            self._ensure_not_dismissed()
            raise

    def _ensure_not_dismissed(self) -> None:
        if was_dismissed(self._store, self._site.job_id):
            raise build_dismissal()

    def _ensure_not_removed(self) -> None:
        state = self._workspace.folders.state
        self._removed = was_removed(self._site.status_file, state.with_name(f"{state.name}-status-files-seen"))
        if self._removed:
            raise build_dismissal()

    def _keep_package(self, document: Mapping[str, Any]) -> str:
        """Write a document that a service gave to a file in a folder of its own, so that it can be referred to."""
        content = json.dumps(document, default=str).encode()
        path = self._settings.cache / "given" / sha256(content).hexdigest() / "package.cwl"
        if not path.exists():
            write_atomically(path, content)
        return f"{path}#{self._site.process_id}"

    def _make_handler(self) -> Any:
        given = {"conf": self._conf, "inputs": self._inputs, "outputs": self._outputs}
        return load_handler(self._settings.handler, **given)

    def _read_configuration(self, parameters: dict[str, Any] | None = None) -> Configuration:
        environ = {**os.environ, **({"HTTP_PROXY": self.api_proxy} if self.api_proxy else {})}  # noqa: TID251 entry point
        return load_site_configuration(self._conf, environ, self._site, parameters)

    def _draft(
        self, package: Package, parameters: dict[str, Any], time_limit_seconds: float | None
    ) -> tuple[JobSpec, Workspace]:
        """Check the inputs; return the job, and the workspace as far as this job may use it."""
        folders = [self._site.temp, *([self._site.cache] if self._site.cache else [])]
        settings = self._settings
        reader = InputReader(self._site.inputs, tuple(folders), settings.platform_inputs, settings.max_input_values)
        order = reader.read(package, self._inputs, parameters)
        if reader.withheld:
            self._log.write("service", f"warning: {build_withheld_note(reader.withheld)}")
        storage = confine_inputs(self._workspace.storage, reader.local_files)
        destination, storage = choose_destination(storage, self._site, self._paths.log_folder)
        limits = self._workspace.limits
        if time_limit_seconds:
            limits = replace(limits, time_seconds=time_limit_seconds)
        workspace = replace(self._workspace, storage=storage, limits=limits)
        draft = draft_job(package, order.values, lambda _: destination, workspace, self._site.job_id, place=("inputs",))
        return replace(draft, paths=self._paths), workspace

    def _update(self, percent: int, message: str) -> None:
        self._conf["lenv"]["message"] = message
        try:
            self._kernel.update_status(self._conf, percent)
        except Exception as error:  # noqa: BLE001 the entry point: a status that cannot be shown must not end the job
            self._log.write("service", f"the kernel refused a status update: {error}")

    def _deliver(self, hooks: Hooks, outcome: Outcome) -> Diagnosis | None:
        """Call the hooks that follow a job and fill the outputs."""
        self._progress.report(96, "delivering results and logs")
        results, failure = outcome.results, None
        try:
            ensure_downloadable(self._paths.log_folder / RESULTS_FOLDER)
        except SettingsError as error:
            results, failure = None, error
        try:
            hooks.finish(self._paths, build_hook_output(results) if results else {})
        except HookError as error:
            if outcome.diagnosis is None:
                return self._fail(failure or error)
            self._log.write("job", error.diagnosis.cause)
        if failure and outcome.diagnosis is None:
            return self._fail(failure)
        self._link_logs()
        if results is None:
            return self._with_log(outcome.diagnosis)
        href = self._publish_document(results) if self._site.document else ""
        response = Response(self._site.document, len(list_wanted(self._outputs)) == 1, href)
        own = build_outputs(results, self._outputs, self._settings.results, response)
        for name, entry in own.items():
            self._outputs[name].update(
                {**entry, **read_hook_value(hooks.handler, self._outputs[name], entry, response)}
            )
        return None

    def _publish_document(self, results: Results) -> str:
        """Put the results document beside the logs; return its public address."""
        path = self._paths.log_folder / RESULTS_DOCUMENT
        path.write_text(json.dumps(self._masker.mask_data(results.document), indent=2), encoding="utf-8")
        return f"{self._site.temp_url}/{path.parent.name}/{path.name}"

    def _remove_logs_if_dismissed(self) -> None:
        """Remove the logs of a job that its kernel dismissed: it has removed those in `temp` before the job ended."""
        self._dismissed = is_removal_requested(self._store, self._site.job_id)
        if not (self._removed or self._dismissed):
            return
        with self._taking:
            # a line that is printed later does not create them again
            self._removed = True
            shutil.rmtree(self._paths.log_folder, ignore_errors=True)
            for log in (self._paths.job_log, self._paths.kept_log):
                log.unlink(missing_ok=True)

    def end_if_dismissed(self) -> None:
        """End the process where its kernel has dismissed the job, and would now write files of it again."""
        if self._dismissed:
            end_as_dismissed()

    def _link_logs(self) -> None:
        add_service_logs(self._conf, build_service_logs(self._paths, self._site.temp_url))

    def _with_log(self, diagnosis: Diagnosis | None) -> Diagnosis | None:
        url = f"{self._site.temp_url}/{self._paths.job_log.name}"
        return replace(diagnosis, log=url) if diagnosis else None

    def _fail(self, error: BaseException) -> Diagnosis | None:
        """Keep what went wrong before or after the job was executed, in its log and in its record."""
        trace = self._paths.record / "internal-error.txt"
        known = error if isinstance(error, Exception) else build_defect(error)
        outcome = catch_outcome(lambda: _raise(known), self._masker, str(self._paths.job_log), trace.write_text)
        if outcome.diagnosis:
            self._log.write_failure(outcome.diagnosis)
        self._record(outcome, trace)
        self._link_logs()
        return self._with_log(outcome.diagnosis)

    def _record(self, outcome: Outcome, trace: Path) -> None:
        """Store how the job ended; where that fails, the caller still learns how it ended."""
        try:
            record_outcome(self._store, self._job, outcome)
        except Exception as error:  # noqa: BLE001 the end of the job: a store that fails must not hide why the job did
            known = error if isinstance(error, RunnerError) else build_defect(error)
            self._log.write("job", f"warning: how the job ended could not be stored: {known.diagnosis.cause}")
            if known.diagnosis.code == DEFECT:
                with suppress(OSError):
                    trace.write_text(self._masker.mask("".join(traceback.format_exception(error))))

    def _build_fallback(self) -> Job:
        """Make the record of a job that ended before it was accepted."""
        job = build_unaccepted(self._site.job_id, self._site.process_id, self._workspace)
        return replace(job, log=str(self._paths.job_log), log_folder=str(self._paths.log_folder))


def _raise(error: Exception) -> NoReturn:
    raise error
