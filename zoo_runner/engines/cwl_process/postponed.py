"""Imports that cwltool makes at its start and hardly any run needs wait for the first use of what they bring.

Ontologies, the web, provenance, coloured messages and a second set of parsers are half of a launcher's memory, and
of the time that it takes to start. `postpone` gives an import of such a module another one, which has only names. A
name becomes the real thing where it is called, asked for an attribute, inherited from or compared with a type; so does
what the names in `MADE_LATER` return. From then on each module that imported the name has the real thing in its place,
and all further imports are as usual.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

POSTPONED = (
    "asyncio",  # of cwl_utils, for Node.js: expressions run in QuickJS
    "cachecontrol",
    "coloredlogs",
    "cwl_utils.parser",  # of `cwltool --fast-parser`
    "cwltool.cwlprov",
    "http.client",
    "importlib.metadata",
    "importlib.resources",  # the schemas are kept
    "prov",
    "rdflib",  # a package that is resolved has no $schemas
    "requests",  # everything is staged before cwltool runs
    "spython",  # containers of Singularity
    "ssl",
    "xml",  # of ontologies
    "yaml",  # of Calrissian, for its log
)
# each of cwltool's loaders has a session and an ontology, whether it needs them or not
MADE_LATER = frozenset(
    {
        "cachecontrol.caches.SeparateBodyFileCache",
        "cachecontrol.wrapper.CacheControl",
        "rdflib.Graph",
        "rdflib.graph.Graph",
        "requests.Session",
    }
)


def postpone(names: Iterable[str] = POSTPONED, made_later: frozenset[str] = MADE_LATER) -> None:
    """Postpone the imports of modules with these names, and of what is below them, unless they are imported already."""
    missing = frozenset(name for name in names if name not in sys.modules)
    sys.meta_path.insert(0, _Finder(missing, made_later))


class _Finder:
    """Finds postponed modules where the real ones are, and makes modules of names of them.

    A finder and loader as importlib.abc describes them, whose import would bring a part of what is postponed.
    """

    def __init__(self, names: frozenset[str], made_later: frozenset[str]) -> None:
        self._names, self._made_later = names, made_later

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self._names.isdisjoint(_list_parents(fullname)):
            return None
        real = PathFinder.find_spec(fullname, path)
        if real is None:
            return None
        spec = ModuleSpec(fullname, cast("Loader", self), origin=real.origin)
        spec.submodule_search_locations = real.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Names(spec.name, self._made_later)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module without its own content."""


def _list_parents(name: str) -> Iterator[str]:
    """List a module and the packages that it is in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


class _Names(ModuleType):
    """A module that has every name and knows none."""

    def __init__(self, name: str, made_later: frozenset[str]) -> None:
        super().__init__(name)
        self._made_later = made_later

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what an import itself asks for
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:
            return getattr(importlib.import_module(self.__name__), name)
        return self._find_module(name) or self._make_name(name)

    def _find_module(self, name: str) -> ModuleType | None:
        spec = self.__spec__
        if spec is None or spec.submodule_search_locations is None:
            return None
        try:
            return importlib.import_module(f"{self.__name__}.{name}")
        except ModuleNotFoundError:
            return None

    def _make_name(self, name: str) -> "_Name":
        return _Name(self.__name__, name, made_later=f"{self.__name__}.{name}" in self._made_later)


class _Postponed:
    """Something that is found or made at its first use."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = cache(find)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what type hints ask for
            raise AttributeError(name)
        return getattr(self._find(), name)

    def __getitem__(self, key: Any) -> Any:
        return self._find()[key]


class _Name(_Postponed):
    """Something in a postponed module, most often a class."""

    def __init__(self, module: str, name: str, made_later: bool) -> None:
        super().__init__(lambda: _find_real(module, name))
        self._module, self._name, self._made_later = module, name, made_later

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._made_later:
            return _Postponed(lambda: self._find()(*args, **kwargs))
        return self._find()(*args, **kwargs)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._find())

    def __mro_entries__(self, bases: Any) -> tuple[Any, ...]:
        return (self._find(),)

    def __or__(self, other: Any) -> Any:  # in type hints
        return Any

    __ror__ = __or__

    def replace_in(self, user: ModuleType, name: str, package: str) -> None:
        """Give a module that imported this the real thing, if it is of a package."""
        if package in _list_parents(self._module):
            setattr(user, name, getattr(importlib.import_module(self._module), self._name))


def _find_real(module: str, name: str) -> Any:
    """Import the real module, and let everybody who has postponed names of its package have the real things."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    for postponed in [name for name, found in list(sys.modules.items()) if isinstance(found, _Names)]:
        del sys.modules[postponed]
    found = getattr(importlib.import_module(module), name)
    for user in list(sys.modules.values()):
        for its_name, value in list(getattr(user, "__dict__", {}).items()):
            if type(value) is _Name:
                value.replace_in(user, its_name, module.partition(".")[0])
    return found
