"""Whether this machine is ready for local jobs, and what is left on it of jobs that ended."""

import os
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path

from zoo_runner.config.settings import Settings
from zoo_runner.engines.local.containers import find_runtime
from zoo_runner.engines.local.control import has_listener
from zoo_runner.engines.local.kept import read_kept
from zoo_runner.engines.local.sandbox import find_sandbox
from zoo_runner.engines.pipeline import probe_destination
from zoo_runner.engines.protocol import Check, Leftover
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.workspace import StorageProfile, Workspace


def examine_machine(settings: Settings, workspace: Workspace, destination: str | None) -> Iterator[Check]:
    """Check containers, the scratch folder and, if given, the results store."""
    yield _check_sandbox(settings) if settings.containers == "sandbox" else _check_containers(settings)
    yield _check_scratch(workspace.folders.scratch)
    if destination:
        yield _check_destination(destination, workspace.storage)


def _check_containers(settings: Settings) -> Check:
    runtime = find_runtime(settings.containers)
    return Check(
        runtime is not None or (settings.containers == "none" and settings.isolation == "trusted"),
        "containers",
        runtime or "none",
        "podman or docker answers" if settings.containers == "auto" else settings.containers,
        "" if runtime else "Install podman or start docker; without them steps run with the permissions of this user.",
    )


def _check_sandbox(settings: Settings) -> Check:
    path = settings.inherited.get("PATH", os.defpath)
    try:
        found = find_sandbox(settings.sandbox_folders, settings.sandbox_network == "asked", path)
    except EngineError as error:
        return Check(False, "containers", error.diagnosis.evidence[0], "sandbox", error.diagnosis.remedy)
    return Check(True, "containers", found.program, "sandbox")


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
        return Check(False, "results store", error.diagnosis.cause, expected, error.diagnosis.remedy)
    return Check(True, "results store", "written and removed again", expected)


def find_folders(scratch: Path, running: Collection[str]) -> list[Leftover]:
    """Find the scratch folders of jobs that do not run according to `running`.

    Active are those that have a living process, or results that wait to be published.
    """
    folders = sorted(path for path in scratch.glob("*") if path.is_dir()) if scratch.is_dir() else []
    return [
        Leftover("Folder", "", str(path), path.name, _read_time(path), active=_is_active(path))
        for path in folders
        if path.name not in running
    ]


def _is_active(path: Path) -> bool:
    return has_listener(path) or read_kept(path) is not None


def _read_time(path: Path) -> str:
    changed = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return changed.isoformat(timespec="seconds").replace("+00:00", "Z")
