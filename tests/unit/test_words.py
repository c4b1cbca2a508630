"""The project uses plain technical words, one for each thing; these are replaced by others."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "zoo_runner",
    "zoo_staging",
    "stagein",
    "stageout",
    "template",
    "tests",
    "examples",
    "demo",
    "dev",
    "deploy",
    "bench",
    "docs",
    "requirements",
)
SUFFIXES = {".py", ".md", ".sh", ".cwl", ".yml", ".yaml"}
INSTEAD = {
    "told": "reported, logged",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "bears": "supports, retries",
    "put away": "store, upload",
    "cannot be had": "cannot be read",
    "rehearsal": "smoke test",
    "ended well": "succeeded",
    "ends well": "succeeds",
    "taken away": "deleted, evicted",
    "last words": "last lines",
    "rights": "permissions",
}
NOT_OURS = {"examples/data/NOTICE.md": "licences of others", "tests/unit/test_words.py": "this list"}
WORD = re.compile(rf"(?<![a-z])({'|'.join(INSTEAD).replace(' ', '[ _]')})(?![a-z])", re.IGNORECASE)


def list_files() -> Iterator[Path]:
    """Files of text that people of the project wrote."""
    yield from ROOT.glob("*.md")
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in SUFFIXES and not path.is_relative_to(ROOT / "tests" / "data"):
                yield path


def _list_suspects(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers that may have such a word."""
    plain = text.lower().replace("_", " ")
    if any(word in plain for word in INSTEAD):
        yield from enumerate(text.splitlines(), 1)


def test_no_name_and_no_text_has_a_word_that_was_replaced() -> None:
    files = [path for path in list_files() if str(path.relative_to(ROOT)) not in NOT_OURS]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word[0]!r}, better {INSTEAD[word[0].lower().replace('_', ' ')]!r}"
        for path in files
        for number, line in _list_suspects(path.read_text(encoding="utf-8"))
        for word in WORD.finditer(line)
    ]
    assert found == []
