"""CWL's features on the local engine: what each package of tests/data/packages/features yields, and how it fails."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.features import FEATURES, Told, run_package

WORKING = sorted(path.parent.name for path in FEATURES.glob("*/expected.json"))


def show(value: Any) -> Any:
    """A result as a test compares it: a file by its text, a folder by its files, anything else as it is."""
    if isinstance(value, list):
        return [show(member) for member in value]
    if not isinstance(value, dict):
        return value
    if "href" not in value:
        return {key: show(member) for key, member in value.items()}
    path = Path(unquote(urlsplit(value["href"]).path))
    if value.get("type") != "application/geo+json":
        return path.read_text()
    files = (file for file in path.parent.rglob("*") if file.is_file() and file != path)
    return {str(file.relative_to(path.parent)): file.read_text() for file in files}


@pytest.mark.parametrize("name", WORKING)
def test_a_package_of_each_feature_gives_what_it_should(name: str, tmp_path: Path) -> None:
    told = run_package(name, tmp_path)
    assert told.diagnosis is None
    assert show(told.document) == json.loads((FEATURES / name / "expected.json").read_text())
