"""What a system test found, as text and as JUnit's XML (the form that CI systems read)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from xml.etree import ElementTree

from zoo_runner.model import clock
from zoo_runner.model.printable import make_one_line


class Verdict(Enum):
    """How a check ended.

    One is skipped where the deployment, or the command line, lacks what it needs, and not applicable where servers of
    this kind cannot do what it shows.
    """

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not applicable"


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
    line = f"{finding.verdict.value:<16}{finding.name:<12}{finding.shows} ({finding.seconds:.1f} s)"
    return "\n".join([line, *(f"                {text}" for text in _list_lines(finding))])


def _list_lines(finding: Finding) -> list[str]:
    """List what was found, and what to do, on one line each."""
    remedy = [f"what to do: {finding.remedy}"] if finding.remedy else []
    return [make_one_line(text) for text in (finding.found, *remedy)]


def format_summary(server: str, findings: Sequence[Finding]) -> str:
    """Format how many checks ended how, which have failed, and how long all took, on one line."""
    count = Counter(finding.verdict for finding in findings)
    # of most servers all checks can be asked
    shown = [verdict for verdict in Verdict if count[verdict] or verdict is not Verdict.NOT_APPLICABLE]
    counted = ", ".join(f"{count[verdict]} {verdict.value}" for verdict in shown)
    failed = [finding.name for finding in findings if finding.verdict is Verdict.FAILED]
    names = f" ({', '.join(failed)})" if failed else ""
    return f"{server}: {counted}{names} in {sum(finding.seconds for finding in findings):.1f} s"


def build_junit(server: str, findings: Sequence[Finding]) -> bytes:
    """Build a JUnit document with one test case for each finding; all of it is in the text that CI systems show."""
    count, seconds = [one.verdict for one in findings].count, sum(one.seconds for one in findings)
    suite = ElementTree.Element(
        "testsuite",
        name=f"system-test {server}",
        tests=str(len(findings)),
        failures=str(count(Verdict.FAILED)),
        errors="0",
        skipped=str(count(Verdict.SKIPPED) + count(Verdict.NOT_APPLICABLE)),
        time=f"{seconds:.3f}",
        # when it began, in UTC
        timestamp=clock.after(-seconds).partition(".")[0],
    )
    for finding in findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname="system-test", name=finding.name, time=f"{finding.seconds:.3f}"
        )
        if finding.verdict is Verdict.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=make_one_line(finding.found))
            failure.text = "\n".join([finding.shows, *_list_lines(finding)])
        elif finding.verdict is Verdict.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=make_one_line(finding.found))
        elif finding.verdict is Verdict.NOT_APPLICABLE:
            # JUnit has no word of its own for that
            ElementTree.SubElement(case, "skipped", message=f"not applicable: {make_one_line(finding.found)}")
        else:
            ElementTree.SubElement(case, "system-out").text = f"{finding.shows}: {make_one_line(finding.found)}"
    document: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document
