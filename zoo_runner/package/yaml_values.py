"""Reads the values of YAML as cwltool does."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode

from zoo_runner.package.parsing import read_number


class _Constructor(SafeConstructor):
    """Reads dates and numbers as cwltool does."""

    def construct_date(self, node: ScalarNode, values: Any = None) -> str:
        """Read a date as a string."""
        return str(node.value)

    def construct_number(self, node: ScalarNode) -> float:
        """Read a number; one with an exponent may be an integer."""
        return read_number(str(node.value)) if "e" in node.value.lower() else self.construct_yaml_float(node)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_date)
_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.construct_number)


def load_yaml(text: str) -> Any:
    """Read a text as plain data, without the bounds of `parsing`; raises YAMLError where the syntax is wrong."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml.load(text)
