"""Run a conformance suite of CWL with zoo-runner and with cwltool, and print what each passes.

FOLDER is a checkout of a suite: common-workflow-language/cwl-v1.2, cwl-v1.1, or the folder v1.0 of
common-workflow-language/common-workflow-language. ENGINE is local (without containers), or one on a cluster, that of
the tests (KUBECONFIG, TEST_HOST_ADDRESS, JOB_IMAGE). TESTS are numbers as cwltest takes them, such as 1,3-6, or ids,
such as nested_prefixes_arrays,nested_cl_bindings; all without. UPDATE_DOCS=1 writes the table of docs/cwl.md.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.etree import ElementTree

from dev.conformance.cwl_runner import STORE
from dev.conformance.table import COLUMNS, write_cell
from tests.cluster import find_kubeconfig, join_cluster, serve_pods
from tests.site import Site

HERE = Path(__file__).resolve().parent
CWLTEST = HERE.parents[1] / ".venv-conformance" / "bin" / "cwltest"
PAGE = HERE.parents[1] / "docs" / "cwl.md"
ENVIRON = os.environ  # noqa: TID251 this is a command
CWLTOOL = [str(Path(sys.executable).with_name("cwltool")), "--no-container"]
# a test on a cluster is a job with several pods
LONGEST_SECONDS = 600
OUTCOMES = ("passed", "unsupported", "failed")


def main(words: list[str]) -> int:
    """Run the suite and print the table; 1 where zoo-runner fails what cwltool passes."""
    given = parse(words)
    tests, engine = find_tests(given.folder), given.engine
    names = list_tests(tests)
    chosen = {number: names[number] for number in choose_tests(given.tests, names)}
    options = ["-j", str(given.jobs)]
    with reaching_store(engine) as environ:
        command = [sys.executable, str(HERE / "cwl_runner.py"), "--engine", engine]
        ours = run_suite(tests, chosen, options, command, environ)
    theirs = run_suite(tests, chosen, options, CWLTOOL, ENVIRON)
    print("| runner | passed | unsupported | failed |\n| --- | --- | --- | --- |")
    for name, found in {f"zoo-runner, engine {engine}": ours, "cwltool": theirs}.items():
        counts = Counter(found.values())
        print(f"| {name} | {' | '.join(str(counts[outcome]) for outcome in OUTCOMES)} |")
    if ENVIRON.get("UPDATE_DOCS"):
        write_table(name_suite(tests), {engine: ours, "cwltool": theirs})
    differs = [test for test, outcome in theirs.items() if outcome == "passed" and ours.get(test) != "passed"]
    for test in differs:
        print(f"- {ours.get(test)} here, passed by cwltool: {test}")
    return 1 if differs else 0


def parse(words: list[str]) -> argparse.Namespace:
    """Read the words of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("engine", metavar="ENGINE")
    parser.add_argument("tests", metavar="TESTS", nargs="?", default="")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="tests that run at a time (default: %(default)s)")
    return parser.parse_args(words)


def list_tests(tests: Path) -> dict[int, str]:
    """List the tests of a suite by their numbers: `id: description`."""
    done = subprocess.run([str(CWLTEST), "--test", str(tests), "-l"], check=True, capture_output=True, text=True)
    return {int(number): name for number, name in re.findall(r"^\[(\d+)\] (.*)$", done.stdout, re.MULTILINE)}


def choose_tests(wanted: str, names: Mapping[int, str]) -> list[int]:
    """Return the numbers of the tests in a list of numbers, ranges and ids, in order; all for an empty one."""
    numbers = {name.partition(":")[0]: number for number, name in names.items()}
    found: list[int] = []
    for word in wanted.split(",") if wanted else ():
        first, _, last = word.partition("-")
        if first.isdigit():
            found += range(int(first), int(last or first) + 1)
        else:
            found.append(numbers.get(word) or sys.exit(f"the suite has no test {word}"))
    if unknown := [number for number in found if number not in names]:
        sys.exit(f"the suite has no test {unknown[0]}")
    return sorted(set(found)) if wanted else list(names)


def name_suite(tests: Path) -> str:
    """Return the version of CWL that a suite tests, by the name of its folder."""
    found = re.search(r"v\d+\.\d+", tests.parent.name)
    return found[0] if found else sys.exit(f"{tests.parent} names no version of CWL: expected such as cwl-v1.2")


def write_table(suite: str, outcomes: Mapping[str, Mapping[str, str]]) -> None:
    """Write how many tests each runner passed into docs/cwl.md."""
    for runner in [name for name in outcomes if name in COLUMNS]:
        passed = Counter(outcomes[runner].values())["passed"]
        PAGE.write_text(write_cell(PAGE.read_text(), suite, runner, passed, len(outcomes[runner])))


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
    environ = dict(ENVIRON)
    if engine == "local":
        yield environ
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name, "s3")
        folder.mkdir()
        store = stack.enter_context(serve_pods(folder, "conformance"))
        site = join_cluster(Site(Path(name), Path(name, "cache")), find_kubeconfig(), store)
        yield {**environ, **site.environ, STORE: str(store.folder)}


def run_suite(
    tests: Path, chosen: Mapping[int, str], options: list[str], command: list[str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Run the chosen tests with one runner; return how each ended, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = [str(CWLTEST), "--test", str(tests), "--junit-xml", str(report), "--tool", command[0], *options]
        words += ["--timeout", str(LONGEST_SECONDS), "-n", ",".join(map(str, chosen))]
        subprocess.run([*words, "--", *command[1:]], check=False, cwd=tests.parent, env=environ)
        if not report.exists():
            sys.exit(f"cwltest ran no test of {tests}; check TESTS and the folder")
        # in the order of the numbers; of some tests of a suite the report has the names of its first ones
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return {name: read_outcome(case) for name, case in zip(chosen.values(), cases, strict=True)}


def read_outcome(case: ElementTree.Element) -> str:
    """Read how a test ended from a JUnit report."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "unsupported"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
