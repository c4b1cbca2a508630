"""Hostile packages, run by the engine's own code in this process, and what must not happen: the canaries."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cwltool.errors import WorkflowException
from schema_salad.exceptions import SchemaSaladException

from tests.site import Site
from zoo_runner.config.settings import load_settings
from zoo_runner.engines.cwl_process import step_client
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.engines.cwl_process.loading import report_messages
from zoo_runner.engines.cwl_process.parameters import build_launch_parameters
from zoo_runner.engines.cwl_process.step_server import StepServer
from zoo_runner.engines.local import launcher
from zoo_runner.engines.local.places import may_use_network
from zoo_runner.engines.local.sandbox import Sandbox
from zoo_runner.engines.pipeline import run_stage_in, run_stage_out
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import write_json
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Event, Report

CANARY = "canary-7f3a9c51"
KEYS = Path("~root/.ssh").expanduser()
"""Where the keys of root are on any machine: what attacks look for."""
Document = dict[str, Any]
_MEMORY_MIB = 4096
_FOLDERS = (".", "inputs", "tmp", "out", "outputs", "cids", "monitors")


@dataclass(frozen=True)
class Host:
    """Files of the machine that are none of a job's business."""

    folder: Path
    contacts: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def secret(self) -> Path:
        """A file with the canary."""
        return self.folder / "secret.txt"

    @property
    def url(self) -> str:
        """An address at which somebody listens."""
        return self.at("127.0.0.1")

    def at(self, address: str, path: str = "secret.txt") -> str:
        """The same in another form of the address, or at another one of this machine."""
        return f"http://{address}:{self.port}/{path}"

    def plant(self) -> None:
        """Write the files."""
        (self.folder / "below").mkdir(parents=True)
        self.secret.write_text(CANARY)
        (self.folder / "below" / "secret.txt").write_text(CANARY)
        (self.folder / "secret.json").write_text(json.dumps({"o": CANARY}))

    def read(self) -> dict[str, str]:
        """All files with their text."""
        return {str(path.relative_to(self.folder)): path.read_text() for path in self.folder.rglob("*.*")}


@contextmanager
def listening(host: Host) -> Iterator[Host]:
    """Answer at one port of several addresses of this machine with the canary, and note each contact."""
    servers = _open_servers()

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(ConnectionError):
                    host.contacts.append(connection.recv(1000).decode(errors="replace") or "connected")
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + CANARY.encode())

    threads = [threading.Thread(target=serve, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield Host(host.folder, host.contacts, servers[0].getsockname()[1])
    finally:
        for server in servers:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        for thread in threads:
            thread.join()


@contextmanager
def listening_on_sockets(host: Host) -> Iterator[None]:
    """Listen on two sockets of the machine, one with a file and one without, whose name is that of this host alone."""
    servers = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(2)]
    for server, place in zip(servers, (f"\0canary-socket-{host.port}", str(host.folder / "socket")), strict=True):
        server.bind(place)
        server.listen()
    try:
        yield
    finally:
        for server in servers:
            server.close()


def _open_servers() -> list[socket.socket]:
    """Listen on IPv4 and IPv6, on the same port."""
    first = socket.create_server(("127.0.0.1", 0))
    try:
        port = first.getsockname()[1]
        more = [socket.create_server(("127.0.0.2", port))]
        if socket.has_ipv6:
            more.append(socket.create_server(("::1", port), family=socket.AF_INET6))
    except OSError:  # another program has the port there
        first.close()
        return _open_servers()
    return [first, *more]


def tool(script: str, outputs: Mapping[str, Any], *requirements: Document, **more: Any) -> Document:
    """A tool that runs a shell script."""
    return {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "attack",
        "baseCommand": ["sh", "-c"],
        "arguments": [{"valueFrom": script, "shellQuote": True, "position": 0}],
        "requirements": [{"class": "InlineJavascriptRequirement"}, *requirements],
        "inputs": {},
        "outputs": dict(outputs),
        **more,
    }


def output(kind: str, glob: str, **binding: Any) -> Document:
    """The output `o` by a glob."""
    return {"o": {"type": kind, "outputBinding": {"glob": glob, **binding}}}


def expression(code: str, kind: str = "File", inputs: Document | None = None) -> Document:
    """An ExpressionTool whose output `o` is the value of some JavaScript."""
    return {
        "cwlVersion": "v1.2",
        "class": "ExpressionTool",
        "id": "attack",
        "requirements": [{"class": "InlineJavascriptRequirement"}],
        "inputs": inputs or {},
        "outputs": {"o": kind},
        "expression": f"${{ return {{'o': {code}}}; }}",
    }


def show_file(**more: Any) -> Document:
    """A tool that gives the content of its input `x` as output `o`."""
    inputs = {"x": {"type": "File", "inputBinding": {"position": 1}}}
    shown = tool("cat $0 > shown.txt", output("File", "shown.txt"), inputs=inputs, **more)
    return {key: value for key, value in shown.items() if key != "cwlVersion"}


def workflow(steps: Document, *, inputs: Document | None = None, kind: str = "File") -> Document:
    """A workflow whose output `o` is that of its step `last`."""
    return {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "id": "attack",
        "requirements": [
            {"class": "InlineJavascriptRequirement"},
            {"class": "StepInputExpressionRequirement"},
        ],
        "inputs": inputs or {},
        "outputs": {"o": {"type": kind, "outputSource": "last/o"}},
        "steps": steps,
    }


def run_here(
    site: Site,
    document: Document,
    inputs: Mapping[str, Any] | None = None,
    *,
    runtime: str | None = None,
    sandbox: Sandbox | None = None,
    report: Report = lambda _: None,
) -> RunnerError | None:
    """Run a package as the local engine does, stages included, in this process; return why it failed."""
    package, job_file = site.folder / "attack.cwl", site.folder / "inputs.json"
    package.write_text(json.dumps(document))
    job_file.write_text(json.dumps(dict(inputs or {})))
    try:
        job = site.accept(package, job_file)
        _run_stages(site, job, {**_name_runtime(runtime, job), **_name_sandbox(sandbox, job)}, report)
    except RunnerError as error:
        return error
    return None


def _run_stages(site: Site, job: JobSpec, places: Document, report: Report) -> None:
    scratch, findings = job.paths.scratch, Findings()

    def note(event: Event) -> None:
        findings.add(event)
        report(event)

    for name in _FOLDERS:
        (scratch / name).mkdir(parents=True, exist_ok=True)
    staged = run_stage_in(job, site.workspace.storage, note, Cancellation())
    write_json(scratch / "package.json", staged.document)
    write_json(scratch / "order.json", dict(staged.order))
    if not _launch({**_build_spec(job), **places}, note):
        raise diagnose_execution(findings)
    outputs = json.loads((scratch / "outputs.json").read_bytes())
    run_stage_out(job, site.workspace.storage, outputs, note, Cancellation())


def _name_runtime(runtime: str | None, job: JobSpec) -> Document:
    return {"runtime": runtime, "cid_folder": str(job.paths.scratch / "cids")} if runtime else {}


def _name_sandbox(sandbox: Sandbox | None, job: JobSpec) -> Document:
    """Say how the launcher asks for sandboxes, and answer in place of the supervisor."""
    if sandbox is None:
        return {}
    asked = "asked" if sandbox.has_network else "none"
    settings = load_settings({"ZOO_RUNNER_ISOLATION": "isolated", "ZOO_RUNNER_SANDBOX_NETWORK": asked})
    network, scratch = may_use_network(job.package, settings), job.paths.scratch
    scratch.mkdir(parents=True)
    frame = asdict(sandbox.build_frame(scratch.name, _MEMORY_MIB, network=network))
    StepServer(str(scratch), {"readable": [], "containers": None, "sandbox": frame}, _fail).listen()
    client = [sys.executable, "-I", "-S", step_client.__file__, str(scratch), "sandbox"]
    return {"sandbox": client, "isolated": True, "network": network}


def _fail(reason: str) -> None:
    sys.stderr.write(f"refused: {reason}\n")


def _launch(spec: Document, emit: Any) -> bool:
    report_messages(emit)
    logger = logging.getLogger("cwltool")
    # resolving packages in this process has silenced it
    level, logger.level = logger.level, logging.INFO
    try:
        return launcher.run(spec, emit) == 0
    except (WorkflowException, SchemaSaladException) as error:
        emit(EngineLine("error", str(error)))
        return False
    finally:
        logger.level = level


def _build_spec(job: JobSpec) -> Document:
    scratch = job.paths.scratch
    return {
        **build_launch_parameters(job, scratch),
        "runtime": None,
        "limits_memory": False,
        "has_monitor": False,
        "keeps_user": False,
        "cores": 1,
        "memory_mib": _MEMORY_MIB,
        "most_cores": None,
        "most_memory_mib": None,
        "package_files": [],
        "cid_folder": None,
        "remover": [],
        "isolated": False,
        "network": True,
        "sandbox": None,
        "default_image": None,
        "secrets": {},
    }


def find_canary(*folders: Path) -> list[str]:
    """The files below some folders that have the canary in their names or bytes."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    return [
        str(path) for path in paths if CANARY in path.name or (path.is_file() and CANARY.encode() in path.read_bytes())
    ]
