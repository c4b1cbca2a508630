"""Container engines of one machine: which one answers, and whether the images of a package are there."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Containers, Settings
from zoo_runner.engines.cwl_process.supervised import Supervised
from zoo_runner.engines.cwl_process.supervisor import remove_containers
from zoo_runner.engines.image_errors import is_denied, is_limited, is_missing
from zoo_runner.engines.local.places import StepPlace
from zoo_runner.engines.local.registries import Registries
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import EngineLine, Report

CONTAINER_IDS = "cids"
"""The folder in the scratch folder with the ids of the containers of a trusted job."""
_PROBE_SECONDS = 60
_MOST_ASKED_FOR = 20


@dataclass(frozen=True)
class ContainerNeeds:
    """Images of the steps of a package: `required` where none may run without a container, `hinted` where it may."""

    required: tuple[str, ...]
    hinted: tuple[str, ...]

    @property
    def images(self) -> tuple[str, ...]:
        """All images, each once."""
        return tuple(dict.fromkeys((*self.required, *self.hinted)))


def find_container_needs(places: Iterable[StepPlace]) -> ContainerNeeds:
    """Find the images of the steps that run in containers."""
    found = [place for place in places if place.kind == "container"]
    required = dict.fromkeys(place.image for place in found if place.required)
    hinted = dict.fromkeys(place.image for place in found if not place.required)
    return ContainerNeeds(tuple(required), tuple(hinted))


def _why_not(program: str) -> str | None:
    """Why a container engine cannot be used, in its own words; None where it answers."""
    path = shutil.which(program)
    if path is None:
        return f"{program} is not on the PATH"
    try:
        probe = subprocess.run([path, "info"], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"`{program} info` did not end within {_PROBE_SECONDS} s"
    except OSError as error:
        return f"{path} cannot be started: {error.strerror}"
    said = [line for line in probe.stderr.splitlines() if line.strip()] or [f"`{program} info` failed"]
    return said[-1] if probe.returncode else None


def choose_runtime(needs: ContainerNeeds, wanted: Containers, *, isolated: bool = False) -> str | None:
    """Choose podman or docker, whichever answers; None to run without container.

    `isolated`: the settings require one, whatever the package says. Raises `EngineError` if one is required, or if the
    configured one does not answer.
    """
    if not needs.images:
        return None
    candidates = _list_candidates(wanted)
    reasons = []
    for program in candidates:
        reason = _why_not(program)
        if reason is None:
            return program
        reasons.append(reason)
    if needs.required:
        why = f"{' and '.join(candidates)} did not answer" if candidates else "containers are off"
        build = _build_not_isolated if isolated else _build_required
        raise build(", ".join(needs.required), why, tuple(reasons))
    if wanted not in ("auto", "none"):
        raise EngineError(
            f"{wanted} is required by the settings and does not answer (`{wanted} info` failed)",
            f"Install or start {wanted}, or choose auto or none (--containers, ZOO_RUNNER_CONTAINERS).",
            evidence=tuple(reasons),
            code="containers.unavailable",
        )
    return None


def _build_required(images: str, why: str, evidence: tuple[str, ...]) -> EngineError:
    return EngineError(
        f"a container is required ({images}), and {why}",
        "Install podman or start docker (see ZOO_RUNNER_CONTAINERS). If the tools are installed here, make the"
        " DockerRequirement a hint; a sandbox (`--containers sandbox`) then needs no image.",
        evidence=evidence,
        code="containers.unavailable",
    )


def _build_not_isolated(images: str, why: str, evidence: tuple[str, ...]) -> EngineError:
    return EngineError(
        f"isolation is on (ZOO_RUNNER_ISOLATION), so that each step needs a container ({images}), and {why}",
        "Install podman or start docker; steps that name no image run in ZOO_RUNNER_DEFAULT_IMAGE. If the tools are"
        " installed here, use the sandbox, which needs no image (ZOO_RUNNER_CONTAINERS=sandbox). Set"
        " ZOO_RUNNER_ISOLATION=trusted only if you trust every package and every caller.",
        evidence=evidence,
        code="containers.unavailable",
    )


def find_runtime(wanted: Containers) -> str | None:
    """Return podman or docker, whichever answers first of those that the setting allows; None where none does."""
    return next((program for program in _list_candidates(wanted) if _why_not(program) is None), None)


def _list_candidates(wanted: Containers) -> tuple[str, ...]:
    return {"auto": ("podman", "docker"), "none": (), "sandbox": ()}.get(wanted, (wanted,))


def name_containers(job_id: str) -> str:
    """How the names of the containers of an isolated job begin."""
    return f"zoo-runner-{job_id}-"


def select_containers(names: Iterable[str], job_id: str) -> list[str]:
    """Select the containers of an isolated job by their whole names; pure.

    The id of another job may begin with this one, and `.` in an id stands for itself.

    >>> select_containers([f"zoo-runner-{job}-{'0a' * 16}" for job in ("ndvi", "ndvi-2")], "ndvi")
    ['zoo-runner-ndvi-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a']
    """
    own = re.compile(re.escape(name_containers(job_id)) + "[0-9a-f]{32}")
    return [name for name in names if own.fullmatch(name)]


def remove_containers_of(job_id: str, scratch: Path, runtime: str, settings: Settings) -> None:
    """Remove the containers of a job whose supervisor was killed, which would have done it.

    Those that cannot be removed now end with their tool, and are removed then. Isolated, they are found by their names:
    what is in the scratch folder, ids of containers too, may be a package's.
    """
    remover, variables = [runtime, "rm", "--force"], settings.inherited
    if settings.isolation != "isolated":
        remove_containers(str(scratch / CONTAINER_IDS), remover, variables)
        return
    words = [runtime, "ps", "--all", "--format={{.Names}}"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        found = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=True)
        # a container may have several names, which are one word
        if left := select_containers(found.stdout.replace(",", " ").split(), job_id):
            subprocess.run([*remover, *left], env=variables, capture_output=True, timeout=_PROBE_SECONDS, check=True)


@dataclass(frozen=True)
class Abilities:
    """What podman or docker can do here.

    `limits_memory`: hold containers to a memory limit; `has_monitor`: it is podman, and not that of another machine, so
    that its monitors are processes here.
    """

    limits_memory: bool
    has_monitor: bool


def find_abilities(runtime: str | None) -> Abilities:
    """Ask podman or docker what it can do; without either, nothing."""
    if runtime is None:
        return Abilities(limits_memory=False, has_monitor=False)
    answer = _run(runtime, "info", "--format", "{{json .}}")
    try:
        info = json.loads(answer.stdout)
    except ValueError:
        return Abilities(limits_memory=False, has_monitor=False)
    host = info.get("host", {})
    return Abilities(
        limits_memory=info.get("MemoryLimit") is True or "memory" in (host.get("cgroupControllers") or ()),
        has_monitor=runtime == "podman" and not host.get("serviceIsRemote"),
    )


@dataclass(frozen=True)
class Puller:
    """Pulls images with podman or docker (`runtime`), with the credentials of a workspace for its `registries`.

    The program that pulls has the environment of `settings` (proxies, location of logins).
    """

    runtime: str
    settings: Settings
    registries: Registries

    def has(self, image: str) -> bool:
        """Whether an image is on this machine and needs no credentials."""
        found = self._find_ids("image", "inspect", "--format={{.Id}}", "--", image)
        return bool(found) and not self.registries.is_marked(image, *found)

    def pull(self, image: str, cancellation: Cancellation) -> None:
        """Pull an image; raises `EngineError`, or why the job was stopped."""
        if not self.registries.cover(image):
            self._pull(image, cancellation)
            return
        # from now on it needs credentials, by any name, unless it was there without them
        there = self._find_ids("images", "--quiet", "--no-trunc")
        self.registries.mark(image)
        self._pull(image, cancellation)
        for found in self._find_ids("image", "inspect", "--format={{.Id}}", "--", image) - there:
            self.registries.mark(found)

    def _find_ids(self, *words: str) -> set[str]:
        """Read the ids of images that a command prints, which podman and docker write with or without their digest."""
        found = _run(self.runtime, *words)
        ids = found.stdout.split() if found.returncode == 0 else []
        return {one.removeprefix("sha256:") for one in ids}

    def _pull(self, image: str, cancellation: Cancellation) -> None:
        with self.registries.lending(image, self.settings.pull_variables) as variables:
            order = {
                "command": [self.runtime, "pull", "--", image],
                "env": dict(variables),
                "cwd": "/",
                "cid_folder": None,
                "remover": [],
            }
            with Supervised(order, find_python(self.settings)) as pull:
                code = pull.follow(lambda _: None, cancellation)
                cancellation.check()
                if code != 0:
                    raise _pull_error(image, "\n".join(pull.complaints))

    def ask(self, image: str) -> "subprocess.CompletedProcess[str]":
        """Ask a registry whether it gives an image."""
        with self.registries.lending(image, self.settings.pull_variables) as variables:
            return _run(self.runtime, "manifest", "inspect", "--", image, variables=variables)


def ensure_images(puller: Puller, images: tuple[str, ...], report: Report, cancellation: Cancellation) -> None:
    """Pull missing images, before anything else of the job starts.

    A pull may take long: it stops with the job, and does not outlive this process. Raises `EngineError`, or why the job
    was stopped.
    """
    for image in images:
        if not puller.has(image):
            report(EngineLine("info", f"pulling image {image} with {puller.runtime}"))
            puller.pull(image, cancellation)


def find_missing_images(puller: Puller, images: tuple[str, ...]) -> Iterator[EngineError]:
    """Find images that are not on this machine and that their registries do not give; none is pulled."""
    for image in images[:_MOST_ASKED_FOR]:
        if puller.has(image):
            continue
        try:
            asked = puller.ask(image)
        except EngineError as error:
            yield error
            continue
        if asked.returncode != 0:
            yield _pull_error(image, asked.stderr)


def _run(runtime: str, *words: str, variables: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            [runtime, *words],
            env=None if variables is None else dict(variables),
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"`{runtime} {' '.join(words)}` did not end within {_PROBE_SECONDS} s",
            f"Check {runtime} on this machine: it hangs.",
            code="containers.broken",
        ) from error


def _pull_error(image: str, text: str) -> EngineError:
    lines = tuple(line for line in text.splitlines() if line.strip())[-4:]
    low = text.lower()
    if is_limited(text):
        return EngineError(
            f"the registry limits how often images are pulled, and refused the image {image} for now",
            "Log in to the registry, which raises its limit, or pull from a mirror; the limit ends after some hours.",
            evidence=lines,
            code="image.unavailable",
        )
    if is_denied(text):
        return EngineError(
            f"the registry refused access to the image {image}",
            "Check the image's name; if it is private, log in to its registry first.",
            evidence=lines,
            code="image.forbidden",
        )
    if is_missing(text):
        return EngineError(
            f"the image {image} does not exist",
            "Correct dockerPull in the package, or push the image.",
            evidence=lines,
            code="image.not-found",
        )
    if any(word in low for word in ("connection refused", "no such host", "i/o timeout", "tls:", "no route to host")):
        return EngineError(
            f"the registry of the image {image} cannot be reached",
            "Check that this machine reaches the registry (name, network, proxy), or build the image here under that"
            " name.",
            evidence=lines[-1:],
            code="image.unreachable",
        )
    return EngineError(
        f"the image {image} is not on this machine and could not be pulled",
        "Check the image's name and that its registry can be reached from here, or build it here under that name.",
        evidence=lines,
        code="image.unavailable",
    )
