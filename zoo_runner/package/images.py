"""Names of container images that podman and docker may be given; pure.

Source: the grammar of references of the OCI distribution project, and the list of transports of podman
(containers-transports(5)), by which a name opens files and stores of this machine instead of a registry.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the supervisor judges names too
    from zoo_runner.model.package import Document

_MADE_HERE = ("dockerFile", "dockerLoad", "dockerImport")
_TRANSPORTS = (
    *("atomic", "containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "ostree"),
    *("sif", "tarball"),
)
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_NAME = re.compile(
    rf"(?!(?:{'|'.join(_TRANSPORTS)}):)(?:{_HOST}/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


def is_image_name(name: str) -> bool:
    """Whether a name is `[registry[:port]/]name[:tag][@sha256:digest]`, and podman takes it for nothing else."""
    return _NAME.fullmatch(name) is not None


def read_image_names(docker: "Document") -> list[str]:
    """Read all names of images of a DockerRequirement; the first is that of the image that runs."""
    return [str(docker[key]) for key in ("dockerImageId", "dockerPull") if key in docker]


def list_made_here(docker: "Document") -> list[str]:
    """List the members of a DockerRequirement by which the image would be built or loaded on this machine."""
    return [key for key in _MADE_HERE if key in docker]
