"""Small packed documents, as `cwltool --pack` writes them, for the tests of what reads them."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.model.package import Package

Types = Mapping[str, Any]

EOAP = "https://raw.githubusercontent.com/eoap/schemas/main"
TYPE_NAMES = {
    "#string_format.yaml/URI": f"{EOAP}/string_format.yaml#URI",
    "#string_format.yaml/Date": f"{EOAP}/string_format.yaml#Date",
    "#string_format.yaml/DateTime": f"{EOAP}/string_format.yaml#DateTime",
    "#string_format.yaml/UUID": f"{EOAP}/string_format.yaml#UUID",
    "#string_format.yaml/Password": f"{EOAP}/string_format.yaml#Password",
    "#ogc.yaml/BBox": f"{EOAP}/ogc.yaml#BBox",
    "#geojson.yaml/Point": f"{EOAP}/geojson.yaml#Point",
    "#geojson.yaml/Feature": f"{EOAP}/geojson.yaml#Feature",
}
DOUBLES = {"type": "array", "items": "double"}
COLOUR = {"type": "enum", "symbols": ["#main/colour/red", "#main/colour/green"]}


def record(name: str, /, **members: Any) -> dict[str, Any]:
    fields = [{"name": f"{name}/{member}", "type": kind} for member, kind in members.items()]
    return {"name": name, "type": "record", "fields": fields}


def enum(name: str, *symbols: str) -> dict[str, Any]:
    return {"name": name, "type": "enum", "symbols": list(symbols)}


SCHEMA_DEFS = {
    "class": "SchemaDefRequirement",
    "types": [
        *(record(name, value="string") for name in TYPE_NAMES if name.startswith("#string_format")),
        enum("#ogc.yaml/CRS", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"),
        record("#ogc.yaml/BBox", bbox=DOUBLES, crs="#ogc.yaml/CRS"),
        enum("#geojson.yaml/PointType", "#geojson.yaml/PointType/Point"),
        record("#geojson.yaml/Point", type="#geojson.yaml/PointType", coordinates=DOUBLES, bbox=DOUBLES),
        record("#geojson.yaml/Feature", id="string", geometry=["#geojson.yaml/Point"], bbox=DOUBLES),
        record("#types.yml/Tree", name="string", twig=["null", "#types.yml/Tree"]),
    ],
}


def build_tool(tool_id: str = "#tool", **members: Any) -> dict[str, Any]:
    docker = {"class": "DockerRequirement", "dockerPull": "example.org/tool:1.0"}
    return {
        "class": "CommandLineTool",
        "id": tool_id,
        "baseCommand": "tool",
        "requirements": [docker, {"class": "ResourceRequirement", "ramMax": 512}],
        "inputs": [],
        "outputs": [],
        **members,
    }


def build_parameters(types: Types) -> list[dict[str, Any]]:
    """Inputs or outputs of the entry: a type each, or all that the parameter says."""
    return [
        {"id": f"#main/{name}", **(kind if isinstance(kind, dict) and "$" in kind else {"type": kind})}
        for name, kind in types.items()
    ]


def full(cwl_type: Any, **members: Any) -> dict[str, Any]:
    """A parameter with more than a type, for `build_parameters`."""
    return {"$": True, "type": cwl_type, **members}


def build_package(inputs: Types | None = None, outputs: Types | None = None, **members: Any) -> Package:
    """A workflow `water` with these inputs and outputs, one step and one tool."""
    workflow = {
        "class": "Workflow",
        "id": "#main",
        "requirements": [SCHEMA_DEFS],
        "inputs": build_parameters(inputs or {}),
        "outputs": [{"outputSource": "#main/detect/out", **one} for one in build_parameters(outputs or {})],
        "steps": [{"id": "#main/detect", "in": [], "out": [], "run": "#tool"}],
        **members,
    }
    document = {"cwlVersion": "v1.2", "$graph": [workflow, build_tool()]}
    return Package(document, "#main", "water", TYPE_NAMES, "0" * 64)
