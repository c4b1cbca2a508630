import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stageout.settings import load_options
from tests.pages import STAGEOUT_SETTINGS, build_errors_page, build_settings_page, find_outdated

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.md")])


class Asked(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_the_pages_about_settings_and_errors_say_what_the_code_does() -> None:
    assert find_outdated() == []  # `make docs` writes them anew


def test_the_page_lists_exactly_what_stage_out_reads() -> None:
    asked = Asked()
    load_options(asked, "job")
    secret = {"STAGEOUT_AWS_SECRET_ACCESS_KEY", "STAGEOUT_AWS_SESSION_TOKEN"}  # read with a key id only
    read = {name for name in asked.names if name.startswith("STAGEOUT_")} | secret
    assert {one.variable for one in STAGEOUT_SETTINGS} == read


def test_no_default_of_a_setting_reveals_the_machine_that_wrote_the_page() -> None:
    assert "/root" not in build_settings_page()


def test_each_exit_code_of_the_command_line_is_explained() -> None:
    page = build_errors_page()
    assert [code for code in range(12) if f"\n| {code} | " not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_links_only_to_files_that_are_there(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in linked if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["what-users-meet.md", "public-packages.md"])
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    written = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    files = re.findall(r"`((?:tests/)?\S*test_\w+\.py)`", text)
    assert [name for name in files if not any(path.endswith(name) for path in written)] == []
    tests = re.findall(r"`(test_\w+)`", text)
    assert [name for name in tests if not any(f"def {name}(" in source for source in written.values())] == []
