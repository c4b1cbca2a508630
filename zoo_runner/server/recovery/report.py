"""What a recovery has found and done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_FINDINGS = 100


@dataclass(frozen=True)
class Finding:
    """What is wrong with one record: `place` is its address; an error leaves its job out, a warning does not."""

    code: str
    severity: str
    place: str
    message: str
    remedy: str


@dataclass
class Report:
    """How many jobs were found, and what became of them; the first findings are kept, the others counted.

    `recovered` are listed now (in a dry run: would be), `known` were listed before, `refused` are left out. `processes`
    are deployed again.
    """

    address: str
    dry: bool
    found: int = 0
    recovered: int = 0
    known: int = 0
    refused: int = 0
    logs: int = 0
    processes: int = 0
    workspaces: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    findings_left_out: int = 0

    def add(self, finding: Finding) -> None:
        """Keep a finding, or count it."""
        self.refused += finding.severity == "error"
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
        else:
            self.findings_left_out += 1

    def count(self, workspace: str) -> None:
        """Count a job that was recovered."""
        self.recovered += 1
        self.workspaces[workspace] = self.workspaces.get(workspace, 0) + 1

    def begin_again(self) -> int:
        """Forget what a second pass finds again; return how many jobs it will know that are recovered."""
        self.found = self.known = self.refused = self.findings_left_out = 0
        self.findings.clear()
        if self.dry:
            self.recovered = 0
            self.workspaces.clear()
        return self.recovered

    def describe(self) -> Mapping[str, Any]:
        """Return the report as plain data."""
        return {
            "address": self.address,
            "dryRun": self.dry,
            "found": self.found,
            "recovered": self.recovered,
            "known": self.known,
            "refused": self.refused,
            "logs": self.logs,
            "processes": self.processes,
            "workspaces": dict(sorted(self.workspaces.items())),
            "findings": [vars(one) for one in self.findings],
            "findingsLeftOut": self.findings_left_out,
        }
