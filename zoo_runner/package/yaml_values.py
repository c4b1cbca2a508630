"""Reads the values of YAML as cwltool does."""

import math
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarfloat import ScalarFloat

from zoo_runner.model.written import WrittenNumber, read_number

_FLOAT = "tag:yaml.org,2002:float"


class _Constructor(SafeConstructor):
    """Reads dates and numbers as cwltool does."""

    def construct_date(self, node: ScalarNode, values: Any = None) -> str:
        """Read a date as a string."""
        return str(node.value)

    def construct_number(self, node: ScalarNode) -> float:
        """Read a number, which keeps its form, unless it has one of its own: `.inf`, `1:30.5` of YAML 1.1."""
        try:
            return read_number(str(node.value))
        except ValueError:
            return self.construct_yaml_float(node)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_date)
_Constructor.add_constructor(_FLOAT, _Constructor.construct_number)
_cwltool_constructor = YAML().constructor
_cwltool_representer = RoundTripRepresenter()


def load_yaml(text: str) -> Any:
    """Read a text as plain data, without the bounds of `parsing`; raises YAMLError where the syntax is wrong."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml.load(text)


def read_as_cwltool(text: str) -> float:
    """Read a number of JSON for cwltool: one that it writes out in another form than Python has that form with it."""
    number = float(text)
    if repr(number) == text and "e" not in text:  # nearly always; cwltool writes out both alike
        return number
    read: ScalarFloat = _cwltool_constructor.construct_yaml_float(ScalarNode(_FLOAT, text))
    # some that ruamel.yaml reads it cannot write, such as -0e0, which ends a run of cwltool
    return number if _write(read) is None else read


def restore_forms(node: Any) -> Any:
    """Return a copy of what was read as JSON for cwltool: its numbers have their forms, as `read_as_cwltool` has it."""
    if isinstance(node, float):
        return read_as_cwltool(node.text if isinstance(node, WrittenNumber) else repr(node))
    if isinstance(node, dict):
        return {key: restore_forms(part) for key, part in node.items()}
    return [restore_forms(part) for part in node] if isinstance(node, list) else node


def _write(number: ScalarFloat) -> str | None:
    try:
        return str(_cwltool_representer.represent_scalar_float(number).value)
    except ValueError:
        return None


def keep_forms(node: Any) -> Any:
    """Return a copy of what cwltool has read or made whose numbers keep their form when it is written as JSON."""
    if isinstance(node, ScalarFloat):
        text = _write(node) if math.isfinite(node) else None
        return float(node) if text is None else read_number(text)
    if isinstance(node, dict):
        return {key: keep_forms(part) for key, part in node.items()}
    return [keep_forms(part) for part in node] if isinstance(node, list) else node
