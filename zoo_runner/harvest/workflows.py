"""Which documents of a repository are workflows: each is resolved and checked as one that a client sends."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from time import monotonic
from urllib.parse import unquote, urlsplit

from zoo_runner.harvest.git import SUFFIXES, Tree
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import PackageError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.findings import Severity
from zoo_runner.package.graph_ids import list_graph, name_process
from zoo_runner.package.parsing import parse_document
from zoo_runner.package.sent_documents import UPLOAD_HOST, find_not_sent, name_documents
from zoo_runner.package.validate import validate_package

MOST_CANDIDATES = 500
LONGEST_SECONDS = 1800.0
"""How many documents of a commit may be workflows, and how long they may take to resolve together."""
UNREACHABLE = "package.unreachable"
"""The code of a package that refers to a web address from which it did not come."""
_STATED = re.compile(r"cwlVersion\W")


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

    `text` is that of the document, if the package is made of no other one, and its id is in it.
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
    """The workflows of a commit by id, and all findings.

    `held` are documents of which it is not known what they are, and so their processes stay as they are: they cannot be
    read or resolved, or are named by such a one. `whole`: no other document of the commit is unknown. `passing` are
    those of `held` that were not resolved for a reason that may pass, such as a web address that did not answer.
    """

    workflows: Mapping[str, Workflow]
    findings: tuple[Finding, ...]
    held: frozenset[str]
    whole: bool = True
    passing: frozenset[str] = frozenset()

    def is_held(self, path: str) -> bool:
        """Whether a document is held, or a folder that it was in (there is a submodule in its place)."""
        return path in self.held or any(str(folder) in self.held for folder in PurePosixPath(path).parents)


Load = Callable[[Mapping[str, str], str], Package]
"""Resolves a package from its documents; raises `PackageError`."""


def find_workflows(
    tree: Tree, is_candidate: Callable[[str], bool], load: Load, clock: Callable[[], float] = monotonic
) -> Found:
    """Find the workflows among the documents of a commit."""
    unread = [
        # what may be a workflow, or any number of files, is missing from what is deployed
        Finding(
            path, Severity.ERROR if is_candidate(path) or not tree.whole else Severity.WARNING, "harvest.unread", why
        )
        for path, why in tree.unread.items()
    ]
    packages, faults, left, passing = _resolve(tree.documents, is_candidate, load, clock)
    parts = {part for path, package in packages.items() for part in _list_parts(package) if part != path}
    named = {path for path in packages if any(_names(tree.documents[one.path], path) for one in faults)}
    # what a workflow is made of is no workflow of its own
    whole = {path: package for path, package in packages.items() if path not in parts | named}
    workflows, twice = _name(whole, tree.documents)
    checked = [finding for path in whole for finding in _check(path, packages[path])]
    held = {*tree.unread, *named, *(one.path for one in (*faults, *left, *twice))}
    findings = (*unread, *faults, *left, *checked, *twice)
    return Found(workflows, findings, frozenset(held), tree.whole, passing)


def _resolve(
    texts: Mapping[str, str], is_candidate: Callable[[str], bool], load: Load, clock: Callable[[], float]
) -> tuple[dict[str, Package], list[Finding], list[Finding], frozenset[str]]:
    """Resolve what may be a workflow.

    Return the packages, what is wrong with others, those that were left, and those for whose sake to try again.
    """
    packages: dict[str, Package] = {}
    faults, left, passing = list[Finding](), list[Finding](), set[str]()
    until = clock() + LONGEST_SECONDS
    candidates = [path for path in sorted(texts) if is_candidate(path) and _STATED.search(texts[path])]
    for number, path in enumerate(candidates):
        if number >= MOST_CANDIDATES or clock() > until:
            why = f"is beyond the first {MOST_CANDIDATES} documents, or half an hour: narrow the patterns of the source"
            left.append(Finding(path, Severity.ERROR, "harvest.unread", why))
            continue
        try:
            packages[path] = load(texts, path)
        except RunnerError as error:
            one = error.diagnosis
            faults.append(_describe(path, one))
            # what is wrong with the package itself is so until somebody changes it
            if not isinstance(error, PackageError) or one.code == UNREACHABLE:
                passing.add(path)
    return packages, faults, left, frozenset(passing)


def _describe(path: str, problem: Diagnosis) -> Finding:
    """Describe why a document could not be resolved, for somebody who has it in a repository."""
    cause, remedy = name_documents(problem.cause), name_documents(problem.remedy)
    if name := find_not_sent(problem.cause):
        cause = f"it refers to {name}, which is not among the documents that are read from the repository"
        remedy = (
            f"Correct the reference, the folder of the source, or the suffix of the file ({' '.join(SUFFIXES)});"
            " make a file that its steps read an input."
        )
    return Finding(path, Severity.ERROR, problem.code, cause, remedy)


def _names(text: str, path: str) -> bool:
    """Whether a document that cannot be resolved may be made of another one."""
    return PurePosixPath(path).name in text


def _check(path: str, package: Package) -> Iterable[Finding]:
    for one in validate_package(package):
        if one.severity is not Severity.INFO:
            yield Finding(path, one.severity, one.rule, f"{one.subject}: {one.message}", one.remedy)


def _list_parts(package: Package) -> Iterable[str]:
    """List the documents of the repository that a package is made of."""
    for file in package.files:
        parts = urlsplit(file.uri)
        if parts.hostname == UPLOAD_HOST:
            yield unquote(parts.path).lstrip("/").partition("/")[2]


def _is_whole(package: Package, text: str) -> bool:
    """Whether a document can be sent as its author wrote it.

    It is made of no other one, and has the id of its workflow: that of a document without one is the name of its file,
    which servers do not get.
    """
    if len(package.files) != 1:
        return False
    document = parse_document(text)
    processes = list_graph(document) or [document]
    return any(name_process(one.get("id", "")) == package.workflow_id for one in processes)


def _name(packages: Mapping[str, Package], texts: Mapping[str, str]) -> tuple[dict[str, Workflow], list[Finding]]:
    """Return the workflows by id, and those whose id is not theirs alone as findings."""
    by_id: dict[str, list[Workflow]] = {}
    for path, package in packages.items():
        by_id.setdefault(package.workflow_id, []).append(
            Workflow(path, package, texts[path] if _is_whole(package, texts[path]) else "")
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
