"""CWL's types of inputs and outputs as frozen values, read from the packed document.

Source: CWL v1.0 to v1.2, Command Line Tool Description, sections 5.1 (inputs) and 5.2 (outputs); the
community's named types: `string_format.yaml`, `ogc.yaml`, `geojson.yaml` and `stac.yaml` of
github.com/eoap/schemas.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Document, Package
from zoo_runner.package.requirements import find_all
from zoo_runner.package.secondary import SecondaryFile, read_secondary_file

SELECT = "urn:zoo-runner:select"
"""The member of an input that selects what is staged in for its Directories (docs/staging.md)."""
PRIMITIVES = frozenset({"boolean", "int", "long", "float", "double", "string"})
_MOST_PLACES = 2000
_FAMILY_PREFIXES = {"geojson": "GeoJSON ", "stac": "STAC "}
COMMUNITY_NAME = re.compile(r"\b(string_format|ogc|geojson|stac)\.ya?ml[#/](\w+)$")


@dataclass(frozen=True)
class Primitive:
    """A boolean, int (32 bits), long (64 bits), float, double or string, by its CWL name."""

    name: str


@dataclass(frozen=True)
class FileType:
    """One file."""


@dataclass(frozen=True)
class DirectoryType:
    """One folder; in an application package usually a STAC catalog."""


@dataclass(frozen=True)
class AnyType:
    """Any value but null."""


@dataclass(frozen=True)
class NullType:
    """No value."""


@dataclass(frozen=True)
class Array:
    """A list whose items have one type."""

    items: "CwlType"


@dataclass(frozen=True)
class Enum:
    """One word out of `symbols`.

    Engines use the part of a symbol after its last slash; `uris` maps symbols that the author wrote as URIs to
    that word, so that both are accepted.
    """

    symbols: tuple[str, ...]
    uris: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Field:
    """One member of a record; `secondary_files` and `formats` (URIs) are those of each file in it."""

    name: str
    type: "CwlType"
    secondary_files: tuple[SecondaryFile, ...] = ()
    formats: tuple[str, ...] = ()
    label: str | None = None
    doc: str | None = None


@dataclass(frozen=True)
class Record:
    """An object with known members; `name` is the author's, empty for a record without one."""

    fields: tuple[Field, ...]
    name: str = ""


@dataclass(frozen=True)
class Community:
    """A named type of the EO community, such as `DateTime` of `string_format`, and its CWL shape."""

    family: str
    name: str
    shape: "CwlType"


@dataclass(frozen=True)
class Union:
    """A value of any one of `options`; with NullType among them the value may be absent."""

    options: tuple["CwlType", ...]


CwlType = Primitive | FileType | DirectoryType | AnyType | NullType | Array | Enum | Record | Community | Union

ATOMS: Mapping[str, CwlType] = {
    **{name: Primitive(name) for name in PRIMITIVES},
    "File": FileType(),
    "Directory": DirectoryType(),
    "Any": AnyType(),
    "null": NullType(),
}


@dataclass(frozen=True)
class Parameter:
    """One input or output of the process that runs.

    `default` is None when the package has none (a default of null is none); `formats` are the format URIs of
    files, expressions among them; `secondary_files` are those of each file; `position` is the index in the packed
    list; `select` is what is staged in for its Directories, as written.
    """

    name: str
    type: CwlType
    label: str | None = None
    doc: str | None = None
    default: Any = None
    formats: tuple[str, ...] = ()
    secondary_files: tuple[SecondaryFile, ...] = ()
    streamable: bool = False
    position: int = 0
    select: Any = None

    @property
    def optional(self) -> bool:
        """Whether a job need not give a value: null is allowed, or there is a default."""
        return self.default is not None or accepts_null(self.type)


def parse_parameters(package: Package) -> tuple[Parameter, ...]:
    """Read the inputs of the process that runs, in the order of the packed document; raises as `parse_inputs`."""
    return parse_inputs(package, package.process)


def parse_inputs(package: Package, process: Document) -> tuple[Parameter, ...]:
    """Read the inputs of a process of the package.

    Raises `PackageError` for a type that is not CWL or is not defined in the package.
    """
    return _parse_list(package, process.get("inputs", ()))


def parse_outputs(package: Package) -> tuple[Parameter, ...]:
    """Read the outputs of the process that runs, in packed order; raises as `parse_inputs`."""
    return parse_outputs_of(package, package.process)


def parse_outputs_of(package: Package, process: Document) -> tuple[Parameter, ...]:
    """Read the outputs of a process of the package, in packed order; raises as `parse_inputs`."""
    return _parse_list(package, process.get("outputs", ()))


def accepts_null(cwl_type: CwlType) -> bool:
    """Whether null is a value of this type."""
    if isinstance(cwl_type, Union):
        return any(accepts_null(option) for option in cwl_type.options)
    return isinstance(cwl_type, NullType)


def is_text(cwl_type: CwlType) -> bool:
    """Whether each value of this type is a string, or null."""
    match cwl_type:
        case Union():
            return all(is_text(option) for option in cwl_type.options)
        case Community():
            return is_text(cwl_type.shape)
    return isinstance(cwl_type, Enum | NullType) or cwl_type == Primitive("string")


def without_null(cwl_type: CwlType) -> CwlType:
    """Return the type of the values that are not null: `["null", "int"]` is int."""
    if not isinstance(cwl_type, Union):
        return cwl_type
    options = tuple(option for option in cwl_type.options if not isinstance(option, NullType))
    return options[0] if len(options) == 1 else Union(options)


def holds(cwl_type: CwlType, *kinds: type) -> bool:
    """Whether values of one of these kinds (such as DirectoryType) can occur anywhere in this type."""
    match cwl_type:
        case Array():
            return holds(cwl_type.items, *kinds)
        case Union():
            return any(holds(option, *kinds) for option in cwl_type.options)
        case Record():
            return any(holds(member.type, *kinds) for member in cwl_type.fields)
        case Community():
            return holds(cwl_type.shape, *kinds)
    return isinstance(cwl_type, kinds)


def describe_type(cwl_type: CwlType) -> str:
    """Describe the type in words for messages: `array of Directory`, `one of red, green`, `int or null`."""
    match cwl_type:
        case Array():
            items = describe_type(cwl_type.items)
            return f"array of ({items})" if isinstance(cwl_type.items, Union) else f"array of {items}"
        case Enum():
            return f"one of {', '.join(cwl_type.symbols)}"
        case Union():
            options = sorted(cwl_type.options, key=lambda option: isinstance(option, NullType))
            return " or ".join(describe_type(option) for option in options)
        case Record():
            return f"{cwl_type.name or 'object'} with {', '.join(member.name for member in cwl_type.fields)}"
        case Primitive() | Community():
            return f"{_FAMILY_PREFIXES.get(getattr(cwl_type, 'family', ''), '')}{cwl_type.name}"
    return next(word for word, atom in ATOMS.items() if atom == cwl_type)


def list_options(cwl_type: CwlType) -> Iterator[CwlType]:
    """List the types that a value of this type can have, without unions and community names around them."""
    match cwl_type:
        case Union():
            for option in cwl_type.options:
                yield from list_options(option)
        case Community():
            yield from list_options(cwl_type.shape)
        case _:
            yield cwl_type


def short_name(packed_id: str) -> str:
    """Return the author's name of a packed id: `#main/red` and `#types.yml/BBox/red` are both `red`."""
    return packed_id.rsplit("#", 1)[-1].rsplit("/", 1)[-1]


def _parse_list(package: Package, entries: Iterable[Document]) -> tuple[Parameter, ...]:
    reader = _Reader(package.types, _type_definitions(package))
    return tuple(_parse_parameter(reader, entry, index) for index, entry in enumerate(entries))


def _parse_parameter(reader: "_Reader", entry: Document, position: int) -> Parameter:
    return Parameter(
        name=short_name(str(entry["id"])),
        type=reader.read(entry.get("type", "Any")),
        label=join_text(entry.get("label")),
        doc=join_text(entry.get("doc")),
        default=entry.get("default"),
        formats=_read_formats(entry),
        secondary_files=_read_secondary_files(entry),
        streamable=bool(entry.get("streamable", False)),
        position=position,
        select=entry.get(SELECT),
    )


def _read_secondary_files(entry: Document) -> tuple[SecondaryFile, ...]:
    return tuple(map(read_secondary_file, _listed(entry.get("secondaryFiles"))))


def _read_formats(entry: Document) -> tuple[str, ...]:
    return tuple(map(str, _listed(entry.get("format"))))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def join_text(text: Any) -> str | None:
    """Return CWL's `doc` or `label` as one string (a doc may be a list of paragraphs); None when empty."""
    lines = text if isinstance(text, list) else [text]
    return "\n".join(str(line) for line in lines if line is not None).strip() or None


def _type_definitions(package: Package) -> Mapping[str, Document]:
    """The named types of all SchemaDefRequirements: a type may be defined away from its use."""
    return {
        str(definition["name"]): definition
        for requirement in find_all(package, "SchemaDefRequirement")
        for definition in requirement.body.get("types", ())
        if "name" in definition  # packing writes an `$import` where a type was defined before
    }


@dataclass(frozen=True)
class _Reader:
    """Reads type expressions; `open_names` are the named types being read, to stop at a type that contains itself."""

    written_names: Mapping[str, str]
    definitions: Mapping[str, Document]
    open_names: frozenset[str] = frozenset()
    # of all that is read: a description writes a type out at each of its places, and types of types multiply them
    places: Iterator[int] = field(default_factory=lambda: iter(range(_MOST_PLACES)))

    def read(self, expression: Any) -> CwlType:
        match expression:
            case str():
                return ATOMS.get(expression) or self._read_named(expression)
            case list():
                return Union(tuple(self.read(option) for option in expression))
            case {"type": "array", "items": items}:
                return Array(self.read(items))
            case {"type": "enum", "symbols": symbols}:
                return _read_enum(symbols)
            case {"type": "record"}:
                return self._read_record(expression)
            case {"type": str() | list() | dict() as inner}:
                return self.read(inner)
        raise PackageError(
            f"{expression!r} is not a CWL type",
            "Correct the type in the package.",
            code="package.type",
        )

    def _read_named(self, name: str) -> CwlType:
        if name in self.open_names:
            return AnyType()
        if name not in self.definitions:
            raise PackageError(
                f"the type {self.written_names.get(name, name)!r} is used but not defined in the package",
                "Import the type under SchemaDefRequirement in the process that uses it.",
                code="package.type",
            )
        if next(self.places, None) is None:
            raise PackageError(
                f"the inputs or outputs of a process have named types at more than {_MOST_PLACES} places, when each is"
                " written out where it is used",
                "Use types that refer to others less often, or a File in their place.",
                code="package.too-large",
            )
        inner = replace(self, open_names=self.open_names | {name})
        shape = inner.read(self.definitions[name])
        known = COMMUNITY_NAME.search(self.written_names.get(name, name))
        return Community(known[1], known[2], shape) if known else shape

    def _read_record(self, expression: Document) -> Record:
        members = (
            Field(
                short_name(str(member["name"])),
                self.read(member["type"]),
                _read_secondary_files(member),
                _read_formats(member),
                join_text(member.get("label")),
                join_text(member.get("doc")),
            )
            for member in expression.get("fields") or ()
        )
        return Record(tuple(members), short_name(str(expression.get("name", ""))))


def _read_enum(symbols: Iterable[str]) -> Enum:
    words = {symbol: short_name(symbol) for symbol in symbols}
    return Enum(tuple(words.values()), {uri: word for uri, word in words.items() if "://" in uri})
