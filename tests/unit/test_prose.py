"""Tests assert codes and facts. The sentences of the product are in few places, so that they can be improved there.

Those are docs/failures.md (as printed), the tables of docs/kubernetes.md and docs/argo.md, and messages.json.
`python -m tests.unit.test_prose` lists the texts that repeat four or more words in a row of a message. A word is what
has a blank on both sides: names of settings, addresses and paths are facts, not prose.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.unit.messages import Messages
from tests.unit.source import list_nodes

ROOT = Path(__file__).parents[2]
PRODUCT = ("zoo_runner", "zoo_staging", "stagein", "stageout")
WORDS_IN_A_ROW = 4
WORD = re.compile(r"[a-z]+(['-][a-z]+)*")
PUNCTUATION = "\"'`.,:;()[]{}<>*?!"
OTHER_PROGRAMS = (
    # the C library
    "No such file or directory",
    "No space left on device",
    "Argument list too long",
    "cannot open shared object file: No such file or directory",
    "Too many open files",
    # Kubernetes and etcd
    "etcdserver: request is too large",
    "failed to sync secret cache: timed out waiting for the condition",
    "is forbidden: error looking up service account",
    "is forbidden: status unknown for quota",
    "maximum storage usage per PersistentVolumeClaim is 500Mi",
    "unable to start container process",
    "The container could not be located",
    # podman, docker, runc
    "executable file not found",
    # Argo Workflows
    "Workflow processing has been postponed because too many workflows are already running",
    "offload node status is not supported",
    # cwltool, Calrissian and schema-salad
    "Error collecting output for parameter",
    "Did not find output file with glob pattern",
    "the command below failed in pod",
    "exceeded time limit of 5 seconds and will be terminated",
    "cannot be run, requests more resources",
    "than available on this host",
    "Cannot make job: Expected value of 'table' to have format",
    "but File has no 'format' defined",
    "Field 'class' contains undefined reference to",
    "Invalid job input record: the 'x' field is not valid because",
    "Exception while running job:",
    "Missing required secondary file",
    # the process of ours that runs cwltool, in the same manner
    "ran out of memory at its limit of",
)
"""Texts of other programs, which the product recognises and the tests imitate."""
QUOTED = {
    "tests/pages.py": "writes docs/errors.md, and is the source of its prose",
    "tests/contract/failures_table.py": "writes docs/failures.md, and is the source of its prose",
    "tests/live/isolation.py": "writes docs/isolation.md, and is the source of its prose",
    "tests/unit/test_architecture.py": "lists the comments that explain why a place may read the environment",
}
"""Files whose texts are no assertions, and why."""


def read_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every text in the code below a folder with its place, but no docstring and no title of a failure in a page."""
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(ROOT)
        described = {id(text) for node in list_nodes(path, *_DESCRIBED) for text in _find_descriptions(node)}
        for node in list_nodes(path, ast.Constant):
            if isinstance(node.value, str) and id(node) not in described:
                yield f"{place}:{node.lineno}", node.value


_DESCRIBED: tuple[type[ast.AST], ...] = (
    ast.Module,
    ast.ClassDef,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Call,
    ast.keyword,
)


def _find_descriptions(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            if node.body and isinstance(node.body[0], ast.Expr):
                yield node.body[0].value
        case ast.Call(func=ast.Name(id="Case" | "Failure" | "_package" | "_input" | "_source" | "_step")):
            yield from node.args[:2]
        case ast.keyword(arg="row"):
            yield node.value


def list_runs(text: str) -> set[tuple[str, ...]]:
    """Every run of words in a text."""
    runs: set[tuple[str, ...]] = set()
    row: tuple[str, ...] = ()
    for token in text.lower().split():
        word = token.strip(PUNCTUATION)
        row = (*row, word)[-WORDS_IN_A_ROW:] if WORD.fullmatch(word) else ()
        if len(row) == WORDS_IN_A_ROW:
            runs.add(row)
    return runs


def find_repeats() -> tuple[list[tuple[str, str]], int]:
    """Texts of the tests that repeat a message of the product, and the number of texts that could."""
    messages = {run for folder in PRODUCT for _, text in read_texts(ROOT / folder) for run in list_runs(text)}
    messages -= {run for text in OTHER_PROGRAMS for run in list_runs(text)}
    texts = [(place, text, runs) for place, text in read_texts(ROOT / "tests") if (runs := list_runs(text))]
    repeats = [(place, text) for place, text, runs in texts if runs & messages]
    return [(place, text) for place, text in repeats if place.split(":")[0] not in QUOTED], len(texts)


def test_no_test_repeats_the_words_of_a_message() -> None:
    repeats, _ = find_repeats()
    assert repeats == [], "assert code and facts, and hold the words with the fixture `check`"


def test_each_message_of_the_snapshot_has_its_test() -> None:
    tests = {
        f"{path.stem}.{node.name}"
        for path in Path(__file__).parent.rglob("test_*.py")
        for node in list_nodes(path, ast.FunctionDef)
    }
    assert sorted(Messages.read().kept.keys() - tests) == [], "remove them from messages.json"


if __name__ == "__main__":
    found, of = find_repeats()
    sys.stdout.writelines(f"{place}: {text!r}\n" for place, text in found)
    sys.stdout.write(f"{len(found)} of {of} texts\n")
