"""Starts podman or docker for an isolated launcher: by requests that can only be those of steps.

The launcher finds `step_client` under the names of these programs. A request is refused unless it asks whether an image
is there, or runs a container as an isolated step is run: without privileges, without the network unless the job may
have it, from an image that is there, and with files of the job alone. The supervisor names the container. A client can
end the one that it asked for, by its connection; no request has the name or id of a container.
"""

import contextlib
import csv
import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from zoo_runner.engines.cwl_process.container_monitor import Monitor
from zoo_runner.engines.cwl_process.job_places import JobPlaces
from zoo_runner.engines.cwl_process.step_process import describe_usage, follow
from zoo_runner.package.images import is_image_name

_KILL_SECONDS = 30.0
# another one could hand the streams themselves to the container: a folder that was sent as its input is a way out
_WITHOUT_VALUE = ("-i", "--rm", "--log-driver=none")
_VALUES = {
    "--net": "none",
    "--pull": "never",
    "--cap-drop": "ALL",
    "--security-opt": "no-new-privileges",
    "--pids-limit": "4096",
}
_OPTIONS = (
    *("--mount", "--workdir", "--read-only", "--user", "--gpus", "--env", "--memory", "--cpus"),
    "--shm-size",
)
_SAME_USER = "--userns=keep-id"
_REQUIRED = tuple(f"{name}={value}" for name, value in _VALUES.items())


@dataclass(frozen=True)
class ContainerFrame:
    """What is the same for all containers of a run.

    `program` is podman or docker, `variables` its environment; `network`: the steps may ask for it. Names of containers
    begin with `prefix`. podman writes process ids of monitors to the folder `monitors`; None: there are none.
    """

    program: str
    variables: Mapping[str, str]
    network: bool
    prefix: str
    monitors: str | None


def find_refusal(words: Sequence[str], *, has_network: bool) -> str | None:
    """Find why podman or docker must not be started with these words; None where it may. Pure."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return "no list of words"
    if words[:1] == ["inspect"] and len(words) == 2:
        return None if is_image_name(words[1]) else f"not the name of an image: {words[1]}"
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
    """Find what a request of a step would mount that is not the job's, links followed; None where nothing."""
    for word in words[1:]:
        if not word.startswith("-"):
            return None
        name, _, value = word.partition("=")
        if name == "--mount" and not _is_own_mount(value, places):
            return f"not a mount of this job: {value}"
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


class Containers:
    """The containers of one run, by the names that this object gives them."""

    def __init__(self, frame: ContainerFrame) -> None:
        self._frame, self._lock = frame, threading.Lock()
        self._names: set[str] = set()

    def list_left(self) -> list[str]:
        """List the containers that may still be there."""
        with self._lock:
            return sorted(self._names)

    def start(self, words: Sequence[str], streams: Sequence[int]) -> "StartedContainer":
        """Start podman or docker for a request; raises `OSError`."""
        verb, *rest = words
        if verb != "run":
            # `inspect` alone would show a container of that name, with its variables
            return StartedContainer(self._spawn(["image", *words], streams), None, None, self._frame)
        name = f"{self._frame.prefix}{uuid4().hex}"
        monitor = Monitor(Path(self._frame.monitors, name)) if self._frame.monitors else None
        with self._lock:
            self._names.add(name)
        try:
            process = self._spawn(
                ["run", f"--name={name}", "--rm", *(monitor.words if monitor else ()), *_as_this_user(rest)],
                streams,
                monitor.variables if monitor else {},
            )
        except OSError:
            if monitor:
                monitor.close()
            raise
        return StartedContainer(process, name, monitor, self._frame)

    def forget(self, name: str) -> None:
        """Note that a container has ended by itself, and so was removed."""
        with self._lock:
            self._names.discard(name)

    def _spawn(
        self, words: list[str], streams: Sequence[int], more: Mapping[str, str] = MappingProxyType({})
    ) -> "subprocess.Popen[bytes]":
        stdin, stdout, stderr = streams
        variables, command = {**self._frame.variables, **more}, [self._frame.program, *words]
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=variables, cwd="/")


@dataclass(frozen=True)
class StartedContainer:
    """podman or docker at work for a request; `name` is that of its container, if it runs one."""

    process: "subprocess.Popen[bytes]"
    name: str | None
    monitor: Monitor | None
    frame: ContainerFrame

    def wait(self, connection: socket.socket) -> dict[str, Any]:
        """Wait for the end, or end it as the client says; return the exit code, and the usage where it is known."""
        with self.process:
            ended = follow(self.process, connection, self._kill)
        if self.monitor is None:
            return {"code": ended.code}
        end = self.monitor.conclude(ended.code)
        if end.used is None or ended.used is None:
            return {"code": end.code}
        # the monitor waited for podman's own clean-up as well, which is about as large as podman itself
        return {"code": end.code, "used": describe_usage(end.used, ended.used.ru_maxrss * 5 // 4)}

    def _kill(self) -> None:
        if self.name is not None:
            words = [self.frame.program, "kill", self.name]
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    words, env=self.frame.variables, cwd="/", capture_output=True, check=True, timeout=_KILL_SECONDS
                )
                return
        self.process.kill()


def _as_this_user(words: Sequence[str]) -> list[str]:
    """Have a container run as the user of this process, who has another number for the launcher; leave out `--rm`."""
    end = next((number for number, word in enumerate(words) if not word.startswith("-")), len(words))
    options = [word for word in words[:end] if word != "--rm" and not word.startswith("--user=")]
    return [f"--user={os.geteuid()}:{os.getegid()}", *options, *words[end:]]
