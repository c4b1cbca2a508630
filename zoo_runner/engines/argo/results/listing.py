"""The output artifacts of a Workflow; pure. Source: Argo Workflows, "Field Reference" (NodeStatus, Artifact)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from zoo_runner.engines.kubernetes.names import Manifest
from zoo_staging.names import safe_name, unique_name

_LOCATIONS = ("s3", "gcs", "azure", "oss", "hdfs", "artifactory", "http", "git", "raw", "plugin")


@dataclass(frozen=True)
class Artifact:
    """An output artifact of a node; `path` is where it is downloaded to, within a folder.

    `deleted`: Argo has removed it from its repository (artifact garbage collection).
    """

    node: str
    node_id: str
    name: str
    path: str
    finished: str
    deleted: bool = False

    @property
    def source(self) -> str:
        """Return what identifies its content: it changes when the node runs again."""
        return f"{self.node_id}/{self.name}/{self.finished}"

    def describe(self) -> dict[str, object]:
        """Return it as JSON-like data."""
        return {name: value for name, value in asdict(self).items() if name != "finished"}


def list_artifacts(workflow: Manifest) -> tuple[Artifact, ...]:
    """List the output artifacts of all nodes, in the order in which the nodes began.

    One that a step passes on as its own output is listed once, at the node that wrote it.
    """
    taken: set[str] = set()
    known: set[str] = set()
    return tuple(_read_artifacts(workflow, known, taken))


def _read_artifacts(workflow: Manifest, known: set[str], taken: set[str]) -> Iterator[Artifact]:
    for node_id, node in _list_nodes(workflow):
        for one in (node.get("outputs") or {}).get("artifacts") or []:
            key = _find_key(one)
            if key and key in known:
                continue
            known.add(key)
            name = str(one["name"])
            shown = safe_name(str(node.get("displayName") or node_id))
            path = unique_name(f"{shown}/{safe_name(name)}{_find_suffix(key)}", taken)
            finished, deleted = str(node.get("finishedAt") or ""), bool(one.get("deleted"))
            yield Artifact(str(node.get("displayName") or node_id), node_id, name, path, finished, deleted)


def _list_nodes(workflow: Manifest) -> list[tuple[str, dict[str, Any]]]:
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).items()
    # pods first, since steps repeat the artifacts of their pods as their own
    return sorted(nodes, key=lambda one: (one[1].get("type") != "Pod", str(one[1].get("startedAt") or ""), one[0]))


def _find_key(artifact: dict[str, Any]) -> str:
    places = (artifact.get(kind) or {} for kind in _LOCATIONS)
    return next((str(place["key"]) for place in places if place.get("key")), "")


def _find_suffix(key: str) -> str:
    suffixes = PurePosixPath(key).suffixes[-2:]
    return "".join(suffixes) if len("".join(suffixes)) <= 16 else ""
