"""What a check of a package finds: each with rule, severity, place and remedy; and each rule's own words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zoo_runner.model.codes import CODES

BEST_PRACTICE = "https://docs.ogc.org/bp/20-089r1.html"


class Severity(str, Enum):
    """An error: some platform refuses the package. A warning: it runs, with a loss. An info: good to know."""

    __str__ = str.__str__

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One finding.

    `place` is a JSON pointer (RFC 6901) into the packed document, `subject` the thing by the author's name,
    such as `input 'aoi'`; `uri`, `line` and `column` (from 1) are where it stands in the author's documents,
    None as far as not known.
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
        """The place for people: `package.cwl:12:3`, or the JSON pointer where no document is known."""
        if self.uri is None:
            return self.place or "/"
        name = self.uri.rpartition("/")[2]
        return ":".join(str(part) for part in (name, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class RuleText:
    """A rule in words: its name, what it asks, why, and the document that says so."""

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
        "The package tells the version of its software.",
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
        "Resources", "A tool says what it needs.", "Without ResourceRequirement a platform's default decides."
    ),
    "package.docker-output": RuleText(
        "DockerOutput", "dockerOutputDirectory is not used.", "Engines on Kubernetes do not support it."
    ),
    "package.image-tag": RuleText(
        "ImageTag", "An image has a fixed tag or digest.", "Without one the same package may give other results later."
    ),
    "package.output-text": RuleText("OutputText", "Each output has a label and a doc.", "Users see them."),
    "package.identifier": RuleText(
        "Identifier",
        "The id of the process suits a ZOO-Project platform.",
        "The kernel loads a Python module of that name, so it has to be a name that Python has not taken.",
    ),
    "package.step-name": RuleText(
        "StepName", "Step names leave those of platforms alone.", "Platforms add stage-in and stage-out steps."
    ),
    "package.same-id": RuleText(
        "SameId", "Ids within a workflow differ.", "Inputs, outputs and steps share one space of names in CWL."
    ),
    "package.input-name": RuleText(
        "InputName", "Input names leave those of platforms alone.", "Platforms pass credentials under these names."
    ),
    "package.javascript": RuleText(
        "JavaScript", "JavaScript needs node where the engine runs.", "InlineJavascriptRequirement is used."
    ),
    "package.in-place": RuleText(
        "InPlaceUpdate", "Inputs are not changed in place.", "Platforms differ: here a tool gets copies to change."
    ),
    "package.unknown-hint": RuleText(
        "UnknownHint", "Hints are ones that engines know.", "An unknown hint is ignored, which may be a slip."
    ),
}


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, infos last, otherwise in the order given."""
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def format_findings(findings: Iterable[Finding]) -> str:
    """The findings as text for a terminal: place, severity, rule, message, and the remedy below."""
    lines = []
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
        lines.append(f"{finding.where}: {finding.severity}: {finding.subject}: {finding.message}  [{finding.rule}]")
        lines.append(f"    {finding.remedy}")
    told = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count)
    return "\n".join([*lines, told or "no findings"])


def build_sarif(findings: Iterable[Finding], tool_version: str | None) -> dict[str, Any]:
    """The findings as a SARIF 2.1.0 log, as code hosts and editors read it."""
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
    """Describe the rule that a package can be loaded, by the code of what is in its way."""
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
