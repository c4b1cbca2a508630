"""How inputs of a step are bound, where cwltool does too much or too little.

It goes through long arrays of plain values one by one to find that nothing is to be done, and opens a file literal to
load its content, which the value has already. For a union with an array of enums or records it defines these types
again, and schema-salad refuses a second type of the same name.
"""

from collections.abc import Mapping
from typing import Any

import cwltool.process
from cwltool.builder import INPUT_OBJ_VOCAB, Builder
from schema_salad.avro.schema import make_avsc_object
from schema_salad.exceptions import ValidationException
from schema_salad.utils import convert_to_dict
from schema_salad.validate import validate

_FILE = "org.w3id.cwl.cwl.File"
_PLAIN = ("boolean", "int", "long", "float", "double", "string")


class _OwnBuilder(Builder):
    """Binds inputs as cwltool does (CWL v1.2, CommandLineTool, "Input binding"), but for these."""

    def bind_input(self, schema: Any, datum: Any, *args: Any, **kwargs: Any) -> Any:
        """Bind an input; an array of plain values that is bound nowhere adds nothing to the command line.

        A literal keeps its content: CWL allows as much in it as `loadContents` reads.
        """
        if schema["type"] == "array" and schema.get("items") in _PLAIN and schema.get("inputBinding") is None:
            return []
        if schema["type"] == _FILE and is_literal(datum):
            schema = {**schema, "loadContents": False}
            if binding := schema.get("inputBinding"):
                schema["inputBinding"] = {**binding, "loadContents": False}
        if isinstance(schema["type"], list):
            schema = {**schema, "type": self._choose(schema["type"], datum)}
        return super().bind_input(schema, datum, *args, **kwargs)

    def _choose(self, kinds: list[Any], datum: Any) -> Any:
        """Choose the first type of a union that takes the value, where one is an array with types of its own."""
        if not any(self._defines_types(kind) for kind in kinds):
            return kinds
        for kind in kinds:
            known = self._refer_by_name(convert_to_dict(kind))
            named = self.names.get_name(known, None) if isinstance(known, str) else None
            if validate(named or make_avsc_object(known, self.names), datum, vocab=INPUT_OBJ_VOCAB):
                return kind
        raise ValidationException(f"{datum!r} is not a valid union {kinds}")

    def _defines_types(self, kind: Any) -> bool:
        return isinstance(kind, Mapping) and kind.get("type") == "array" and self._refer_by_name(kind) != kind

    def _refer_by_name(self, kind: Any) -> Any:
        """Replace the types that are defined already, below a type, with their names."""
        if isinstance(kind, list):
            return [self._refer_by_name(one) for one in kind]
        if not isinstance(kind, Mapping):
            return kind
        if "name" in kind and self.names.has_name(kind["name"], None):
            return kind["name"]
        if kind.get("type") != "array":
            return kind
        return {**kind, "items": self._refer_by_name(kind["items"])}


def is_literal(value: Any) -> bool:
    """Whether a file's content is in the document: cwltool gives such a file a location of its own (`_:`)."""
    return value.get("contents") is not None and str(value.get("location", "_:")).startswith("_:")


def bind_inputs_here() -> None:
    """Have cwltool use this in the present process: a job order with a million numbers then takes half of the time."""
    cwltool.process.Builder = _OwnBuilder  # type: ignore[attr-defined]
