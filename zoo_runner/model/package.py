"""The application package: one resolved, packed CWL document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from zoo_runner.model.errors import PackageError

Document = Mapping[str, Any]


@dataclass(frozen=True)
class SourceFile:
    """A source file of the package: its URI and the SHA-256 of its bytes (hex)."""

    uri: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """A package that needs nothing else to run.

    `document` is the packed CWL (one `cwlVersion`, and either a single process or a `$graph`); `entry` the id of
    the process to run in it (packing renames it, usually to `#main`); `workflow_id` the id that the author gave
    it; `types` maps type names after packing to the names that the author wrote, `origins` likewise all ids (to
    URIs); `digest` is the SHA-256 (hex) of document and entry; `files` its source files.
    """

    document: Document
    entry: str
    workflow_id: str
    types: Mapping[str, str]
    digest: str
    files: tuple[SourceFile, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def processes(self) -> Mapping[str, Document]:
        """Every process of the package by packed id, without the leading `#`."""
        graph = self.document.get("$graph", [self.document])
        return {str(process.get("id", self.entry)).lstrip("#"): process for process in graph}

    @property
    def process(self) -> Document:
        """The process that runs: a Workflow, CommandLineTool or ExpressionTool."""
        try:
            return self.processes[self.entry.lstrip("#")]
        except KeyError:
            raise PackageError(
                f"the entry {self.entry!r} is not in the package, which has: {', '.join(self.processes)}",
                "Name one of these as <package>#<id>.",
                code="package.entry",
            ) from None

    @property
    def cwl_version(self) -> str:
        """The CWL version of the packed document, such as `v1.2`."""
        return str(self.document["cwlVersion"])


NO_PACKAGE = Package({}, "", "", {}, sha256(b"").hexdigest())
"""Stands for the package of a job that ended before its package was known."""
