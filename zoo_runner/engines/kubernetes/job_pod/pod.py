"""What the programs of a job pod share: their settings, their output, and Calrissian under the supervisor.

Everything that happens is a line on stdout (`pod_log`), the last of which says how the program ended. Credentials come
as its environment and stay with it: no process that it starts gets them (except for the job's own secret inputs), and
processes of the same user cannot read its memory and environment.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

from zoo_runner.config.workspace import load_storage_profile
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.engines.cwl_process.parameters import build_launch_parameters
from zoo_runner.engines.cwl_process.supervised import Supervised
from zoo_runner.engines.hidden import hide_process
from zoo_runner.engines.kubernetes.manifests import WORK_FOLDER
from zoo_runner.engines.kubernetes.pod_log import Handover, LastLine, decode_lines, encode_line
from zoo_runner.engines.kubernetes.secret_inputs import pick_secret_inputs
from zoo_runner.engines.pipeline import Staged
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import write_json
from zoo_runner.inputs.package_files import find_remote_files
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Event, Report, mask_event
from zoo_runner.model.job import Outcome
from zoo_runner.model.masking import Masker, find_secrets
from zoo_runner.model.outcomes import build_defect, build_failure, mask_outcome, restore_error
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.variables import FILE_VARIABLES

_PYTHON = "/opt/calrissian/bin/python"
_PROGRESS_SECONDS = 1.0
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ")


@dataclass(frozen=True)
class PodSettings:
    """What the job pod reads from its environment, once.

    `inherited` and `api` go to the launcher; `secret_inputs` are the job's secret inputs by variable, `secrets` all
    values to mask.
    """

    storage: StorageProfile
    secrets: tuple[str, ...] = field(repr=False)
    owner: Mapping[str, str]
    api: Mapping[str, str]
    inherited: Mapping[str, str]
    secret_inputs: Mapping[str, str] = field(repr=False)


def load_pod_settings(environ: Mapping[str, str]) -> PodSettings:
    """Read an environment, in which files of credentials are files again (`restore_files`). Raises `SettingsError`."""
    return PodSettings(
        # inputs may be files of the bundle, and no other files of this pod
        storage=replace(load_storage_profile(environ), allowed_roots=(Path(WORK_FOLDER),)),
        secrets=find_secrets(environ),
        owner={"name": environ["POD_NAME"], "uid": environ["POD_UID"]},
        api={
            "service_host": environ["KUBERNETES_SERVICE_HOST"],
            "service_port": environ["KUBERNETES_SERVICE_PORT"],
        },
        inherited={name: environ[name] for name in _PASSED_ON if name in environ},
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
                return mask_event(event, self.masker.mask)

    def _is_due(self, event: Any) -> bool:
        now = time.monotonic()
        if event.files_done < event.files_total and now - self._reported_at < _PROGRESS_SECONDS:
            return False
        self._reported_at = now
        return True


class Execution:
    """Calrissian under the supervisor: started early, so that it loads while stage-in works."""

    def __init__(self, job: JobSpec, steps: Mapping[str, Any], settings: PodSettings, emit: Report) -> None:
        self._job, self._emit = job, emit
        self._scratch = job.paths.scratch
        self._is_staged = bool(find_remote_files(job.package))
        for folder in ("inputs", "tmp", "out", "outputs"):
            (self._scratch / folder).mkdir(parents=True, exist_ok=True)
        self._ready = self._scratch / "ready"
        os.mkfifo(self._ready)
        spec = self._scratch / "run.json"
        spec.write_text(json.dumps(self._build_spec(steps, settings)))
        write_json(self._scratch / "package.json", job.package.document)
        self._process = Supervised(
            {
                "command": [_PYTHON, "-m", "zoo_runner.engines.kubernetes.job_pod.main", str(spec)],
                "env": {**settings.inherited, **settings.secret_inputs},
                "cwd": str(self._scratch),
                "cid_folder": None,
                "remover": [],
            },
            sys.executable,
        )

    def _build_spec(self, steps: Mapping[str, Any], settings: PodSettings) -> dict[str, Any]:
        scratch = self._scratch
        return {
            **build_launch_parameters(self._job, scratch),
            "ready": str(self._ready),
            "is_staged": self._is_staged,
            "steps": dict(steps),
            "api": dict(settings.api),
            "owner": dict(settings.owner),
        }

    def execute(self, staged: Staged, cancellation: Cancellation) -> dict[str, Any]:
        """Run the CWL on what was staged and return its output object; raises why it failed."""
        if self._is_staged:  # else it is being read
            write_json(self._scratch / "package.json", staged.document)
        write_json(self._scratch / "order.json", dict(staged.order))
        threading.Thread(target=self._ready.write_text, args=("ready\n",), daemon=True).start()
        findings, ends = Findings(), list[LastLine]()

        def on_lines(lines: list[str]) -> None:
            for event in decode_lines(lines):
                if isinstance(event, LastLine):
                    ends.append(event)
                else:
                    findings.add(event)
                    self._emit(event)

        code = self._process.follow(on_lines, cancellation)
        cancellation.check()
        for text in self._process.complaints:
            findings.complaints.append(text)
            self._emit(EngineLine("warning", text))
        if code != 0:
            raise _find_error(ends) or diagnose_execution(findings)
        outputs: dict[str, Any] = json.loads((self._scratch / "outputs.json").read_text())
        return outputs

    def close(self) -> None:
        """Stop the process and its children."""
        self._process.close()


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


def _find_error(ends: Sequence[LastLine]) -> RunnerError | None:
    return next((restore_error(end) for end in ends if isinstance(end, Outcome)), None)


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
