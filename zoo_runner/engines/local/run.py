"""One run of the CWL on this machine: the launcher's parameters, its environment, and its result."""

import json
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.engines.cwl_process import step_client
from zoo_runner.engines.cwl_process.container_programs import ContainerFrame
from zoo_runner.engines.cwl_process.control_groups import name_groups
from zoo_runner.engines.cwl_process.diagnose import Findings, build_refused, build_too_much, diagnose_execution
from zoo_runner.engines.cwl_process.disk import TOO_LARGE
from zoo_runner.engines.cwl_process.engine_lines import EngineLines
from zoo_runner.engines.cwl_process.links import list_paths
from zoo_runner.engines.cwl_process.parameters import ORDER, PACKAGE, build_launch_parameters
from zoo_runner.engines.cwl_process.resources import Machine
from zoo_runner.engines.cwl_process.scratch_folder import MONITORS, place_beside, remove_beside
from zoo_runner.engines.cwl_process.step_server import REFUSED
from zoo_runner.engines.cwl_process.supervised import LONGEST_EVENT, Supervised
from zoo_runner.engines.local.containers import (
    CONTAINER_IDS,
    Abilities,
    find_abilities,
    name_containers,
    remove_containers_of,
)
from zoo_runner.engines.local.control import Control
from zoo_runner.engines.local.given import PrivateFolders, find_given
from zoo_runner.engines.local.places import may_use_network
from zoo_runner.engines.local.sandbox import Sandbox
from zoo_runner.engines.pipeline import Staged
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.engines.secret_inputs import find_placeholders, hide_secret_inputs
from zoo_runner.files import read_unlinked, write_json
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import EngineLine, Event, Report, decode_event
from zoo_runner.model.package import Package

_SIGNALLED = 128
# a character has up to four bytes, and lines are cut by these
_LONGEST_LINE = LONGEST_EVENT // 4
_CLIENT = Path(step_client.__file__)
# by the supervisor's exit code
_ENDED = {TOO_LARGE: build_too_much, REFUSED: build_refused}


@dataclass(frozen=True)
class PreparedJob:
    """A job that this process has prepared and not followed yet.

    `machine` is what is there for it, `granted` what its steps may ask for together; None: what is there.
    """

    job: JobSpec
    runtime: str | None
    machine: Machine
    control: Control
    package_files: tuple[str, ...] = ()
    sandbox: Sandbox | None = None
    granted: Machine | None = None


def find_package_files(package: Package, allowed_roots: tuple[Path, ...] | None) -> tuple[str, ...]:
    """Find the files of this machine that a package refers to itself, such as a script beside it.

    A package from the web has none. Where inputs are confined to `allowed_roots`, these files are too; None: they are
    not.
    """
    if urlsplit(package.origins.get(package.entry, "")).scheme != "file":
        return ()
    found = dict.fromkeys(list_paths(package.document))
    return tuple(path for path in found if allowed_roots is None or _is_below(Path(path), allowed_roots))


def _is_below(path: Path, roots: tuple[Path, ...]) -> bool:
    return any(path.resolve().is_relative_to(root.resolve()) for root in roots)


def _read_outputs(path: Path) -> dict[str, Any]:
    """Read the output object that a launcher wrote, who may be a package's; raises `EngineError`."""
    try:
        outputs = json.loads(read_unlinked(path))
    except (OSError, ValueError, RecursionError) as error:
        raise _build_no_outputs(str(error)) from error
    if not isinstance(outputs, dict):
        raise _build_no_outputs("it is no object")
    return outputs


def _build_no_outputs(why: str) -> EngineError:
    return EngineError(
        f"the process that ran cwltool wrote no output object that can be read: {why}",
        "Run the job again. If it happens again, check the package: its code may run in that process.",
        code="engine.no-result",
    )


def _build_killed(program: str, number: int) -> EngineError:
    return EngineError(
        f"the {program} of the job was killed (signal {number})",
        "Find out what stops processes on this machine (out of memory, an operator), and run the job again.",
        code="engine.killed",
    )


def _build_ended(code: int, complaints: Sequence[str]) -> EngineError:
    """Build the error of a run that the supervisor ended; the last line, which is its own, has the reason."""
    _, _, reason = (complaints[-1] if complaints else "").partition("ended: ")
    return _ENDED[code](reason or "not in the log")


def read_events(lines: Iterable[str], longest: int = _LONGEST_LINE) -> Iterator[Event]:
    """Read the events that a launcher printed, who may be a package's; raises `EngineError` where it is none.

    Other lines are left out. `longest`: no line may have so many characters.
    """
    for line in lines:
        if len(line) >= longest:
            raise build_refused(f"a line of {longest} characters or more")
        if (event := decode_event(line)) is not None:
            yield event


class Run:
    """One execution of the CWL by a launcher that waits for it."""

    def __init__(
        self,
        submitted: PreparedJob,
        settings: Settings,
        private: PrivateFolders,
        launcher: Supervised,
        report: Report,
        cancellation: Cancellation,
    ) -> None:
        self._job, self._settings = submitted.job, settings
        self._runtime, self._machine = submitted.runtime, submitted.machine
        self._granted = submitted.granted or submitted.machine
        self._package_files, self._sandbox = submitted.package_files, submitted.sandbox
        self._launcher, self._report, self._cancellation = launcher, report, cancellation
        self._scratch = submitted.job.paths.scratch
        self._private = private

    def execute(self, staged: Staged) -> dict[str, Any]:
        """Run the CWL on what was staged and return its output object; raises `RunnerError`."""
        findings = Findings()
        try:
            code = self._supervise(self._write_orders(staged), findings)
        finally:
            remove_beside(self._scratch, MONITORS)
        self._cancellation.check()
        if code in _ENDED:
            raise _build_ended(code, self._launcher.complaints)
        if code < 0:
            if self._runtime:
                remove_containers_of(self._job.id, self._scratch, self._find_runtime(), self._settings)
            raise _build_killed("supervisor", -code)
        # as the supervisor writes the signal that ended its command
        if code > _SIGNALLED:
            raise _build_killed("launcher", code - _SIGNALLED)
        if code != 0:
            raise diagnose_execution(findings)
        return _read_outputs(self._scratch / "outputs.json")

    def _write_orders(self, staged: Staged) -> dict[str, Any]:
        """Write the parameters of the launcher; return what launcher and supervisor are handed."""
        scratch, isolated = self._scratch, self._is_isolated
        network = may_use_network(self._job.package, self._settings)
        write_json(scratch / PACKAGE, staged.document)
        job, secrets = hide_secret_inputs(replace(self._job, order=staged.order))
        write_json(scratch / ORDER, dict(job.order))
        given = self._find_given(staged)
        spec = {
            **build_launch_parameters(self._job, scratch),
            "runtime": self._runtime,
            **asdict(self._abilities),
            "keeps_user": self._runtime == "podman" and os.geteuid() != 0,
            "cores": self._machine.cores,
            "memory_mib": self._machine.memory_mib,
            "most_cores": self._granted.cores if self._settings.cores else None,
            "most_memory_mib": self._granted.memory_mib if self._settings.memory_mib else None,
            "package_files": self._package_files,
            "cid_folder": str(scratch / CONTAINER_IDS) if self._runtime else None,
            "remover": self._list_remover(),
            "sandbox": [*self._client, "sandbox"] if self._sandbox else None,
            "default_image": self._settings.default_image if isolated else None,
            "isolated": isolated,
            "shown": given,
            "cwl_version": self._job.package.document["cwlVersion"],
            "network": network,
            "time_zone": self._settings.inherited.get("TZ"),
        }
        write_json(scratch / "run.json", spec)
        parents = self._sandbox.group_parents if self._sandbox else ()
        return {
            "spec": str(scratch / "run.json"),
            "env": self._environment(),
            "cwd": str(scratch),
            # in no file: by their placeholders in the job order
            "secrets": find_placeholders(secrets),
            # isolated, the supervisor knows its containers, and reads nothing that the launcher can write
            "cid_folder": None if isolated else spec["cid_folder"],
            "remover": spec["remover"],
            "scratch": str(scratch),
            "programs": self._allow_steps(network, given) if isolated or self._sandbox else None,
            "disk_bytes": self._limit_disk(),
            "groups": [f"{parent}/{name_groups(scratch.name)}*" for parent in parents],
        }

    def _find_given(self, staged: Staged) -> list[str]:
        """Find what the launcher and the steps may see; raises `InputError` for what they must not."""
        given = find_given(staged.order, self._package_files, self._scratch)
        if self._is_isolated:
            self._private.ensure_apart(((where, path) for path, where in given.items()), own=self._scratch)
        return sorted(given)

    def _limit_disk(self) -> int | None:
        """Limit the bytes of the job to what the settings say, and to nine tenths of what was free."""
        most = self._settings.scratch_max_bytes
        return None if most is None else min(most, (self._machine.disk_mib << 20) * 9 // 10)

    def _environment(self) -> dict[str, str]:
        """Steps get the Python of the user, and that of the runner only where the user has none."""
        path = self._settings.inherited.get("PATH", os.defpath)
        folders = [str(self._link_programs()), path, str(Path(find_python(self._settings)).parent)]
        return {**self._settings.inherited, "PATH": os.pathsep.join(folders)}

    @cached_property
    def _abilities(self) -> Abilities:
        return find_abilities(self._runtime)

    @property
    def _is_isolated(self) -> bool:
        return self._settings.isolation == "isolated"

    def _find_runtime(self) -> str:
        runtime = self._runtime or ""
        return shutil.which(runtime, path=self._settings.inherited.get("PATH", os.defpath)) or runtime

    def _list_remover(self) -> list[str]:
        """List the words that remove containers, at once and whether they are there or not."""
        forced = ["--ignore", "--time=0"] if self._runtime == "podman" else []
        return [self._find_runtime(), "rm", "--force", *forced]

    def _allow_steps(self, network: bool, given: Iterable[str]) -> dict[str, Any]:
        """Describe what the supervisor starts for a launcher (see `step_server`)."""
        memory_mib, sandbox = self._machine.memory_mib, self._sandbox
        self._monitors.mkdir(mode=0o700, parents=True, exist_ok=True)
        containers = ContainerFrame(
            program=self._find_runtime(),
            variables=dict(self._settings.inherited),
            network=network,
            prefix=name_containers(self._job.id),
            monitors=str(self._monitors) if self._abilities.has_monitor else None,
        )
        return {
            "containers": asdict(containers) if self._runtime and self._is_isolated else None,
            "sandbox": sandbox and asdict(sandbox.build_frame(self._scratch.name, memory_mib, network=network)),
            "readable": sorted({os.path.realpath(path) for path in given}),
        }

    @property
    def _monitors(self) -> Path:
        return place_beside(self._scratch, MONITORS)

    @property
    def _client(self) -> list[str]:
        """The words of the program that asks the supervisor to run a step."""
        return [find_python(self._settings), "-I", "-S", str(_CLIENT), str(self._scratch)]

    def _link_programs(self) -> Path:
        """Create a folder with podman or docker under its name, and under the one that cwltool looks for.

        Isolated, they are programs that ask the supervisor.
        """
        programs = self._scratch / "bin"
        programs.mkdir()
        if self._runtime and self._is_isolated:
            words = [*self._client, "container"]
            for name in {"docker", self._runtime}:
                (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
                (programs / name).chmod(0o700)
        elif self._runtime:
            (programs / "docker").symlink_to(self._find_runtime())
        return programs

    def _supervise(self, order: dict[str, Any], findings: Findings) -> int:
        def note(event: Event) -> None:
            findings.add(event)
            self._report(event)

        said = EngineLines(note, findings.add)

        def on_lines(lines: Sequence[str]) -> None:
            for event in read_events(lines):
                said.report(event) if isinstance(event, EngineLine) else note(event)

        self._launcher.hand_over(order)
        code = self._launcher.follow(on_lines, self._cancellation)
        for text in self._launcher.complaints:
            findings.add_complaint(text)
            self._report(EngineLine("warning", text))
        return code
