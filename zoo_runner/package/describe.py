"""The process description of a package, as OGC API - Processes, Part 1 has it (OGC 18-062r2, section 7.10).

How CWL is described there: an array is `maxOccurs: unbounded` and the schema is that of one occurrence, except for an
array with a default, which is one occurrence of type array: a default has to match its schema (OpenAPI 3.0.3,
Schema Object). Null or a default make `minOccurs` 0; a File or Directory input is a URI, given as a string or as a link
by `href`; an output of these is a link. Schemas keep to OpenAPI 3.0, which the standard prescribes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import (
    AnyType,
    Array,
    Community,
    CwlType,
    DirectoryType,
    Enum,
    Field,
    FileType,
    NullType,
    Parameter,
    Primitive,
    Record,
    Union,
    accepts_null,
    holds,
    join_text,
    parse_outputs,
    parse_parameters,
    without_null,
)
from zoo_runner.package.documents import is_local
from zoo_runner.package.metadata import build_metadata, read_keywords, read_software_version

Schema = dict[str, Any]

EXECUTE_REL = "http://www.opengis.net/def/rel/ogc/1.0/execute"
UNKNOWN_VERSION = "0.0.0"
CRS_URIS = ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "http://www.opengis.net/def/crs/OGC/0/CRS84h")
PRIMITIVE_SCHEMAS: Mapping[str, Schema] = {
    "boolean": {"type": "boolean"},
    "int": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
}
STRING_FORMATS = {
    "DateTime": "date-time",
    "IDNEmail": "idn-email",
    "IDNHostname": "idn-hostname",
    "IRIReference": "iri-reference",
    "JsonPointer": "json-pointer",
    "RelativeJsonPointer": "relative-json-pointer",
    "URIReference": "uri-reference",
    "URITemplate": "uri-template",
}
GEOJSON_FORMATS = {"Feature": "geojson-feature", "FeatureCollection": "geojson-feature-collection"}
STAC_FORMATS = {"Item": "stac-item", "Collection": "stac-collection", "Catalog": "stac-catalog"}


def build_description(package: Package, *, self_href: str | None = None) -> dict[str, Any]:
    """Build the process description; with `self_href`, its own URL, also the links to itself and to its execution.

    A package without a version has `0.0.0`, because the standard requires one.
    Raises PackageError when a type of the package cannot be read.
    """
    process = package.process
    doc = join_text(process.get("doc"))
    keywords, metadata = read_keywords(package), build_metadata(package)
    return {
        "id": package.workflow_id,
        "version": read_software_version(package) or UNKNOWN_VERSION,
        "title": join_text(process.get("label")) or package.workflow_id,
        **({"description": doc} if doc else {}),
        **({"keywords": keywords} if keywords else {}),
        **({"metadata": metadata} if metadata else {}),
        "jobControlOptions": ["async-execute"],
        "outputTransmission": ["value", "reference"],
        "inputs": {parameter.name: _describe_input(parameter) for parameter in parse_parameters(package)},
        "outputs": {parameter.name: _describe_output(parameter) for parameter in parse_outputs(package)},
        **({"links": _build_links(self_href)} if self_href else {}),
    }


def build_schema(cwl_type: CwlType) -> Schema:
    """Build the schema of one value of this type, as a request or a result writes it."""
    return _SCHEMAS[type(cwl_type)](cwl_type)


def _build_links(self_href: str) -> list[dict[str, str]]:
    return [
        {"href": self_href, "rel": "self", "type": "application/json", "title": "Process description"},
        {"href": f"{self_href.rstrip('/')}/execution", "rel": EXECUTE_REL, "title": "Execute the process"},
    ]


def _describe_input(parameter: Parameter) -> dict[str, Any]:
    wanted = without_null(parameter.type)
    default = _read_default(wanted, parameter.default)
    has_default = default is not None
    repeated = isinstance(wanted, Array) and not has_default
    schema = build_schema(wanted.items if isinstance(wanted, Array) and repeated else wanted)
    if has_default:
        schema = {**schema, "default": default}
    return {
        **_describe_text(parameter),
        "minOccurs": 0 if parameter.optional else 1,
        "maxOccurs": "unbounded" if repeated else 1,
        "schema": schema,
    }


def _read_default(wanted: CwlType, default: Any) -> Any:
    """Return a default as a request would write it; None where that is not possible, as with files of the package."""
    if not holds(wanted, FileType, DirectoryType):
        return _plain(wanted, default)
    location = default.get("location") if isinstance(default, Mapping) else None
    is_link = isinstance(wanted, FileType | DirectoryType) and isinstance(location, str) and not is_local(location)
    return location if is_link else None


def _describe_output(parameter: Parameter) -> dict[str, Any]:
    schema = build_schema(without_null(parameter.type))
    nullable = {"nullable": True} if accepts_null(parameter.type) else {}
    return {**_describe_text(parameter), "schema": _links_only(schema) | nullable}


def _describe_text(parameter: Parameter) -> dict[str, Any]:
    description = {"description": parameter.doc} if parameter.doc else {}
    return {"title": parameter.label or parameter.name, **description}


def _plain(cwl_type: CwlType, default: Any) -> Any:
    """Write a default as a request would: only the string where CWL wraps a string into a record."""
    if isinstance(cwl_type, Array) and isinstance(default, list):
        return [_plain(cwl_type.items, item) for item in default]
    if isinstance(cwl_type, Community) and cwl_type.family == "string_format" and isinstance(default, Mapping):
        return default.get("value")
    if isinstance(cwl_type, Record) and isinstance(default, Mapping):
        types = {member.name: member.type for member in cwl_type.fields}
        return {name: _plain(types[name], value) if name in types else value for name, value in default.items()}
    return default


def _build_link_schema() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["href"],
        "properties": {"href": _uri(), "type": text, "title": text},
    }


def _uri() -> Schema:
    return {"type": "string", "format": "uri"}


def _build_file_schema(cwl_type: CwlType) -> Schema:
    return {"oneOf": [_uri(), _build_link_schema()]}


def _links_only(schema: Any) -> Any:
    """Return the schema of a result, in which a file is always a link."""
    if schema == _build_file_schema(FileType()):
        return _build_link_schema()
    if isinstance(schema, list):
        return [_links_only(part) for part in schema]
    return {key: _links_only(part) for key, part in schema.items()} if isinstance(schema, dict) else schema


def _build_union_schema(cwl_type: Union) -> Schema:
    nullable = {"nullable": True} if accepts_null(cwl_type) else {}
    rest = without_null(cwl_type)
    if isinstance(rest, Union):
        return {"anyOf": [_build_option_schema(option) for option in rest.options]} | nullable
    return build_schema(rest) | nullable


def _build_option_schema(option: CwlType) -> Schema:
    """Build the schema of one of several types; the name of a record says which it is."""
    title = {"title": option.name} if isinstance(option, Record) and option.name else {}
    return {**title, **build_schema(option)}


def _build_record_schema(cwl_type: Record) -> Schema:
    required = [member.name for member in cwl_type.fields if not accepts_null(member.type)]
    properties = {member.name: _build_member_schema(member) for member in cwl_type.fields}
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _build_member_schema(member: Field) -> Schema:
    title = {"title": member.label} if member.label else {}
    return {**build_schema(member.type), **title, **({"description": member.doc} if member.doc else {})}


def _build_community_schema(cwl_type: Community) -> Schema:
    match cwl_type:
        case Community("string_format", name, Record()):
            return {"type": "string", "format": STRING_FORMATS.get(name, name.lower())}
        case Community("ogc", "BBox", Record()):
            return _build_bbox_schema()
        case Community("stac", name, Record()):
            return {"type": "object", "format": STAC_FORMATS[name]} if name in STAC_FORMATS else {"type": "object"}
        case Community("geojson", name, Record()):
            return {"type": "object", "format": GEOJSON_FORMATS.get(name, "geojson-geometry")}
    return build_schema(cwl_type.shape)


def _build_bbox_schema() -> Schema:
    corners = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}
    crs = {**_uri(), "enum": list(CRS_URIS), "default": CRS_URIS[0]}
    return {
        "type": "object",
        "format": "ogc-bbox",
        "required": ["bbox"],
        "properties": {"bbox": corners, "crs": crs},
    }


def _list_words(words: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(words)}


_SCHEMAS: Mapping[type, Callable[[Any], Schema]] = {
    Primitive: lambda cwl_type: dict(PRIMITIVE_SCHEMAS[cwl_type.name]),
    FileType: _build_file_schema,
    DirectoryType: _build_file_schema,
    AnyType: lambda cwl_type: {},
    NullType: lambda cwl_type: {"nullable": True},
    Array: lambda cwl_type: {"type": "array", "items": build_schema(cwl_type.items)},
    Enum: lambda cwl_type: _list_words(cwl_type.symbols),
    Union: _build_union_schema,
    Record: _build_record_schema,
    Community: _build_community_schema,
}
