"""Tests state codes and facts; sentences of the product are in docs/failures.md only, so that they can be improved.

`python -m tests.unit.test_prose` lists the texts that repeat four or more words in a row of a message.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("zoo_runner", "zoo_staging", "stagein", "stageout")
WORDS_IN_A_ROW = 4
# lower it when texts have gone; never raise it
MOST_REPEATS = 380


def read_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every text in the code below a folder, but not docstrings, with its place."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def list_runs(text: str) -> set[tuple[str, ...]]:
    """Every run of words in a text."""
    words = re.findall(r"[a-z']+", text.lower())
    return {tuple(words[at : at + WORDS_IN_A_ROW]) for at in range(len(words) - WORDS_IN_A_ROW + 1)}


def find_repeats() -> tuple[list[tuple[str, str]], int]:
    """Texts of the tests that repeat a message of the product, and the number of texts that could."""
    messages: set[tuple[str, ...]] = set()
    for folder in PRODUCT:
        for _, text in read_texts(ROOT / folder):
            messages |= list_runs(text)
    texts = [(place, text) for place, text in read_texts(ROOT / "tests") if list_runs(text)]
    return [(place, text) for place, text in texts if list_runs(text) & messages], len(texts)


def test_few_tests_repeat_the_words_of_a_message() -> None:
    repeats, _ = find_repeats()
    assert len(repeats) <= MOST_REPEATS, "assert codes and facts instead; `python -m tests.unit.test_prose` lists them"


if __name__ == "__main__":
    found, of = find_repeats()
    sys.stdout.writelines(f"{place}: {text!r}\n" for place, text in found)
    sys.stdout.write(f"{len(found)} of {of} texts\n")
