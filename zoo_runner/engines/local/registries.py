"""Credentials of a workspace for registries: only the program that pulls has them, and only while it pulls."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_DOCKER_HUB = "docker.io"
# what Docker calls its own registry in a configuration
_HUB_NAMES = ("index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Registries:
    """What a workspace has for registries, as Docker configurations.

    `private` is a folder of this installation that no job sees. Images on this machine are those of all workspaces, so
    `marks`, a folder too, has which were pulled with credentials: each job has to show its own for them. It is state:
    without it, these images would be for everybody.
    """

    configurations: tuple[Mapping[str, Any], ...]
    private: Path
    marks: Path

    @contextmanager
    def lending(self, image: str, variables: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        """Give the environment of the program that pulls an image, with the credentials for it in a file of its own."""
        auths = select_auths(image, self.configurations)
        if not auths:
            yield variables
            return
        self.private.mkdir(parents=True, exist_ok=True, mode=0o700)
        # its permissions are those of its owner alone
        with TemporaryDirectory(prefix="pull-", dir=self.private) as folder:
            file = Path(folder) / "config.json"
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                json.dump({"auths": auths}, stream)
            # podman reads the one, docker the other
            yield {**variables, "REGISTRY_AUTH_FILE": str(file), "DOCKER_CONFIG": folder}

    def cover(self, image: str) -> bool:
        """Whether the workspace has credentials for the registry of an image."""
        return bool(select_auths(image, self.configurations))

    def is_marked(self, *names: str) -> bool:
        """Whether an image, by its name or its id, was pulled with credentials of some workspace."""
        return any(self._name_mark(name).exists() for name in names)

    def mark(self, name: str) -> None:
        """Take note that an image, by its name or its id, is pulled with credentials."""
        self.marks.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._name_mark(name).touch()

    def _name_mark(self, name: str) -> Path:
        return self.marks / sha256(_normalize(name).encode()).hexdigest()


def select_auths(image: str, configurations: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Select the credentials that are for the registry, or a part of it, of an image; pure.

    >>> select_auths("eo/ndvi:1", ({"auths": {"docker.io": {"auth": "eA=="}, "quay.io": {"auth": "eQ=="}}},))
    {'docker.io': {'auth': 'eA=='}}
    """
    name = _normalize(image)
    found = {key: value for one in configurations for key, value in (one.get("auths") or {}).items()}
    return {key: value for key, value in found.items() if name.startswith(f"{_normalize_registry(key)}/")}


def _normalize_registry(key: str) -> str:
    place = key.partition("://")[2] or key
    host, _, path = place.rstrip("/").partition("/")
    if host in _HUB_NAMES:
        return _DOCKER_HUB
    # registries of version 1 and 2 are named with the path of their API
    return host if path in ("", "v1", "v2") else f"{host}/{path}"


def _normalize(image: str) -> str:
    """Write the name of an image with its registry, as podman and docker complete it."""
    first, slash, rest = image.partition("/")
    if not slash:
        return f"{_DOCKER_HUB}/library/{image}"
    if first in _HUB_NAMES:
        return f"{_DOCKER_HUB}/{rest}"
    return image if "." in first or ":" in first or first == "localhost" else f"{_DOCKER_HUB}/{image}"
