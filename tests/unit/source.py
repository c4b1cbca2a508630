"""The project's own source, parsed once for all tests that hold a rule against it."""

import ast
from functools import cache
from pathlib import Path


@cache
def parse(path: Path) -> ast.Module:
    """Return the tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def list_nodes(path: Path) -> tuple[ast.AST, ...]:
    """List all nodes of a module."""
    return tuple(ast.walk(parse(path)))
