"""What protects a service from hostile packages and callers, and its settings lack: the rows of `doctor --service`.

These are settings and folders, the same for every engine; each engine checks its own protections. The table is in
docs/security.md.
"""

import ipaddress
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.settings import Settings
from zoo_runner.engines.protocol import Check
from zoo_runner.model.errors import EngineError
from zoo_runner.model.workspace import Folders, Workspace

LONGEST_TIME_LIMIT_SECONDS = 30 * 24 * 60 * 60
_LARGEST_NETWORK = 256
_OF_ALL_JOBS = ("STAGEIN_MAX_BYTES", "STAGEIN_MAX_FILES", "STAGEOUT_MAX_BYTES", "STAGEOUT_MAX_FILES")
_OTHERS_READ, _OTHERS_WRITE, _OTHERS_ENTER = stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH
_SHOWN = 3


def examine_protections(configuration: Configuration) -> Iterator[Check]:
    """Check what a service has by its settings; nothing where the user trusts packages and inputs."""
    settings, workspace = configuration.settings, configuration.workspace
    if not (settings.confined or settings.isolation == "isolated"):
        return
    yield Check.run("private hosts", lambda: check_private_hosts(settings), "hosts of private networks are listed")
    yield Check.run("local inputs", lambda: check_local_roots(settings, workspace), "folders with data only, or none")
    yield Check.run("time limit", lambda: check_time_limit(workspace), "jobs end")
    yield Check.run("limits", lambda: check_limits(settings, workspace), "a job has so many bytes, files and values")
    yield Check.run("folders", lambda: check_folders(workspace.folders), "records and inputs of jobs are private")
    yield Check.run("logs", lambda: check_logs(workspace.folders), "other users of this machine do not read logs")
    yield Check.run("user", check_user, "an ordinary user")


def check_private_hosts(settings: Settings) -> str:
    """Check that private networks are refused, but for hosts that are listed one by one."""
    if settings.reach.private:
        raise EngineError(
            "packages and callers may name any host of private networks, this machine included",
            "Unset STAGEIN_ALLOW_PRIVATE, or set it to false; list the hosts with data in STAGEIN_PRIVATE_HOSTS.",
            code="protection.private-hosts",
        )
    wide = [host for host in settings.reach.hosts if _is_wide(host)]
    if wide:
        raise EngineError(
            f"STAGEIN_PRIVATE_HOSTS allows {_list(wide)}, which has this machine or more than"
            f" {_LARGEST_NETWORK} addresses",
            "List the hosts with data by name or address.",
            code="protection.private-hosts",
        )
    return f"allowed: {_list(settings.reach.hosts)}" if settings.reach.hosts else "none is allowed"


def check_local_roots(settings: Settings, workspace: Workspace) -> str:
    """Check that the folders for local inputs have nothing of this machine and of other jobs."""
    roots = workspace.storage.allowed_roots
    if roots is None:
        raise EngineError(
            "callers may name any file that this user can read",
            "Set STAGEIN_ALLOWED_ROOTS to the folders with data.",
            code="protection.local-roots",
        )
    folders, home = workspace.folders, settings.inherited.get("HOME")
    private = [folders.state, folders.scratch, folders.temp]
    wide = [str(root) for root in roots if _has_too_much(root, private, Path(home) if home else None)]
    if wide:
        raise EngineError(
            f"STAGEIN_ALLOWED_ROOTS has {_list(wide)}: a folder of the system, or one with records, logs or a home",
            "List folders that have nothing but data.",
            code="protection.local-roots",
        )
    return _list(roots) if roots else "none"


def check_time_limit(workspace: Workspace) -> str:
    """Check that a job has to end."""
    seconds = workspace.limits.time_seconds
    if seconds is None or seconds > LONGEST_TIME_LIMIT_SECONDS:
        raise EngineError(
            "a job may run for ever" if seconds is None else f"a job may run for {seconds / 86400:.0f} days",
            "Set ZOO_RUNNER_TIME_LIMIT to the seconds that a job may take.",
            code="protection.time-limit",
        )
    return f"{seconds:g} s"


def check_limits(settings: Settings, workspace: Workspace) -> str:
    """Check that what a job reads, stores and is given has limits."""
    missing = [name for name in _OF_ALL_JOBS if not workspace.storage.variables.get(name)]
    missing += [] if settings.max_input_values is not None else ["ZOO_RUNNER_MAX_INPUT_VALUES"]
    if settings.engine == "local" and settings.scratch_max_bytes is None:
        missing.append("ZOO_RUNNER_SCRATCH_MAX_BYTES")
    if missing:
        raise EngineError(
            f"without a limit: {', '.join(missing)}",
            "Set them; docs/settings.md has what services have by default.",
            code="protection.limits",
        )
    return "all set"


def check_folders(folders: Folders) -> str:
    """Check that other users of this machine do not read or change the records and inputs of jobs."""
    private = {"ZOO_RUNNER_STATE": folders.state, "ZOO_RUNNER_SCRATCH": folders.scratch}
    below = [name for name, path in private.items() if _is_below(path, folders.temp)]
    if below:
        raise EngineError(
            f"{' and '.join(below)} is below {folders.temp}, which may be public",
            "Set it to a folder elsewhere.",
            code="protection.private-folders",
        )
    others = [name for name, path in private.items() if _may_others(path, _OTHERS_ENTER | _OTHERS_READ)]
    if others:
        raise EngineError(
            f"other users of this machine can read {' and '.join(others)}",
            f"Run `chmod 700` on {' and '.join(str(private[name]) for name in others)}.",
            code="protection.private-folders",
        )
    return "private"


def check_logs(folders: Folders) -> str:
    """Check that the folder of logs is not public: who may read it, as a web server does, learns of all jobs."""
    if _may_others(folders.temp, _OTHERS_WRITE) or _may_others(folders.temp, _OTHERS_READ | _OTHERS_ENTER):
        raise EngineError(
            f"other users of this machine, such as a web server, can read {folders.temp}: logs have no owner there",
            "Have them served by what checks who asks, or only by names that cannot be guessed; then keep others from"
            f" listing it (chmod o-rw {folders.temp}).",
            code="protection.public-logs",
        )
    return "not public"


def check_user() -> str:
    """Check that the processes of jobs are not those of root."""
    if os.geteuid() == 0:
        raise EngineError(
            "root: what leaves its confinement owns this machine",
            "Run services as a user of their own.",
            code="protection.user",
        )
    return f"user {os.geteuid()}"


def _is_wide(host: str) -> bool:
    try:
        network = ipaddress.ip_network(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    return network.num_addresses > _LARGEST_NETWORK or network.is_loopback


def _has_too_much(root: Path, private: list[Path], home: Path | None) -> bool:
    """Whether a folder is at the top of the file system, has a home, or contains or is within one that is private."""
    resolved = root.resolve()
    top = len(resolved.parts) <= 2 or resolved.parts[1] in ("dev", "etc", "proc", "root", "run", "sys", "usr")
    holds = [*private, *([home] if home else [])]
    return top or any(_is_below(one, root) for one in holds) or any(_is_below(root, one) for one in private)


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _may_others(path: Path, permissions: int) -> bool:
    """Whether other users may do all of this in a folder, if they get to it; a missing one is created private."""
    resolved = path.resolve()
    if not resolved.exists():
        return False
    above = all(parent.stat().st_mode & _OTHERS_ENTER for parent in resolved.parents)
    return above and resolved.stat().st_mode & permissions == permissions


def _list(values: "list[str] | tuple[object, ...]") -> str:
    shown = ", ".join(map(str, values[:_SHOWN]))
    return f"{shown} and {len(values) - _SHOWN} more" if len(values) > _SHOWN else shown
