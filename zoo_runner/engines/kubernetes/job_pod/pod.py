"""What the programs of a job pod share: their settings, their output, and the evaluation of the package.

Everything that happens is a line on stdout (`pod_log`), the last of which says how the program ended. Credentials come
as its environment and stay with it: the package is evaluated in another container, and no process of the same user can
read this one's memory and environment.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.config.workspace import load_storage_profile
from zoo_runner.engines.hidden import hide_process
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.broker import Broker, Room
from zoo_runner.engines.kubernetes.job_pod.execution import Execution, Observer, prepare
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner, build_launcher_settings
from zoo_runner.engines.kubernetes.job_pod.steprunner import StepRunner
from zoo_runner.engines.kubernetes.manifests import WORK_FOLDER
from zoo_runner.engines.kubernetes.pod_log import Handover, LastLine, encode_line
from zoo_runner.engines.kubernetes.secret_inputs import pick_secret_inputs
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Event, Report, mask_event
from zoo_runner.model.job import Outcome
from zoo_runner.model.masking import Masker, find_secrets
from zoo_runner.model.outcomes import build_defect, build_failure, mask_outcome
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.variables import FILE_VARIABLES

_PROGRESS_SECONDS = 1.0


@dataclass(frozen=True)
class PodSettings:
    """What the job pod reads from its environment, once.

    `secret_inputs` are the job's secret inputs by variable, `secrets` all values to mask.
    """

    storage: StorageProfile
    secrets: tuple[str, ...] = field(repr=False)
    owner: Mapping[str, str]
    api: KubernetesSettings
    secret_inputs: Mapping[str, str] = field(repr=False)


def load_pod_settings(environ: Mapping[str, str]) -> PodSettings:
    """Read an environment, in which files of credentials are files again (`restore_files`). Raises `SettingsError`."""
    return PodSettings(
        # inputs may be files of the bundle, and no other files of this pod
        storage=replace(load_storage_profile(environ), allowed_roots=(Path(WORK_FOLDER),)),
        secrets=find_secrets(environ),
        owner={"name": environ["POD_NAME"], "uid": environ["POD_UID"]},
        api=KubernetesSettings(
            service_host=environ["KUBERNETES_SERVICE_HOST"], service_port=environ["KUBERNETES_SERVICE_PORT"]
        ),
        secret_inputs=pick_secret_inputs(environ),
    )


class PodOutput:
    """Writes events as lines, masked, each at once; transfers at most once a second."""

    def __init__(self, stream: TextIO, masker: Masker) -> None:
        self._stream, self.masker = stream, masker
        self._lock = threading.Lock()
        self._reported_at = 0.0

    def __call__(self, event: Event | LastLine) -> None:
        """Write an event."""
        if type(event).__name__ == "Transferred" and not self._is_due(event):
            return
        # before it is encoded: in the text of JSON, masking could change more than values
        masked = self._mask(event)
        with self._lock:
            self._stream.writelines(f"{line}\n" for line in encode_line(masked))
            self._stream.flush()

    def _mask(self, event: Event | LastLine) -> Event | LastLine:
        match event:
            case Outcome():
                return mask_outcome(event, self.masker)
            case Handover():
                return event
            case _:
                return mask_event(event, self.masker)

    def _is_due(self, event: Any) -> bool:
        now = time.monotonic()
        if event.files_done < event.files_total and now - self._reported_at < _PROGRESS_SECONDS:
            return False
        self._reported_at = now
        return True


@contextmanager
def evaluating(job: JobSpec, steps: Mapping[str, Any], settings: PodSettings, report: Report) -> Iterator[Execution]:
    """Have the package evaluated by the other container of this pod, and run its steps, until the block is left."""
    observe, owner = Observer(report), Owner(**settings.owner)
    spec = {**prepare(job), **build_launcher_settings(steps), "secrets": dict(settings.secret_inputs)}
    runner = StepRunner(Cluster(settings.api), steps, owner, observe, Path(WORK_FOLDER))
    broker = Broker(runner.run, Room(steps["max_cores"], steps["max_ram_mib"]), Path(WORK_FOLDER))
    execution = Execution(spec, broker, observe, runner.explain_cwl)
    try:
        yield execution
    finally:
        execution.close()
        runner.stop()


def restore_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment, with files of credentials kept in memory of this process alone."""
    restored = dict(environ)
    for variable in FILE_VARIABLES:
        if content := restored.pop(f"{variable}_CONTENT", None):
            handle = os.memfd_create("credentials")
            os.write(handle, content.encode())
            restored[variable] = f"/proc/self/fd/{handle}"
    return restored


def read_bundle(folder: Path) -> bytes:
    """Join the parts of the bundle."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("part-*")))


Last = TypeVar("Last", bound=LastLine)


def conclude(work: Callable[[], Last]) -> Last | Outcome:
    """Turn whatever a piece of work raises into an outcome, because the follower must learn of it."""
    try:
        return work()
    except RunnerError as error:
        return build_failure(error)
    except Exception as error:  # noqa: BLE001 the entry point of the pod
        return build_failure(build_defect(error))


Work = Callable[[PodSettings, PodOutput, Cancellation], LastLine]
"""What a program of a job pod does."""


def run_program(work: Work, environ: Mapping[str, str], stream: TextIO) -> int:
    """Do the work of a program and return its exit code; whatever happens, the last line says how it ended."""
    hide_process()
    variables = restore_files(environ)
    emit = PodOutput(stream, Masker(find_secrets(variables)))
    cancellation = Cancellation()
    signal.signal(signal.SIGTERM, lambda *_: cancellation.cancel())
    last = conclude(lambda: work(load_pod_settings(variables), emit, cancellation))
    emit(last)
    return last.exit_code if isinstance(last, Outcome) else 0
