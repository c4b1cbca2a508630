"""One job of the double: a program that calls a service as a kernel's worker does.

Needs the standard library only. Argument: a JSON file with the function to call and the file for the findings.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

SUCCEEDED, FAILED = 3, 4
_PREFIX = "Unable to run the Service. The message returned back by the Service was the following: "
BEFORE, AFTER = "kernel: before the service", "kernel: after the service"
_USELESS = "ZOO-Kernel accepted to run your service!"


class Hole:
    """An element that the kernel never filled: a process that uses it crashes."""

    def _die(self, *_: object) -> NoReturn:
        die()

    __repr__ = __str__ = __eq__ = __hash__ = __reduce_ex__ = __deepcopy__ = __copy__ = _die


def die() -> NoReturn:
    """Crash as the kernel does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise SystemExit


def _write_status(conf: dict[str, Any], status: str) -> None:
    """Write the status file at the end of a service, under the id of the dismissed job where `runDismiss` kept it."""
    lenv = conf["lenv"]
    job_id = lenv.get("gs_usid") or lenv["usid"]
    content = json.dumps({"jobID": job_id, "status": status})
    (Path(conf["main"]["tmpPath"]) / f"{job_id}_status.json").write_text(content)


class Worker:
    """Calls the service and checks what it does."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._findings = Path(spec["findings"])
        self._status = Path(spec["status"])
        self._violations: list[str] = []
        self._percent = 0
        self._times: dict[str, float] = {}

    def run(self) -> None:
        """Call the service and write the findings."""
        spec = self._spec
        conf = {**spec["conf"], "orequests": {"value": [spec["conf"]["lenv"]["usid"], Hole()]}}
        before = str(Path.cwd()), os.fstat(1).st_ino
        _say(BEFORE)
        code, outcome = self._call(conf, spec["inputs"], spec["outputs"])
        _say(AFTER)
        self._judge_process(*before)
        _write_status(conf, outcome["status"])
        self._report({"returned": code, **outcome, **self._read_back(conf, spec["outputs"] or {}, code)})

    def _call(self, conf: Any, inputs: Any, outputs: Any) -> tuple[Any, dict[str, Any]]:
        try:
            self._times |= {"import": time.time(), "import_cpu": -time.process_time()}
            module = importlib.import_module(self._spec["module"])
            self._times["import_cpu"] += time.process_time()
            self._register_engines()
            self._times["call"] = time.time()
            code = getattr(module, self._spec["function"])(conf, inputs, outputs)
        except BaseException:  # noqa: BLE001 the kernel stops at nothing either
            traceback.print_exc()
            self._violations.append("the service raised an exception")
            return None, {"status": "failed", "message": _USELESS}
        if code == SUCCEEDED:
            return code, {"status": "successful", "message": "ZOO-Kernel successfully run your service!"}
        return code, {"status": "failed", "message": _PREFIX + str(conf["lenv"].get("message", ""))}

    def _register_engines(self) -> None:
        """Make the engines known that only a test may choose."""
        if engines := self._spec["engines"]:
            register = importlib.import_module("zoo_runner.engines").register_engine
            for name, target in engines.items():
                register(name, target)

    def update_status(self, conf: Any, percent: Any) -> None:
        """Check the arguments as the kernel does, and keep the update."""
        if not isinstance(percent, int) or not 0 <= percent <= 100:
            raise SystemError("update_status returned a result with an exception set")
        if not all(isinstance(section, dict) for section in conf.values()) or not conf["lenv"].get("message"):
            self._violations.append("update_status without a message, or with a section that is no dict")
            self._report({"status": "running"})
            die()
        message = conf["lenv"]["message"]
        self._judge_text("status message", message)
        if percent < self._percent:
            self._violations.append(f"progress went back from {self._percent} to {percent}")
        self._percent = percent
        with self._status.open("a") as file:
            file.write(json.dumps({"progress": percent, "message": message, "time": time.time()}) + "\n")

    def _judge_text(self, name: str, text: Any, raw: bool = False) -> None:
        if not isinstance(text, str):
            self._violations.append(f"{name} is {type(text).__name__}, not text")
        elif "$$" in text or ("%" in text and not raw):
            self._violations.append(f"{name} has characters that the kernel cannot print or store: {text!r}")

    def _judge_process(self, folder: str, stdout: int) -> None:
        if os.fstat(1).st_ino != stdout:
            self._violations.append("stdout was not given back")
        elif os.fstat(1).st_size:
            self._violations.append(f"{os.fstat(1).st_size} bytes were written to stdout")
        if str(Path.cwd()) != folder:
            self._violations.append(f"the current folder is now {Path.cwd()!s}")
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                self._violations.append(f"a child is left: {stat.parent.name} ({fields[0]})")

    def _read_back(self, conf: dict[str, Any], outputs: dict[str, Any], code: Any) -> dict[str, Any]:
        for name, section in conf.items():
            if not isinstance(section, dict):
                self._violations.append(f"conf[{name!r}] is {type(section).__name__}")
                self._report({"status": "running"})
                die()
        kept = {name: entry for name, entry in ((n, self._keep(n, e)) for n, e in outputs.items()) if entry}
        if code == SUCCEEDED:
            self._judge_outputs(outputs, kept)
        self._judge_text("message", conf["lenv"].get("message", "-"))
        logs = self._keep("service_logs", conf.get("service_logs", {}))
        for key, text in logs.items():
            self._judge_text(f"service_logs.{key}", text)
        return {"outputs": kept, "service_logs": logs, "code": conf["lenv"].get("code")}

    def _judge_outputs(self, outputs: dict[str, Any], kept: dict[str, Any]) -> None:
        document = self._spec["conf"]["request"].get("response") == "document"
        wanted = sum(entry.get("inRequest") == "true" for entry in outputs.values())
        for name, entry in outputs.items():
            if entry.get("inRequest") != "true":
                continue
            value = kept.get(name, {}).get("value")
            if not value:
                self._violations.append(f"the requested output {name} was not set")
                continue
            printed = value
            if document and "json" in entry.get("mimeType", ""):
                printed = json.dumps(json.loads(value), ensure_ascii=False)
            if not document and printed.endswith("$"):
                self._violations.append(f"output {name} ends the quotes of the kernel's SQL: {printed!r}")
            self._judge_text(f"output {name}", printed, raw=not document and wanted == 1)

    @staticmethod
    def _keep(name: str, entry: dict[Any, Any]) -> dict[str, Any]:
        """Return what the kernel keeps of a dict: texts that are not empty; nothing if a value is not a text."""
        if any(str(key).startswith("value") and not isinstance(item, str | bytes) for key, item in entry.items()):
            return {}
        return {key: item for key, item in entry.items() if isinstance(key, str) and isinstance(item, str) and item}

    def _report(self, findings: dict[str, Any]) -> None:
        partial = self._findings.with_suffix(".partial")
        partial.write_text(json.dumps({**findings, "times": self._times, "violations": self._violations}))
        partial.replace(self._findings)


def _say(text: str) -> None:
    """Write as the kernel does: to stderr, at the kernel's own offset."""
    os.write(2, f"{text}\n".encode())


def _make_zoo(worker: Worker) -> types.ModuleType:
    zoo = types.ModuleType("zoo")
    names = ("ACCEPTED", "STARTED", "PAUSED", "SUCCEEDED", "FAILED", "DISMISSED", "DEPLOYED", "UNDEPLOYED")
    vars(zoo).update({f"SERVICE_{name}": number for number, name in enumerate(names)})
    vars(zoo).update(VERSION="double", exception=type("exception", (Exception,), {}), _=lambda text: text)
    vars(zoo)["update_status"] = worker.update_status
    for level in ("trace", "debug", "info", "success", "warning", "error", "critical"):
        vars(zoo)[level] = _say
    return zoo


def main(spec_file: str) -> None:
    """Prepare the process as a kernel's worker is, and run the job."""
    spec = json.loads(Path(spec_file).read_text())
    worker = Worker(spec)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.modules["zoo"] = _make_zoo(worker)
    own = str(Path(__file__).parent)
    sys.path[:] = [*spec["python_path"], *(entry for entry in sys.path if entry != own)]
    sys.argv = [""]
    sys.executable = ""
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1])
