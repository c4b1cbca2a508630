"""Whether this machine is ready for local jobs, protected from them, and what is left on it of jobs that ended."""

import os
import subprocess
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.engines.cwl_process.scratch_folder import name_owner
from zoo_runner.engines.local import enclosure
from zoo_runner.engines.local.containers import find_runtime
from zoo_runner.engines.local.control import has_listener
from zoo_runner.engines.local.kept import read_kept
from zoo_runner.engines.local.sandbox import find_sandbox
from zoo_runner.engines.pipeline import probe_destination
from zoo_runner.engines.protocol import Check, Leftover
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.workspace import StorageProfile, Workspace

_PROBE_SECONDS = 60


def examine_machine(settings: Settings, workspace: Workspace, destination: str | None) -> Iterator[Check]:
    """Check containers, JavaScript, the scratch folder and, if given, the results store.

    Of a service, or where isolation is on, also how steps are isolated.
    """
    yield _check_sandbox(settings) if settings.containers == "sandbox" else _check_containers(settings)
    yield _check_javascript(settings)
    if settings.confined or settings.isolation == "isolated":
        yield _check_launcher(settings)
        yield _check_isolation(settings)
        yield _check_network(settings)
    yield _check_scratch(workspace.folders.scratch)
    if destination:
        yield _check_destination(destination, workspace.storage)


def _check_containers(settings: Settings) -> Check:
    runtime = find_runtime(settings.containers)
    ok = runtime is not None or (settings.containers == "none" and settings.isolation == "trusted")
    return Check(
        ok,
        "containers",
        runtime or "none",
        "podman or docker answers" if settings.containers == "auto" else settings.containers,
        "" if ok else "Install podman or start docker; without them steps run with the permissions of this user.",
        code="" if ok else "containers.unavailable",
    )


def _check_sandbox(settings: Settings) -> Check:
    path = settings.inherited.get("PATH", os.defpath)
    try:
        found = find_sandbox(settings.sandbox_folders, settings.sandbox_network == "asked", path)
    except EngineError as error:
        said = error.diagnosis
        return Check(False, "containers", said.evidence[0], "sandbox", said.remedy, said.code, said.level)
    holds = (
        "together, by control groups" if found.group_parents else "for each process (no control group may be created)"
    )
    return Check(True, "containers", f"{found.program}; memory of a step is limited {holds}", "sandbox")


def _check_javascript(settings: Settings) -> Check:
    """Evaluate an expression as the launcher would, by its Python."""
    program = "from zoo_runner.engines.cwl_process.javascript import explain_unusable; print(explain_unusable() or '')"
    why = _run_python(settings, "-c", program)
    return Check(
        not why,
        "JavaScript",
        why or "evaluated by QuickJS, in a process that can only compute",
        "QuickJS in a process whose system calls the kernel filters (seccomp)",
        "Install the packages of zoo-runner into the Python of ZOO_RUNNER_PYTHON; use Linux on x86-64 or ARM64, whose"
        " containers allow seccomp."
        if why
        else "",
        code="protection.javascript" if why else "",
    )


def _check_launcher(settings: Settings) -> Check:
    """Have the launcher's Python enclose itself."""
    why = _run_python(settings, "-I", "-S", enclosure.__file__)
    return Check(
        not why,
        "launcher",
        why or "sees programs and its job alone",
        "the process that runs cwltool sees no other files, sockets, networks and processes",
        "Use Linux 5.12 or later on x86-64 or ARM64, and allow this user to create user namespaces." if why else "",
        code="protection.launcher" if why else "",
    )


def _run_python(settings: Settings, *words: str) -> str:
    """Run something by the launcher's Python; return what it prints, or why it failed."""
    try:
        command = [find_python(settings), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, RunnerError) as error:
        return str(error)
    return done.stdout.strip() if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it failed"])[-1]


def _check_isolation(settings: Settings) -> Check:
    ok = settings.isolation == "isolated"
    remedy = "" if ok else "Unset ZOO_RUNNER_ISOLATION, if packages or callers are not trusted."
    return Check(
        ok,
        "isolation",
        settings.isolation,
        "isolated: no step runs on the host",
        remedy,
        code="" if ok else "protection.isolation",
    )


def _check_network(settings: Settings) -> Check:
    ok = settings.sandbox_network == "none"
    return Check(
        ok,
        "network of steps",
        "none" if ok else "that of this machine, private networks included, for packages that ask for it",
        "none",
        "" if ok else "Unset ZOO_RUNNER_SANDBOX_NETWORK, or give this machine no way into private networks.",
        code="" if ok else "protection.step-network",
    )


def _check_scratch(folder: Path) -> Check:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    ok = os.access(existing, os.W_OK)
    remedy = "" if ok else "Set ZOO_RUNNER_SCRATCH to a folder that this user may write to."
    return Check(ok, "scratch folder", f"{folder} is {'' if ok else 'not '}writable", "a writable folder", remedy)


def _check_destination(destination: str, storage: StorageProfile) -> Check:
    expected = f"{destination} is writable from here"
    try:
        probe_destination(destination, storage, "doctor", "doctor")
    except RunnerError as error:
        return Check.refuse("results store", error, expected)
    return Check(True, "results store", "written and removed again", expected)


def find_folders(scratch: Path, running: Collection[str]) -> list[Leftover]:
    """Find the scratch folders of jobs that do not run according to `running`.

    Active are those that have a living process, or results that wait to be published.
    """
    folders = sorted({name_owner(path) for path in scratch.glob("*") if path.is_dir() or "@" in path.name})
    return [
        Leftover("Folder", "", str(path), path.name, _read_time(path), active=_is_active(path))
        for path in folders
        if path.name not in running
    ]


def _is_active(path: Path) -> bool:
    return has_listener(path) or read_kept(path) is not None


def _read_time(path: Path) -> str:
    found = [each for each in (path, *path.parent.glob(f"{path.name}@*")) if each.exists()]
    changed = datetime.fromtimestamp(found[0].stat().st_mtime if found else 0, timezone.utc)
    return changed.isoformat(timespec="seconds").replace("+00:00", "Z")
