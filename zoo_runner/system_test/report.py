"""What a system test found, as text and as JUnit's XML (the form that CI systems read)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree

from zoo_runner.model.printable import make_one_line


class Verdict(Enum):
    """How a check ended; one is skipped where the deployment, or the command line, lacks what it needs."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One check: what it shows, what was found, and what to do where that is wrong."""

    name: str
    shows: str
    verdict: Verdict
    found: str
    remedy: str = ""
    seconds: float = 0.0


def format_finding(finding: Finding) -> str:
    """Format a finding as lines of text."""
    line = f"{finding.verdict.value:<8}{finding.name:<12}{finding.shows} ({finding.seconds:.1f} s)"
    if finding.verdict is Verdict.PASSED:
        return line
    more = [finding.found, *([f"what to do: {finding.remedy}"] if finding.remedy else [])]
    return "\n".join([line, *(f"        {make_one_line(text)}" for text in more)])


def build_junit(server: str, findings: Sequence[Finding]) -> bytes:
    """Build a JUnit document with one test case for each finding."""
    count = [finding.verdict for finding in findings].count
    suite = ElementTree.Element(
        "testsuite",
        name=f"system-test {server}",
        tests=str(len(findings)),
        failures=str(count(Verdict.FAILED)),
        skipped=str(count(Verdict.SKIPPED)),
        time=f"{sum(finding.seconds for finding in findings):.3f}",
    )
    for finding in findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname="system-test", name=finding.name, time=f"{finding.seconds:.3f}"
        )
        if finding.verdict is Verdict.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=make_one_line(finding.found))
            failure.text = make_one_line(finding.remedy)
        elif finding.verdict is Verdict.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=make_one_line(finding.found))
        else:
            ElementTree.SubElement(case, "system-out").text = make_one_line(finding.found)
    document: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document
