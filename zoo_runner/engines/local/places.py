"""Where the steps of a package run on this machine: in a container, in a sandbox, or on the host itself; pure.

*Trusted* is for packages that the user trusts: a step without a container runs with the user's own permissions.
*Isolated* is for packages and inputs of others: each step is in a container or sandbox, or the job is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import EngineError
from zoo_runner.model.package import Document, Package
from zoo_runner.package.images import is_image_name, list_made_here, read_image_names
from zoo_runner.package.requirements import ToolUse, find_effective, walk_tools

_MOST_NAMES = 5


@dataclass(frozen=True)
class StepPlace:
    """Where a step runs. A container that is not `required` may be replaced by the host, where no runtime answers.

    `is_default`: the step names no image, and the image is that of the settings.
    """

    step: str
    kind: Literal["container", "sandbox", "host"]
    image: str = ""
    required: bool = False
    is_default: bool = False

    def describe(self) -> dict[str, str]:
        """Return the place as JSON-serialisable data."""
        return {"step": self.step, "place": self.kind, **({"image": self.image} if self.image else {})}


def place_steps(package: Package, settings: Settings) -> tuple[StepPlace, ...]:
    """Decide for each step where it runs.

    Raises `EngineError` where the mode is isolated and a step has no place, or a container is required and the
    settings say sandbox, or its image has a name that podman and docker must not get, or would be built here.
    """
    return tuple(_place(use, settings) for use in walk_tools(package))


def _place(use: ToolUse, settings: Settings) -> StepPlace:
    docker, isolated = find_effective(use.holders, "DockerRequirement"), settings.isolation == "isolated"
    required = docker is not None and not docker.is_hint
    if settings.containers == "sandbox":
        if docker is not None and required:
            raise _build_no_sandbox(use.step, read_image(docker.body))
        return StepPlace(use.step, "sandbox", required=True)
    if docker is not None and (required or settings.containers != "none"):
        _check_image(use.step, docker.body)
        return StepPlace(use.step, "container", read_image(docker.body), required=required or isolated)
    if not isolated:
        return StepPlace(use.step, "host")
    if settings.containers == "none":
        raise _build_refused(use.step)
    if not is_image_name(settings.default_image):
        raise _build_invalid(use.step, settings.default_image, "ZOO_RUNNER_DEFAULT_IMAGE")
    return StepPlace(use.step, "container", settings.default_image, required=True, is_default=True)


def may_use_network(package: Package, settings: Settings) -> bool:
    """Whether steps that ask for the network get it. An isolated step does only where the settings allow it.

    cwltool asks for every step of a package of CWL v1.0, which cannot ask itself: isolated, these get none.
    """
    asks = package.document["cwlVersion"] != "v1.0"
    return settings.isolation != "isolated" or (settings.sandbox_network == "asked" and asks)


def _check_image(step: str, docker: Document) -> None:
    if made := list_made_here(docker):
        raise _build_made_here(step, made)
    for name in read_image_names(docker) or [""]:
        if not is_image_name(name):
            raise _build_invalid(step, name, "dockerPull (or dockerImageId)")


def read_image(docker: Document) -> str:
    """Read the name of the image of a DockerRequirement."""
    return next(iter(read_image_names(docker)), "")


def find_trusted(places: Iterable[StepPlace], runtime: str | None) -> list[str]:
    """Find the steps that run on the host; `runtime` is podman or docker, None if neither is used."""
    return [place.step for place in places if place.kind == "host" or (place.kind == "container" and runtime is None)]


def list_names(steps: list[str]) -> str:
    """List steps in a message."""
    more = f" and {len(steps) - _MOST_NAMES} more" if len(steps) > _MOST_NAMES else ""
    return ", ".join(f"'{step}'" for step in steps[:_MOST_NAMES]) + more


def find_unnamed(places: Iterable[StepPlace]) -> list[str]:
    """Find the steps that run in the default image, because they name none."""
    return [place.step for place in places if place.is_default]


def _build_made_here(step: str, members: list[str]) -> EngineError:
    return EngineError(
        f"step '{step}' would have its image built or loaded on this machine ({', '.join(members)})",
        "Push the image to a registry, and name it with dockerPull in place of these.",
        step=step,
        code="package.unsupported",
    )


def _build_invalid(step: str, name: str, where: str) -> EngineError:
    return EngineError(
        f"step '{step}' has no image with a valid name: {name!r}",
        f"Correct {where}: [registry[:port]/]name[:tag][@sha256:digest], without transport such as docker:// or oci:.",
        step=step,
        code="image.invalid",
    )


def _build_refused(step: str) -> EngineError:
    return EngineError(
        f"step '{step}' would run on the host, with the permissions of this user, and isolation is on",
        "Choose podman, docker or sandbox (ZOO_RUNNER_CONTAINERS). Set ZOO_RUNNER_ISOLATION=trusted only if you trust"
        " every package and every caller.",
        step=step,
        code="isolation.refused",
    )


def _build_no_sandbox(step: str, image: str) -> EngineError:
    return EngineError(
        f"step '{step}' requires the container {image}, and the settings say sandbox, which has no images",
        "Choose podman or docker (ZOO_RUNNER_CONTAINERS), or make the DockerRequirement a hint if the tools are"
        " installed here.",
        step=step,
        code="isolation.refused",
    )
