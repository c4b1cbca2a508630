"""The double of a kernel: deploys with the real template, runs each job in a process, dismisses by SIGKILL."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import zoo_runner
from zoo_runner.config.extras import extra
from zoo_runner.config.settings import load_settings
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import (
    AnyType,
    Array,
    CwlType,
    DirectoryType,
    FileType,
    Parameter,
    Union,
    holds,
    parse_inputs,
    parse_outputs,
    without_null,
)
from zoo_runner.package.loading import load_package
from zoo_runner.service_template import TEMPLATE
from zoo_runner.testing.requests import RefusedPackage, Surroundings, build_kernel_inputs

_WORKER = Path(__file__).with_name("worker.py")
PASSWORD = "canary-database-password"
TOKEN = "canary-jwt-token"


@dataclass
class SubmittedJob:
    """A job of the double, during and after its run."""

    id: str
    user: str
    process_id: str
    temp: Path
    folder: Path
    process: "subprocess.Popen[bytes]"
    findings: dict[str, Any] = field(default_factory=dict)

    def wait(self, timeout_seconds: float = 120) -> "SubmittedJob":
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        self.process.wait(timeout_seconds)
        path = self.folder / "findings.json"
        self.findings = json.loads(path.read_text()) if path.exists() else {"status": "running", "violations": []}
        # signal 9 is a dismissal
        if self.process.returncode < 0 and self.process.returncode != -signal.SIGKILL and not path.exists():
            self.findings["violations"].append(f"the process was ended by signal {-self.process.returncode}")
        return self

    @property
    def succeeded(self) -> bool:
        """Whether the service returned 3."""
        return self.findings.get("status") == "successful"

    @property
    def message(self) -> str:
        """The message of the status."""
        return str(self.findings.get("message", ""))

    @property
    def violations(self) -> list[str]:
        """What would crash a real kernel or damage a response."""
        return list(self.findings.get("violations", ()))

    @property
    def outputs(self) -> dict[str, dict[str, str]]:
        """The outputs that the kernel keeps."""
        return dict(self.findings.get("outputs", {}))

    @property
    def service_logs(self) -> dict[str, str]:
        """The links in the status."""
        return dict(self.findings.get("service_logs", {}))

    @property
    def updates(self) -> list[dict[str, Any]]:
        """Every status update so far: `progress` and `message`."""
        path = self.folder / "status.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def error_log(self) -> str:
        """The text of the file to which the kernel redirects stderr."""
        return (self.temp / f"{self.process_id}_{self.id}_error.log").read_text()


class KernelDouble:
    """A kernel with its folders below `root`.

    `environ` is the environment of the workers, `sections` are further sections of main.cfg, `engines` further
    engines by name (`module:Class`), such as a double, `python_path` further places of modules, `around` a command that
    runs each worker, such as `unshare` or a container engine.
    """

    def __init__(
        self,
        root: Path,
        *,
        environ: Mapping[str, str] | None = None,
        sections: Mapping[str, dict[str, str]] | None = None,
        python_path: Sequence[str] = (),
        template: Path | None = None,
        engines: Mapping[str, str] | None = None,
        around: Sequence[str] = (),
    ) -> None:
        self.services, self.cgi, self.cache = root / "services", root / "cgi-bin", root / "cache"
        self._jobs, self._template = root / "jobs", template
        self._engines, self._around = dict(engines or {}), tuple(around)
        self._environ, self._sections = dict(environ or {}), dict(sections or {})
        self._python_path = [*python_path, str(Path(zoo_runner.__file__).parent.parent)]
        self._packages: dict[tuple[str, str], Package] = {}
        for folder in (self.services, self.cgi, self.cache, self._jobs):
            folder.mkdir(parents=True)

    def deploy(self, user: str, cwl: str | Path, workflow_id: str, warm: bool = True) -> Path:
        """Deploy a package: render the template, write the rewritten CWL beside it; return the service's folder.

        `warm`: the package is resolved already, as if a job of it had run before. Raises `RefusedPackage`.
        """
        template = self._template or TEMPLATE
        target = self.services / user
        target.mkdir(exist_ok=True)
        context = {"service_name": workflow_id, "workflow_id": workflow_id, "conf": "configuration"}
        with extra("cookiecutter"):
            from cookiecutter.main import cookiecutter
        cookiecutter(str(template), no_input=True, extra_context=context, output_dir=str(target))
        package = target / workflow_id / "app-package.cwl"
        _rewrite(Path(cwl), package)
        cache = self.services / ".zoo-runner" / user / "cache" if warm else self._jobs / "described"
        settings = load_settings({"ZOO_RUNNER_CACHE": str(cache)})
        loaded = load_package(f"{package}#{workflow_id}", settings)
        if unknown := [one.name for one in _list_parameters(loaded) if not _is_described(one.type)]:
            shutil.rmtree(package.parent)
            raise RefusedPackage(f"the kernel has no description of the type of {unknown[0]!r}")
        self._packages[user, workflow_id] = loaded
        return package.parent

    def submit(
        self,
        user: str,
        process_id: str,
        request: Mapping[str, Any],
        job_id: str | None = None,
        removed: bool = False,
    ) -> SubmittedJob:
        """Start an asynchronous job. `removed`: it was dismissed in the queue, where `runDismiss` waits behind it."""
        package = self._packages[user, process_id]
        job_id = job_id or new_job_id()
        temp, url = self.temp(user), f"http://kernel.example/{user}/temp"
        inputs = build_kernel_inputs(package, request, Surroundings(temp, url, self.cache, job_id))
        outputs = {
            parameter.name: _describe_output(holds(parameter.type, FileType, DirectoryType), parameter.name, request)
            for parameter in parse_outputs(package)
        }
        conf = self._build_conf(user, process_id, job_id, request)
        if not removed:
            (temp / f"{job_id}_status.json").write_text(json.dumps({"jobID": job_id, "status": "accepted"}))
        call = (f"{process_id}.service", process_id.replace("-", "_"))
        # no dict at all where there is nothing to put in
        return self.start(user, process_id, call, (conf, inputs or None, outputs or None))

    def start(self, user: str, process_id: str, call: tuple[str, str], arguments: tuple[Any, Any, Any]) -> SubmittedJob:
        """Start a function of a module (`call`) with `conf`, `inputs`, `outputs`."""
        conf, inputs, outputs = arguments
        job_id = conf["lenv"]["usid"]
        folder, temp = self._jobs / job_id, self.temp(user)
        folder.mkdir()
        (temp / f"{job_id}.sid").write_text(job_id)
        spec = {
            "module": call[0],
            "function": call[1],
            "conf": conf,
            "inputs": inputs,
            "outputs": outputs,
            "python_path": [str(self.services / user), *self._python_path, str(self.cgi)],
            "findings": str(folder / "findings.json"),
            "status": str(folder / "status.jsonl"),
            "engines": self._engines,
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        with (
            (temp / f"{process_id}_final_{job_id}.json").open("wb") as stdout,
            (temp / f"{process_id}_{job_id}_error.log").open("wb") as stderr,
        ):
            process = subprocess.Popen(
                [*self._around, sys.executable, "-I", str(_WORKER), str(folder / "spec.json")],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.cgi,
                env={"PATH": "/usr/bin:/bin", "HOME": str(self._jobs), "SERVICES_NAMESPACE": user, **self._environ},
            )
        return SubmittedJob(job_id, user, process_id, temp, folder, process)

    def dismiss(self, job: SubmittedJob, user: str | None = None, kill: bool = True) -> SubmittedJob:
        """Dismiss a job as a kernel does: kill it, remove its files from temp, run `runDismiss`; return that run.

        `kill=False`: kernel and job are on two machines. `user`: the prefix that the request was sent to.
        """
        user = user or job.user
        if kill and user == job.user:
            job.process.send_signal(signal.SIGKILL)
            job.process.wait()
        for path in self.temp(user).glob(f"*{job.id}*"):
            # a job that was not killed may still write there; the kernel removes what it can, too
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return self.run_dismiss(user, job.id, job.process_id)

    def run_dismiss(self, user: str, job_id: str, process_id: str) -> SubmittedJob:
        """Run `runDismiss`, which is all that a kernel does about a job that waits in its queue."""
        conf = self._build_conf(user, "runDismiss", new_job_id(), {})
        conf["lenv"]["gs_usid"] = job_id
        value = json.dumps({"type": "process", "processID": process_id})
        inputs = {"param": {"value": value, "mimeType": "application/json"}}
        outputs = {"Result": {"DataType": "string", "inRequest": "false"}}
        return self.start(user, "runDismiss", ("zoo_runner.zoo.dismiss", "runDismiss"), (conf, inputs, outputs))

    def browse(self, user: str, url: str) -> str:
        """Serve a file of a user's public folder, as the kernel does: text in UTF-8 only.

        Raises `UnicodeDecodeError` for any other file, for which a kernel answers 500.
        """
        return (self.temp(user) / url.partition("/temp/")[2]).read_text(encoding="utf-8")

    def temp(self, user: str) -> Path:
        """Return the public folder of a user."""
        folder = self.services / user / "temp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _build_conf(
        self, user: str, process_id: str, job_id: str, request: Mapping[str, Any]
    ) -> dict[str, dict[str, str]]:
        home = str(self.services / user)
        lenv = {
            "Identifier": process_id,
            "usid": job_id,
            "uusid": job_id,
            "cwd": home,
            "fpm_user": user,
            "message": "Inputs downloaded, nested processes execution finalized",
            "status": "3",
            "async": "true",
            "file.sid": f"{home}/temp/{job_id}.sid",
            "file.log": f"{home}/temp/{process_id}_{job_id}_error.log",
        }
        request_section = {
            "jrequest": json.dumps(request),
            "Identifier": process_id,
            "mode": "async",
            "response": str(request.get("response", "raw")),
        }
        return {
            "main": {
                "tmpPath": f"{home}/temp",
                "tmpUrl": f"http://kernel.example/{user}/temp/",
                "cacheDir": str(self.cache),
                "serverAddress": "http://kernel.example",
            },
            "lenv": lenv,
            "auth_env": {"user": user, "cwd": home, "jwt": TOKEN},
            "zooServicesNamespace": {"namespace": user},
            "servicesNamespace": {"path": str(self.services)},
            "database": {"host": "127.0.0.1", "password": PASSWORD},
            "metadb": {"host": "127.0.0.1", "password": PASSWORD},
            "request": request_section,
            "renv": {"jrequest": json.dumps(request)},
            "additional_parameters": {"APP": "zoo"},
            **self._sections,
        }


def _describe_output(is_complex: bool, name: str, request: Mapping[str, Any]) -> dict[str, str]:
    requested = not request.get("outputs") or name in request["outputs"]
    entry = {"inRequest": "true" if requested else "false", "transmissionMode": "value"}
    if is_complex:
        return entry | {"mimeType": "application/json", "dataFormat": "stac-collection", "ecoding": "utf-8", "": "1"}
    return entry | {"dataType": "string"}


def _list_parameters(package: Package) -> tuple[Parameter, ...]:
    return (*parse_inputs(package, package.process), *parse_outputs(package))


def _is_described(cwl_type: CwlType) -> bool:
    """Whether a kernel's deploy service has a description for a type: it has none for unions and `Any`."""
    kind = without_null(cwl_type)
    if isinstance(kind, Array):
        return _is_described(kind.items)
    return not isinstance(kind, Union | AnyType)


def _rewrite(source: Path, target: Path) -> None:
    """Write a package as the deploy service does: version 1.2, tools first, without namespaces and metadata."""
    yaml = YAML(typ="safe", pure=True)
    document = yaml.load(source.read_text())
    kept = {key: value for key, value in document.items() if ":" not in key and not key.startswith("$")}
    kept["cwlVersion"] = "v1.2"
    if "$graph" in document:
        kept["$graph"] = sorted(document["$graph"], key=lambda process: str(process["class"]))
    target.write_text(json.dumps(kept))
