"""Optional packages: a missing one is named with the extra that brings it, wherever it is imported."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.source import parse
from tests.values import ROOT
from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.extras import EXTRAS, ensure_extra, extra
from zoo_runner.engines import open_engine
from zoo_runner.model.errors import SettingsError

PROJECT = (ROOT / "pyproject.toml").read_text()
PACKAGES = ("zoo_runner", "zoo_staging", "stagein", "stageout")
OPTIONAL = {*EXTRAS, "rasterio"}
# folders that an extra makes usable: within them its modules are imported freely, into them only where that is handled
OF_AN_EXTRA = (
    "zoo_runner.store.sql",
    "zoo_runner.server",
    "zoo_runner.hera.lent",
    "zoo_runner.harvest",
    "zoo_runner.metrics",
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without extras."""
    for module in OPTIONAL:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("module", EXTRAS)
def test_a_missing_extra_is_named_in_one_line(module: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ensure_extra(module)
    diagnosis = caught.value.diagnosis
    assert (diagnosis.code, caught.value.exit_code) == ("settings.extra-missing", 2)
    assert f"install zoo-runner[{EXTRAS[module]}]" in diagnosis.cause
    assert "\n" not in diagnosis.cause


@pytest.mark.usefixtures("bare")
def test_an_import_in_the_block_names_the_extra_too() -> None:
    with pytest.raises(SettingsError) as caught, extra("kubernetes"):
        import kubernetes  # noqa: F401
    assert caught.value.diagnosis.code == "settings.extra-missing"


def test_a_module_that_an_installed_extra_misses_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extra("kubernetes"):
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")


@pytest.mark.usefixtures("bare")
def test_an_engine_without_its_extra_is_refused_before_there_is_a_job(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        open_engine("calrissian", load_configuration({"HOME": str(tmp_path)}))
    assert caught.value.diagnosis.code == "settings.extra-missing"


@pytest.mark.parametrize("name", sorted(set(EXTRAS.values())))
def test_each_extra_that_is_named_can_be_installed(name: str) -> None:
    stated = PROJECT.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    assert re.search(rf"^{name} = \[", stated, flags=re.MULTILINE)


def find_optional_imports(tree: ast.AST, guarded: bool = False) -> Iterator[tuple[int, bool]]:
    """Lines that import an optional package, and whether they stand where its absence is handled."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.partition(".")[0] in OPTIONAL or name.startswith(OF_AN_EXTRA) for name in names):
                yield node.lineno, guarded
        yield from find_optional_imports(node, guarded or handles_absence(node))


def belongs_to_an_extra(path: Path) -> bool:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).startswith(OF_AN_EXTRA)


def handles_absence(node: ast.AST) -> bool:
    match node:
        case ast.With():
            return any("extra(" in ast.unparse(item) or "ImportError" in ast.unparse(item) for item in node.items)
        case ast.Try():
            return any(handler.type and "ImportError" in ast.unparse(handler.type) for handler in node.handlers)
        case ast.If():
            # for types only: nothing is imported when it runs
            return ast.unparse(node.test) == "TYPE_CHECKING"
        case _:
            return False


def test_no_optional_package_is_imported_where_its_absence_would_be_an_internal_error() -> None:
    unguarded = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "{{" not in str(path) and not belongs_to_an_extra(path)
        for line, guarded in find_optional_imports(parse(path))
        if not guarded
    ]
    # a further import of rasterio, after the first has succeeded
    assert [place for place in unguarded if not place.startswith("stageout/raster.py")] == []
