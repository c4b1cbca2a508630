"""Expressions of a package, and those that only JavaScript can evaluate; pure.

Source: CWL v1.2, Command Line Tool Description, "Parameter references" and "Expressions".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_START = re.compile(r"(?<!\\)\$[({]")
_REFERENCE = re.compile(r"""\$\(\w+(?:\.\w+|\['(?:[^'\\]|\\.)+'\]|\["(?:[^"\\]|\\.)+"\]|\[\d+\])*\)""")
_FIELDS = frozenset(
    {
        *("arguments", "entry", "entryname", "envValue", "expression", "glob", "listing", "outputEval"),
        *("stderr", "stdin", "stdout", "valueFrom", "when", "format", "pattern", "required", "secondaryFiles"),
        *(f"{kind}{bound}" for kind in ("cores", "ram", "tmpdir", "outdir") for bound in ("Min", "Max")),
        *("timelimit", "networkAccess", "enableReuse"),
    }
)
# data, what may be ignored, and what has requirements of its own
_OTHER = frozenset({"default", "doc", "hints", "label", "run", "steps"})


@dataclass(frozen=True)
class Script:
    """A text with expressions at a JSON pointer of a package, or a part of an expressionLib."""

    place: str
    text: str
    is_library: bool = False


FindFaults = Callable[[Sequence[Script]], Iterable[tuple[Script, str]]]
"""Finds the scripts that engines cannot evaluate, whatever the inputs are, and says why."""


def needs_javascript(text: str) -> bool:
    """Whether a text has an expression that is no parameter reference.

    >>> [needs_javascript(text) for text in ("$(inputs.a['b'][0])", "$(inputs.a + 1)", "${return 1}", r"\\$(date +%F)")]
    [False, True, True, False]
    """
    return any(_REFERENCE.match(text, found.start()) is None for found in _START.finditer(text))


def find_scripts(part: Any, place: str) -> Iterator[str]:
    """Find the places in a process or step of the expressions that need JavaScript, each as a JSON pointer."""
    yield from dict.fromkeys(one.place for one in find_expressions(part, place) if needs_javascript(one.text))


def find_expressions(node: Any, place: str) -> Iterator[Script]:
    """Find the texts with expressions in a process or step; not in the steps of a workflow, nor in what they run."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from find_expressions(part, f"{place}/{index}")
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key in _FIELDS:
                texts = value if isinstance(value, list) else [value]
                yield from (Script(f"{place}/{key}", text) for text in texts if _has_expression(text))
            if key not in _OTHER and ":" not in key:
                yield from find_expressions(value, f"{place}/{key}")


def find_libraries(part: Mapping[str, Any], place: str) -> Iterator[Script]:
    """Find the expressionLib of a process or step."""
    for index, requirement in enumerate(part.get("requirements") or ()):
        texts = requirement.get("expressionLib") or () if isinstance(requirement, Mapping) else ()
        at = f"{place}/requirements/{index}/expressionLib"
        yield from (Script(at, text, is_library=True) for text in texts if isinstance(text, str))


def _has_expression(text: Any) -> bool:
    return isinstance(text, str) and _START.search(text) is not None
