"""Run a conformance suite of CWL with zoo-runner and with cwltool, and print what each passes.

Usage: suite.py FOLDER [NUMBERS]     numbers of tests as cwltest takes them, such as 1,3-6; all without

FOLDER is a checkout of a suite: common-workflow-language/cwl-v1.2, cwl-v1.1, or the folder v1.0 of
common-workflow-language/common-workflow-language.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
CWLTEST = HERE.parents[1] / ".venv-conformance" / "bin" / "cwltest"
RUNNERS: Mapping[str, list[str]] = {
    "zoo-runner": [sys.executable, str(HERE / "cwl_runner.py")],
    "cwltool": [str(Path(sys.executable).with_name("cwltool")), "--no-container"],
}
OUTCOMES = ("passed", "unsupported", "failed")


def main(words: list[str]) -> int:
    """Run the suite and print the table; 1 where zoo-runner fails what cwltool passes."""
    if not words:
        sys.exit(__doc__)
    tests = find_tests(Path(words[0]))
    outcomes = {name: run_suite(tests, command, words[1:]) for name, command in RUNNERS.items()}
    print("| runner | passed | unsupported | failed |\n| --- | --- | --- | --- |")
    for name, found in outcomes.items():
        counts = Counter(found.values())
        print(f"| {name} | {' | '.join(str(counts[outcome]) for outcome in OUTCOMES)} |")
    ours, theirs = outcomes.values()
    differs = [test for test, outcome in theirs.items() if outcome == "passed" and ours.get(test) != "passed"]
    for test in differs:
        print(f"- {ours.get(test)} here, passed by cwltool: {test}")
    return 1 if differs else 0


def find_tests(folder: Path) -> Path:
    """Find the list of tests of a suite."""
    names = ("conformance_tests.yaml", "conformance_test_v1.0.yaml")
    for name in names:
        if (folder / name).is_file():
            return (folder / name).resolve()
    sys.exit(f"{folder} has no conformance suite: expected {' or '.join(names)} in it")


def run_suite(tests: Path, command: list[str], numbers: list[str]) -> dict[str, str]:
    """Run the tests with one runner; return how each ended, by its description."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        chosen = ["-n", numbers[0]] if numbers else []
        words = [str(CWLTEST), "--test", str(tests), "--junit-xml", str(report), "--tool", command[0], *chosen]
        subprocess.run([*words, "--", *command[1:]], check=False, cwd=tests.parent)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return {str(case.get("name")): read_outcome(case) for case in cases}


def read_outcome(case: ElementTree.Element) -> str:
    """Read how a test ended from a JUnit report."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "unsupported"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
