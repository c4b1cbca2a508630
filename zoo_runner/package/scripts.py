"""Expressions of a package that only JavaScript can evaluate; pure.

Source: CWL v1.2, Command Line Tool Description, "Parameter references" and "Expressions".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_START = re.compile(r"(?<!\\)\$[({]")
_REFERENCE = re.compile(r"""\$\(\w+(?:\.\w+|\['(?:[^'\\]|\\.)+'\]|\["(?:[^"\\]|\\.)+"\]|\[\d+\])*\)""")
_FIELDS = frozenset(
    {
        *("arguments", "entry", "entryname", "envValue", "expression", "glob", "listing", "outputEval"),
        *("stderr", "stdin", "stdout", "valueFrom", "when"),
    }
)
# data, what may be ignored, and what has requirements of its own
_OTHER = frozenset({"default", "doc", "hints", "label", "run", "steps"})


def needs_javascript(text: str) -> bool:
    """Whether a text has an expression that is no parameter reference.

    >>> [needs_javascript(text) for text in ("$(inputs.a['b'][0])", "$(inputs.a + 1)", "${return 1}", r"\\$(date +%F)")]
    [False, True, True, False]
    """
    return any(_REFERENCE.match(text, found.start()) is None for found in _START.finditer(text))


def find_scripts(node: Any, place: str) -> Iterator[str]:
    """Find the places in a process or step of the expressions that need JavaScript, each as a JSON pointer.

    Not in the steps of a workflow, and not in what they run.
    """
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from find_scripts(part, f"{place}/{index}")
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key in _FIELDS and any(map(_is_script, value if isinstance(value, list) else [value])):
                yield f"{place}/{key}"
            elif key not in _OTHER and ":" not in key:
                yield from find_scripts(value, f"{place}/{key}")


def _is_script(value: Any) -> bool:
    return isinstance(value, str) and needs_javascript(value)
