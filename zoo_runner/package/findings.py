"""Findings of a check of a package, with rule, severity, place and remedy; and the texts of the rules."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zoo_runner.model.codes import CODES

BEST_PRACTICE = "https://docs.ogc.org/bp/20-089r1.html"


class Severity(str, Enum):
    """Error: some platform rejects the package. Warning: it runs, with a disadvantage. Info: good to know."""

    __str__ = str.__str__

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One finding.

    `place` is a JSON pointer (RFC 6901) into the packed document; `subject` names the part, such as `input 'aoi'`;
    `uri`, `line` and `column` (from 1) are the place in the author's documents, None where not known.
    """

    rule: str
    severity: Severity
    place: str
    subject: str
    message: str
    remedy: str
    uri: str | None = None
    line: int | None = None
    column: int | None = None

    @property
    def where(self) -> str:
        """Format the place for people: `package.cwl:12:3`, or the JSON pointer where no document is known."""
        if self.uri is None:
            return self.place or "/"
        name = self.uri.rpartition("/")[2]
        return ":".join(str(part) for part in (name, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Place:
    """The URI of a document, and line and column in it (from 1; None: not known)."""

    uri: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class RuleText:
    """A rule in words: its name, what it requires, why, and the document that defines it."""

    name: str
    short: str
    full: str
    uri: str | None = None


RULE_TEXTS: Mapping[str, RuleText] = {
    "best-practice.req-7": RuleText(
        "WorkflowAndTool",
        "A package is a Workflow and at least one CommandLineTool.",
        "Requirement 7 of OGC 20-089r1; a lone CommandLineTool runs here, platforms expect a Workflow.",
        BEST_PRACTICE,
    ),
    "best-practice.req-8": RuleText(
        "ToolElements",
        "A CommandLineTool has an id, a command and a container image.",
        "Requirement 8 of OGC 20-089r1; a DockerRequirement given as a hint satisfies it.",
        BEST_PRACTICE,
    ),
    "best-practice.req-9": RuleText(
        "WorkflowElements",
        "The Workflow has an id, a label and a doc.",
        "Requirement 9 of OGC 20-089r1; they become the id, title and description of the process.",
        BEST_PRACTICE,
    ),
    "best-practice.req-10": RuleText(
        "InputElements",
        "Each input of the Workflow has an id, a label and a doc.",
        "Requirement 10 of OGC 20-089r1; they become the id, title and description of the input.",
        BEST_PRACTICE,
    ),
    "best-practice.req-11": RuleText(
        "SoftwareVersion",
        "The package states the version of its software.",
        "Requirement 11 of OGC 20-089r1: s:softwareVersion of schema.org.",
        BEST_PRACTICE,
    ),
    "best-practice.req-12": RuleText(
        "ToolStageIn",
        "EO products are inputs of type Directory.",
        "Requirement 12 of OGC 20-089r1; only Directory inputs are staged in as STAC catalogs.",
        BEST_PRACTICE,
    ),
    "best-practice.req-13": RuleText(
        "WorkflowStageIn",
        "EO products are inputs of type Directory of the Workflow.",
        "Requirement 13 of OGC 20-089r1; only Directory inputs are staged in as STAC catalogs.",
        BEST_PRACTICE,
    ),
    "best-practice.req-14": RuleText(
        "StageOut",
        "EO results are an output of type Directory.",
        "Requirement 14 of OGC 20-089r1; a Directory with a catalog.json is staged out as a STAC collection.",
        BEST_PRACTICE,
    ),
    "package.resources": RuleText(
        "Resources", "A tool states what it needs.", "Without ResourceRequirement the platform's default decides."
    ),
    "package.docker-output": RuleText(
        "DockerOutput", "dockerOutputDirectory is not used.", "Engines on Kubernetes do not support it."
    ),
    "package.image-tag": RuleText(
        "ImageTag", "An image has a fixed tag or digest.", "Without one the package may give different results later."
    ),
    "package.output-text": RuleText("OutputText", "Each output has a label and a doc.", "Clients show them to users."),
    "package.identifier": RuleText(
        "Identifier",
        "The id of the process suits a ZOO-Project platform.",
        "The kernel loads a Python module with this name, so Python must not use it already.",
    ),
    "package.step-name": RuleText(
        "StepName", "Step names are not reserved ones.", "Platforms add stage-in and stage-out steps."
    ),
    "package.step-expression": RuleText(
        "StepExpression",
        "A workflow declares that its steps have expressions.",
        "Without StepInputExpressionRequirement engines refuse a step with valueFrom when it is reached.",
    ),
    "package.output-source": RuleText(
        "OutputSource",
        "An output has a source.",
        "Without outputSource it is null, which fails after all steps have run.",
    ),
    "package.same-id": RuleText(
        "SameId", "Ids within a workflow are unique.", "Inputs, outputs and steps share one namespace in CWL."
    ),
    "package.input-name": RuleText(
        "InputName", "Input names are not reserved ones.", "Platforms pass credentials under these names."
    ),
    "package.secret-input": RuleText(
        "SecretInput",
        "Secret inputs are strings.",
        "Engines hide nothing else: cwltool refuses it, as this runner does.",
    ),
    "package.javascript": RuleText(
        "JavaScript",
        "JavaScript needs an engine for it.",
        "InlineJavascriptRequirement is used; not every platform has one.",
    ),
    "package.undeclared-script": RuleText(
        "UndeclaredScript",
        "A process declares that it has JavaScript.",
        "Without InlineJavascriptRequirement engines refuse an expression that is no parameter reference.",
    ),
    "package.script": RuleText(
        "Script",
        "The JavaScript of a package has no syntax errors.",
        "No engine can evaluate an expression or an expressionLib that does not compile.",
    ),
    "package.same-requirement": RuleText(
        "SameRequirement",
        "A process or step has a requirement once.",
        "Of several entries of one class, engines use the last one.",
    ),
    "package.image": RuleText(
        "Image",
        "The name of an image is valid.",
        "Engines refuse any other before the first step, or when it is reached.",
    ),
    "package.in-place": RuleText(
        "InPlaceUpdate", "Inputs are not changed in place.", "Platforms differ: here a tool gets copies."
    ),
    "package.unknown-hint": RuleText(
        "UnknownHint", "Hints are known to engines.", "An unknown hint is ignored; it may be misspelt."
    ),
}


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, infos last, otherwise in the order given."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def format_findings(findings: Iterable[Finding]) -> str:
    """Format findings as text for a terminal: place, severity, rule, message, and the remedy below."""
    lines = []
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
        lines.append(f"{finding.where}: {finding.severity}: {finding.subject}: {finding.message}  [{finding.rule}]")
        lines.append(f"    {finding.remedy}")
    counted = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count)
    return "\n".join([*lines, counted or "no findings"])


def build_sarif(findings: Iterable[Finding], tool_version: str | None) -> dict[str, Any]:
    """Build a SARIF 2.1.0 log of the findings, as code hosts and editors read it."""
    findings = tuple(findings)
    rules = sorted({finding.rule for finding in findings})
    driver = {
        "name": "zoo-runner",
        **({"version": tool_version} if tool_version else {}),
        "rules": [_build_rule(rule, RULE_TEXTS.get(rule) or _describe_code(rule)) for rule in rules],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_build_result(finding, rules.index(finding.rule)) for finding in findings],
            }
        ],
    }


def _describe_code(name: str) -> RuleText:
    """Describe the rule that a package can be loaded, by the code of the error."""
    code = CODES[name]
    words = "".join(word.capitalize() for word in re.split(r"\W", name))
    return RuleText(words, code.meaning, code.remedy)


def _build_rule(rule: str, text: RuleText) -> dict[str, Any]:
    return {
        "id": rule,
        "name": text.name,
        "shortDescription": {"text": text.short},
        "fullDescription": {"text": text.full},
        "help": {"text": f"{text.short} {text.full}"},
        **({"helpUri": text.uri} if text.uri else {}),
    }


def _build_result(finding: Finding, rule_index: int) -> dict[str, Any]:
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": levels[finding.severity],
        "message": {"text": f"{finding.subject}: {finding.message}. {finding.remedy}"},
        "locations": [_build_location(finding)],
    }


def _build_location(finding: Finding) -> dict[str, Any]:
    logical = [{"fullyQualifiedName": finding.place or "/", "name": finding.subject}]
    if finding.uri is None:
        return {"logicalLocations": logical}
    region = {
        key: number
        for key, number in (("startLine", finding.line), ("startColumn", finding.column))
        if number is not None
    }
    physical = {"artifactLocation": {"uri": finding.uri}, **({"region": region} if region else {})}
    return {"physicalLocation": physical, "logicalLocations": logical}
