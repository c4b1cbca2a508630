"""Which documents of a repository are workflows: each is resolved and checked as one that a client sends."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from zoo_runner.harvest.git import Tree
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.findings import Severity
from zoo_runner.package.validate import validate_package

SUFFIXES = (".cwl", ".yml", ".yaml", ".json", ".js", ".txt")
"""Of what documents refer to: others are not read from a repository."""
_STATED = re.compile(rb"cwlVersion\W")


@dataclass(frozen=True)
class Finding:
    """What is wrong, or could be better, with a document: `path` is relative to the folder of the source."""

    path: str
    severity: Severity
    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Workflow:
    """A workflow that can be deployed: the document that has it, and its package.

    `text` is that of the document, if the package is made of no other one.
    """

    path: str
    package: Package
    text: str = ""

    @property
    def process_id(self) -> str:
        """The id under which it is deployed."""
        return self.package.workflow_id


@dataclass(frozen=True)
class Found:
    """The workflows of a commit by id, and all findings. `broken` are documents that were workflows if they could."""

    workflows: Mapping[str, Workflow]
    findings: tuple[Finding, ...]
    broken: frozenset[str]


Load = Callable[[Mapping[str, str], str], Package]
"""Resolves a package from its documents; raises `PackageError`."""


def find_workflows(tree: Tree, is_candidate: Callable[[str], bool], load: Load) -> Found:
    """Find the workflows among the documents of a commit."""
    texts, findings = _decode(tree)
    packages: dict[str, Package] = {}
    broken: set[str] = set()
    for path in sorted(texts):
        if not is_candidate(path) or not _STATED.search(tree.documents[path]):
            continue
        try:
            packages[path] = load(texts, path)
            findings += _check(path, packages[path])
        except RunnerError as error:
            one = error.diagnosis
            broken.add(path)
            findings.append(Finding(path, Severity.ERROR, one.code, one.cause, one.remedy))
    parts = {part for path, package in packages.items() for part in _list_parts(package) if part != path}
    # what a workflow is made of is no workflow of its own, and its faults are reported with it
    whole = {path: package for path, package in packages.items() if path not in parts}
    workflows, twice = _name(whole, texts)
    kept = [one for one in findings if one.path not in parts or one.path in broken]
    return Found(workflows, (*kept, *twice), frozenset(broken | {one.path for one in twice}))


def _decode(tree: Tree) -> tuple[dict[str, str], list[Finding]]:
    texts: dict[str, str] = {}
    findings = [Finding(path, Severity.WARNING, "harvest.unread", why) for path, why in tree.unread.items()]
    for path, content in tree.documents.items():
        try:
            texts[path] = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            findings.append(Finding(path, Severity.WARNING, "harvest.unread", "is not UTF-8"))
    return texts, findings


def _check(path: str, package: Package) -> Iterable[Finding]:
    for one in validate_package(package):
        if one.severity is not Severity.INFO:
            yield Finding(path, one.severity, one.rule, f"{one.subject}: {one.message}", one.remedy)


def _list_parts(package: Package) -> Iterable[str]:
    """List the documents of the repository that a package is made of."""
    for file in package.files:
        yield unquote(urlsplit(file.uri).path).lstrip("/").partition("/")[2]


def _name(packages: Mapping[str, Package], texts: Mapping[str, str]) -> tuple[dict[str, Workflow], list[Finding]]:
    """Return the workflows by id, and those whose id is not theirs alone as findings."""
    by_id: dict[str, list[Workflow]] = {}
    for path, package in packages.items():
        by_id.setdefault(package.workflow_id, []).append(
            Workflow(path, package, texts[path] if len(package.files) == 1 else "")
        )
    findings = [
        Finding(
            one.path,
            Severity.ERROR,
            "harvest.same-id",
            f"the workflow has the id {name!r}, which {', '.join(other.path for other in same if other is not one)} has"
            " too; neither is deployed",
            "Give each workflow an id of its own.",
        )
        for name, same in by_id.items()
        if len(same) > 1
        for one in same
    ]
    return {name: same[0] for name, same in by_id.items() if len(same) == 1}, findings
