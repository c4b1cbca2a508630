"""Run a conformance suite of CWL with zoo-runner and with cwltool, and print what each passes.

Usage: suite.py FOLDER ENGINE [NUMBERS]     numbers of tests as cwltest takes them, such as 1,3-6; all without

ENGINE is local (without containers), or one on a cluster, that of the tests (KUBECONFIG, TEST_HOST_ADDRESS, JOB_IMAGE).

FOLDER is a checkout of a suite: common-workflow-language/cwl-v1.2, cwl-v1.1, or the folder v1.0 of
common-workflow-language/common-workflow-language.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.etree import ElementTree

from dev.conformance.cwl_runner import STORE
from tests.cluster import find_kubeconfig, join_cluster, serve_pods
from tests.site import Site

HERE = Path(__file__).resolve().parent
CWLTEST = HERE.parents[1] / ".venv-conformance" / "bin" / "cwltest"
CWLTOOL = [str(Path(sys.executable).with_name("cwltool")), "--no-container"]
# a test on a cluster is a job with several pods
LONGEST_SECONDS = 600
OUTCOMES = ("passed", "unsupported", "failed")


def main(words: list[str]) -> int:
    """Run the suite and print the table; 1 where zoo-runner fails what cwltool passes."""
    if len(words) < 2:
        sys.exit(__doc__)
    tests, engine = find_tests(Path(words[0])), words[1]
    runner = [sys.executable, str(HERE / "cwl_runner.py"), "--engine", engine]
    with reaching_store(engine) as environ:
        ours = run_suite(tests, runner, words[2:], environ)
    theirs = run_suite(tests, CWLTOOL, words[2:], os.environ)  # noqa: TID251 this is a command
    outcomes = {f"zoo-runner, engine {engine}": ours, "cwltool": theirs}
    print("| runner | passed | unsupported | failed |\n| --- | --- | --- | --- |")
    for name, found in outcomes.items():
        counts = Counter(found.values())
        print(f"| {name} | {' | '.join(str(counts[outcome]) for outcome in OUTCOMES)} |")
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


@contextmanager
def reaching_store(engine: str) -> Iterator[Mapping[str, str]]:
    """Have the environment of a runner; an engine on a cluster gets a results store that its pods reach."""
    environ = dict(os.environ)  # noqa: TID251 this is a command
    if engine == "local":
        yield environ
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name, "s3")
        folder.mkdir()
        store = stack.enter_context(serve_pods(folder, "conformance"))
        site = join_cluster(Site(Path(name), Path(name, "cache")), find_kubeconfig(), store)
        yield {**environ, **site.environ, STORE: str(store.folder)}


def run_suite(tests: Path, command: list[str], numbers: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Run the tests with one runner; return how each ended, by its description."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        chosen = ["-n", numbers[0]] if numbers else []
        words = [str(CWLTEST), "--test", str(tests), "--junit-xml", str(report), "--tool", command[0], *chosen]
        words += ["--timeout", str(LONGEST_SECONDS)]
        subprocess.run([*words, "--", *command[1:]], check=False, cwd=tests.parent, env=environ)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return {str(case.get("name")): read_outcome(case) for case in cases}


def read_outcome(case: ElementTree.Element) -> str:
    """Read how a test ended from a JUnit report."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "unsupported"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
