"""The site of the documentation is built without a warning, and needs no other site."""

import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.require import require
from tests.values import ROOT

PYTHON = ROOT / ".venv-docs" / "bin" / "python"


class _Loaded(HTMLParser):
    """What a page has a browser load by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "img", "iframe"):
            self.addresses.append(given.get("src", ""))
        elif tag == "link" and given.get("rel") != "canonical":
            self.addresses.append(given.get("href", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    require(PYTHON.exists(), "no generator: make docs-site")
    folder = tmp_path_factory.mktemp("site")
    command = [str(PYTHON), "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    # a link that leads nowhere is a warning, and strict makes that a failure
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder


def test_each_page_is_there_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    for path in site.glob("*.html"):
        loaded = _Loaded()
        loaded.feed(path.read_text(encoding="utf-8"))
        assert [one for one in loaded.addresses if re.match(r"(https?:)?//", one)] == [], path.name


def test_the_reference_has_commands_and_python(site: Path) -> None:
    commands = (site / "commands.html").read_text(encoding="utf-8")
    assert all(word in commands for word in ("system-test", "--log-format", "harvest"))
    assert "KernelDouble" in (site / "python.html").read_text(encoding="utf-8")
