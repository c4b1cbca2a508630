"""Starts podman or docker for an isolated launcher: by requests that can only be those of steps.

The launcher finds `step_client` under the names of these programs. A request is refused unless it runs a container as
an isolated step is run: without privileges, without the network unless the job may have it, from an image that is
there, and with files of the job alone.
"""

import csv
import os
import re
import resource
import select
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.images import is_image_name
from zoo_runner.engines.cwl_process.job_places import JobPlaces
from zoo_runner.engines.cwl_process.step_process import describe_usage, follow

_MONITOR_SECONDS = 2.0
_MONITOR = "--conmon-pidfile="
_WITHOUT_VALUE = ("-i", "--rm")
_VALUES = {
    "--net": "none",
    "--pull": "never",
    "--cap-drop": "ALL",
    "--security-opt": "no-new-privileges",
    "--pids-limit": "4096",
}
_OPTIONS = (
    *("--conmon-pidfile", "--mount", "--workdir", "--read-only", "--log-driver", "--user", "--cidfile"),
    *("--gpus", "--env", "--memory", "--cpus", "--shm-size"),
)
_SAME_USER = "--userns=keep-id"
_REQUIRED = tuple(f"{name}={value}" for name, value in _VALUES.items())
# a name could be that of somebody's container; the id of a container is known to who started it
_ABOUT_ONE: Mapping[str, Callable[[str], object]] = {
    "inspect": is_image_name,
    "kill": re.compile("[0-9a-f]{64}").fullmatch,
}
_NOTES = {"--conmon-pidfile": "monitors", "--cidfile": "cids"}


def find_refusal(words: Sequence[str], *, has_network: bool) -> str | None:
    """Find why podman or docker must not be started with these words; None where it may. Pure."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return "no list of words"
    if len(words) == 2 and words[0] in _ABOUT_ONE:
        return None if _ABOUT_ONE[words[0]](words[1]) else f"not of a step: {words[0]} {words[1]}"
    if not words or words[0] != "run":
        return f"not a request of a step: {' '.join(words[:1])}"
    options = []
    for word in words[1:]:
        if not word.startswith("-"):
            break
        options.append(word)
    if unknown := next((one for one in options if not _is_known(one)), None):
        return f"not an option of a step: {unknown.partition('=')[0]}"
    missing = [one for one in _REQUIRED if one not in options and not (has_network and one == "--net=none")]
    if missing:
        return f"lacks {', '.join(missing)}"
    image = next(iter(words[1 + len(options) :]), "")
    return None if is_image_name(image) else f"not the name of an image: {image}"


def _is_known(option: str) -> bool:
    name, equals, value = option.partition("=")
    known = option in (*_WITHOUT_VALUE, _SAME_USER) or (equals and (name in _OPTIONS or _VALUES.get(name) == value))
    return bool(known) and not (name == "--mount" and not value.startswith("type=bind,"))


def find_foreign(words: Sequence[str], places: JobPlaces) -> str | None:
    """Find what a request of a step would mount or write that is not the job's, links followed; None where nothing."""
    for word in words[1:]:
        if not word.startswith("-"):
            return None
        name, _, value = word.partition("=")
        if name == "--mount" and not _is_own_mount(value, places):
            return f"not a mount of this job: {value}"
        if name in _NOTES and os.path.dirname(os.path.realpath(value)) != f"{places.own}/{_NOTES[name]}":  # noqa: PTH120
            return f"not a file of this job: {word}"
    return None


def _is_own_mount(value: str, places: JobPlaces) -> bool:
    """Whether a mount is one that cwltool asks for: `type=bind,source=…,target=…`, maybe `readonly`, as CSV."""
    # podman and docker read a carriage return in another way than Python
    lines = [] if "\r" in value else _read_csv(value)
    if len(lines) != 1 or len(lines[0]) not in (3, 4):
        return False
    kind, source, target, *rest = lines[0]
    if kind != "type=bind" or not source.startswith("source=/") or not target.startswith("target=/"):
        return False
    place = os.path.realpath(source.removeprefix("source="))
    return (rest == [] and places.is_writable(place)) or (rest == ["readonly"] and places.is_readable(place))


def _read_csv(value: str) -> list[list[str]]:
    try:
        return list(csv.reader([value]))
    except csv.Error:
        return []


def run_container(
    words: list[str], streams: Sequence[int], connection: socket.socket, place: Mapping[str, Any]
) -> dict[str, Any]:
    """Run podman or docker; return the exit code and, where podman's monitor of a container reports it, the usage."""
    stdin, stdout, stderr = streams
    with subprocess.Popen(_as_this_user(words), stdin=stdin, stdout=stdout, stderr=stderr, **place) as process:
        ended = follow(process, connection)
    monitor = next((word.removeprefix(_MONITOR) for word in words if word.startswith(_MONITOR)), None)
    used = _measure(Path(monitor)) if monitor and ended.used else None
    if used is None or ended.used is None:
        return {"code": ended.code}
    # the monitor waited for podman's own clean-up as well, which is about as large as podman itself
    return {"code": ended.code, "used": describe_usage(used, ended.used.ru_maxrss * 5 // 4)}


def _as_this_user(words: Sequence[str]) -> list[str]:
    """Have a container run as the user of this process, who has another number for the launcher."""
    program, verb, *rest = words
    if verb != "run":
        return [*words]
    end = next((number for number, word in enumerate(rest) if not word.startswith("-")), len(rest))
    options = [word for word in rest[:end] if not word.startswith("--user=")]
    return [program, verb, f"--user={os.geteuid()}:{os.getegid()}", *options, *rest[end:]]


def _measure(monitor: Path) -> resource.struct_rusage | None:
    """Measure what a container used by its monitor (podman's conmon), which is a child of this process."""
    try:
        pid = int(monitor.read_text())
        handle = os.pidfd_open(pid)
        try:
            select.select([handle], [], [], _MONITOR_SECONDS)
            reaped, _, used = os.wait4(pid, os.WNOHANG)
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return None
    return used if reaped else None
