"""Which images the names of steps stand for: a step is reused only where its image is the same.

A name with a digest says it itself. For any other the digest of the first run is kept with the volume of a failed job,
as its pods had it; a job that continues that one asks the nodes what they would run now. Names whose image has changed,
or of which the first run is not known, get a mark, which is part of what makes two jobs of a step the same.
"""

import json
from collections.abc import Iterable, Mapping

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.pods import read_digest

IMAGES = "zoo-runner/images"
"""The annotation of a kept volume: names of images, and the digest of each."""


class SeenImages:
    """The images that the pods of a job have run, by their names."""

    def __init__(self) -> None:
        self._found: dict[str, set[str]] = {}

    def add(self, pod: Manifest, container: str) -> None:
        """Add the image of a container, once it is known."""
        name = next(one["image"] for one in pod["spec"]["containers"] if one["name"] == container)
        if digest := read_digest(pod, container):
            self._found.setdefault(name, set()).add(digest)

    def describe(self) -> dict[str, str]:
        """Return the annotation; a name that stood for two images says nothing of either."""
        found = {name: min(digests) for name, digests in sorted(self._found.items()) if len(digests) == 1}
        return {IMAGES: json.dumps(found)} if found else {}


def read_first(cluster: Cluster, names: Names) -> dict[str, str]:
    """Read the images of the first run from the volume that a job continues."""
    claim = cluster.get("PersistentVolumeClaim", names.namespace, names.claim) or {}
    text = ((claim.get("metadata") or {}).get("annotations") or {}).get(IMAGES)
    found: dict[str, str] = json.loads(text) if text else {}
    return found


def list_movable(images: Iterable[str]) -> list[str]:
    """List the names that may come to stand for another image: those without a digest; pure."""
    return sorted({image for image in images if "@" not in image})


def mark_images(first: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return a mark for each name that stands for another image than in the first run; pure.

    >>> mark_images({"a:1": "sha256:1", "b:1": "sha256:2"}, {"a:1": "sha256:1", "b:1": "sha256:3", "c:1": "sha256:4"})
    {'b:1': '@sha256:3', 'c:1': '@sha256:4'}
    """
    return {name: f"@{digest}" for name, digest in now.items() if first.get(name) != digest}
