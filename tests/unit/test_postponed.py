"""Imports that wait for the first use of what they bring."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zoo_runner.engines.cwl_process.postponed import postpone

HEAVY = """
class Kind:
    def __init__(self, *given):
        self.given = given
    def tell(self):
        return self.given
    def __class_getitem__(cls, key):
        return key
class Failure(Exception):
    pass
"""
USER = """
import heavy
import heavy.part
from heavy import Kind
from heavy.part import Kind as Other
hints = dict[str, Kind | None], Kind | Other
Kept = heavy.Kind
"""
Load = Callable[[], ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Postpone `heavy`, and import a module that imports it."""
    (tmp_path / "heavy").mkdir()
    for name in ("heavy/__init__.py", "heavy/part.py"):
        (tmp_path / name).write_text(HEAVY)
    (tmp_path / "light.py").write_text(USER)
    (tmp_path / "other.py").write_text("from heavy import Kind\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))

    def load() -> ModuleType:
        postpone(["heavy"], frozenset({"heavy.part.Kind"}))
        return importlib.import_module("light")

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] in ("heavy", "light", "other")]:
        del sys.modules[name]


def is_loaded() -> bool:
    return getattr(sys.modules["heavy"], "__file__", None) is not None


def test_an_import_of_a_postponed_module_loads_nothing(load: Load) -> None:
    load()
    assert not is_loaded()


@pytest.mark.parametrize(
    "use",
    [
        lambda user: user.Kind(1).tell() == (1,),
        lambda user: user.heavy.Kind(1).tell() == (1,),
        lambda user: user.heavy.part.Failure("x").args == ("x",),
        lambda user: user.Kept.tell(user.Kind(2)) == (2,),
        lambda user: user.Kind["key"] == "key",
        lambda user: isinstance(1, user.Kind) is False,
        lambda user: type("Heir", user.Kind.__mro_entries__(()), {})(3).tell() == (3,),
    ],
    ids=["called", "asked by module", "below a package", "asked for an attribute", "by key", "compared", "inherited"],
)
def test_a_name_is_the_real_thing_where_it_is_used(load: Load, use: Callable[[Any], bool]) -> None:
    assert use(load())
    assert is_loaded()


def test_after_the_first_use_all_who_imported_a_name_have_the_real_thing(load: Load) -> None:
    user, other = load(), importlib.import_module("other")
    user.Kind(1)
    assert other.Kind is user.Kind is sys.modules["heavy"].Kind
    with pytest.raises(importlib.import_module("heavy").Failure):
        raise user.heavy.Failure


def test_what_is_made_later_is_made_when_it_is_asked_something(load: Load) -> None:
    made = load().Other(1, 2)
    assert not is_loaded()
    assert made.tell() == (1, 2)
    assert is_loaded()


def test_a_module_that_is_not_installed_is_missing_as_usual(load: Load) -> None:
    load()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("heavy.absent")


def test_what_is_imported_already_stays(load: Load) -> None:
    importlib.import_module("heavy")
    assert isinstance(load().Kind, type)
