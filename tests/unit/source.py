"""The project's own source, parsed once for all tests that check a rule against it."""

import ast
import gc
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)


@cache
def parse(path: Path) -> ast.Module:
    """Return the tree of a module."""
    # trees stay to the end of the run: the garbage collector would walk through all of them again and again
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.freeze()
        gc.enable()


def list_nodes(path: Path, *kinds: type[Node]) -> list[Node]:
    """List the nodes of a module that are of these kinds, one kind after the other."""
    index = _index_nodes(path)
    return [node for kind in kinds for node in index.get(kind, ())]  # type: ignore[misc] # by its kind


@cache
def _index_nodes(path: Path) -> Mapping[type[ast.AST], Sequence[ast.AST]]:
    found = defaultdict[type[ast.AST], list[ast.AST]](list)
    for node in ast.walk(parse(path)):
        found[type(node)].append(node)
    return found
