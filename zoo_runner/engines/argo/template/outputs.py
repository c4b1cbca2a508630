"""What a Workflow of a template has left, as an output object of CWL: parameters as values, artifacts as files."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from zoo_runner.engines.argo.results.download import ArtifactServer, download_artifact
from zoo_runner.engines.argo.results.folder import ResultsFolder, Stored
from zoo_runner.engines.argo.results.listing import Artifact
from zoo_runner.engines.argo.status import list_nodes
from zoo_runner.engines.argo.template.archive import Budget, UnpackError, unpack
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.inputs.checking import build_checker
from zoo_runner.model.errors import EngineError, ToolError
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import Parameter, accepts_null, describe_type, is_text, parse_outputs, without_null
from zoo_runner.package.workflow_template import TemplateUse
from zoo_staging.names import safe_name


class _Counted:
    """An Argo server whose downloads are taken from a budget."""

    def __init__(self, server: ArtifactServer, budget: Budget) -> None:
        self.namespace, self._server, self._budget = server.namespace, server, budget

    def download(self, path: str, what: str, take: Callable[[bytes], object]) -> int:
        """Download as the server does."""

        def count(data: bytes) -> None:
            self._budget.take_bytes(len(data))
            take(data)

        self._budget.take_file()
        return self._server.download(path, what, count)


@dataclass(frozen=True)
class FoundArtifact:
    """An artifact of a node; `is_archive`: it is a tar archive, as Argo makes them unless the template says otherwise."""

    node: str
    node_id: str
    name: str
    file_name: str
    is_archive: bool


def find_outputs(workflow: Manifest, use: TemplateUse) -> dict[str, str | FoundArtifact | None]:
    """Find the value of each output in the status of a Workflow that has ended; None where it has none; pure."""
    places = list(_list_places(workflow))
    return {name: next(_search(places, one.kind, one.name), None) for name, one in use.sources.items()}


def _list_places(workflow: Manifest) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield nodes with their outputs: that of the entrypoint, of the exit handler, and the global outputs."""
    name = workflow["metadata"]["name"]
    nodes = {str(node.get("name")): node for node in list_nodes(workflow)}
    for one in (name, f"{name}.onExit"):
        if one in nodes:
            yield nodes[one], nodes[one].get("outputs") or {}
    shared = workflow.get("status", {}).get("outputs") or {}
    for node in nodes.values():
        # whoever wrote a global output has it under its own name too
        for kind in ("parameters", "artifacts"):
            known = {one.get("name") for one in shared.get(kind) or ()}
            own = [one for one in (node.get("outputs") or {}).get(kind) or () if one.get("globalName") in known]
            yield node, {kind: [{**one, "name": one["globalName"], "own": one["name"]} for one in own]}
    yield {}, {"parameters": shared.get("parameters") or []}


def _search(
    places: list[tuple[Mapping[str, Any], Mapping[str, Any]]], kind: str, name: str
) -> Iterator[str | FoundArtifact]:
    for node, outputs in places:
        for one in outputs.get(f"{kind}s") or ():
            if one.get("name") != name:
                continue
            if kind == "artifact":
                yield _read_artifact(node, one)
            elif "value" in one:
                yield str(one["value"])


def _read_artifact(node: Mapping[str, Any], one: Mapping[str, Any]) -> FoundArtifact:
    shown, archive = str(node.get("displayName")), one.get("archive") or {}
    plain = safe_name(PurePosixPath(str(one.get("path") or one["name"])).name, str(one["name"]))
    name = str(one.get("own", one["name"]))
    return FoundArtifact(shown, str(node.get("id")), name, plain, not {"none", "zip"} & archive.keys())


def build_output_object(
    found: Mapping[str, str | FoundArtifact | None],
    package: Package,
    fetch: Callable[[FoundArtifact, str], Path],
) -> dict[str, Any]:
    """Build the output object of what was found; `fetch` downloads an artifact for an output and returns its place.

    Raises `ToolError` for what is missing or not of its type.
    """
    return {one.name: _read_output(one, found.get(one.name), package, fetch) for one in parse_outputs(package)}


def _read_output(
    wanted: Parameter, value: str | FoundArtifact | None, package: Package, fetch: Callable[[FoundArtifact, str], Path]
) -> Any:
    if value is None:
        if accepts_null(wanted.type):
            return None
        raise ToolError(
            f"the WorkflowTemplate {package.workflow_id} ended without its output {wanted.name!r}",
            "Find out from the log why the node did not write it, or give it a type with '?' (zoo-runner/types).",
            code="step.output-missing",
        )
    if isinstance(value, FoundArtifact):
        place = fetch(value, wanted.name)
        return {"class": "Directory" if place.is_dir() else "File", "location": place.as_uri(), "basename": place.name}
    return _read_value(wanted, value, package)


def _read_value(wanted: Parameter, text: str, package: Package) -> Any:
    """Read a parameter by its type: strings as they are, all else as JSON."""
    kind = without_null(wanted.type)
    checker = build_checker(package, None)
    try:
        value = checker.check(kind, text if is_text(kind) else json.loads(text), ("outputs", wanted.name))
    except ValueError:
        value = None
    if value is None or checker.problems:
        raise ToolError(
            f"the output {wanted.name!r} is {text!r}, which is not of type {describe_type(kind)}",
            "Correct what the template writes, or its type (zoo-runner/types).",
            code="step.output-type",
        )
    return value


def fetch_artifact(
    server: ArtifactServer,
    workflow: str,
    artifact: FoundArtifact,
    folder: Path,
    note: Callable[[Stored], object],
    budget: Budget,
) -> Path:
    """Download an artifact into a folder, unpack it if it is an archive; return the file or folder that it is.

    Raises `EngineError` for one that cannot be read, is larger than the budget, or has several files where one is
    expected.
    """
    server = _Counted(server, budget)
    wanted = Artifact(artifact.node, artifact.node_id, artifact.name, artifact.file_name, "")
    if not artifact.is_archive:
        download_artifact(server, workflow, wanted, ResultsFolder(folder), note)
        return folder / artifact.file_name
    packed = folder.with_name(f"{folder.name}.tar")
    download_artifact(server, workflow, wanted, ResultsFolder(packed), note)
    try:
        return _unpack(packed / artifact.file_name, ResultsFolder(folder), folder, artifact, budget)
    finally:
        (packed / artifact.file_name).unlink(missing_ok=True)


def _unpack(archive: Path, target: ResultsFolder, folder: Path, artifact: FoundArtifact, budget: Budget) -> Path:
    """Unpack an archive; return the file or folder that is at its top."""
    about = f"the artifact {artifact.name} of node {artifact.node}"
    try:
        tops = unpack(archive, target, budget)
    except UnpackError as error:
        raise EngineError(
            f"{about} cannot be unpacked: {error}",
            "Try again; check the artifact in its repository.",
            code="results.artifact",
        ) from error
    if len(tops) != 1:
        raise EngineError(
            f"{about} has {len(tops)} files at its top, not one",
            "Let the template write one file or one folder.",
            code="results.artifact",
        )
    return folder / tops[0]
