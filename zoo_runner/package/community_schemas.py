"""The EO community's named types, kept here so that packages that import them need no network.

The names and members are those of github.com/eoap/schemas (`string_format.yaml`, `ogc.yaml`, `geojson.yaml`,
`stac.yaml`); the definitions are our own, based on the standards that they represent: JSON Schema formats, OGC API -
Processes Part 1 (section 7.11.2.3), RFC 7946 and STAC 1.0. Members that are optional there are optional here.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Type = Mapping[str, Any]

KNOWN_URL = re.compile(
    r"https://(?:raw\.githubusercontent\.com/eoap/schemas|github\.com/eoap/schemas/raw)"
    r"/(?:refs/(?:heads|tags)/)?[\w.-]+/(string_format|ogc|geojson|stac)\.ya?ml"
)
STRING_FORMATS = (
    *("Date", "DateTime", "Duration", "Email", "Hostname", "IDNEmail", "IDNHostname", "IPv4", "IPv6", "IRI"),
    *("IRIReference", "JsonPointer", "Password", "RelativeJsonPointer", "UUID", "URI", "URIReference"),
    *("URITemplate", "Time"),
)
CRS = tuple(f"http://www.opengis.net/def/crs/OGC/{name}" for name in ("1.3/CRS84", "0/CRS84h"))
PROVIDER_ROLES = ("licensor", "producer", "processor", "host")
GEOMETRY_DEPTHS = {
    **{"Point": 1, "LineString": 2, "Polygon": 3},
    **{"MultiPoint": 2, "MultiLineString": 3, "MultiPolygon": 4},
}


def find_document(uri: str) -> bytes | None:
    """Return the document at a well-known address; None for any other address."""
    known = KNOWN_URL.fullmatch(uri)
    return json.dumps(_DOCUMENTS[known[1]](), indent=1).encode() if known else None


def _array(items: Any) -> Type:
    return {"type": "array", "items": items}


def _optional(cwl_type: Any) -> list[Any]:
    return ["null", *(cwl_type if isinstance(cwl_type, list) else [cwl_type])]


def _record(name: str, /, **members: Any) -> Type:
    fields = [{"name": member, "type": cwl_type} for member, cwl_type in members.items()]
    return {"type": "record", "name": name, "fields": fields}


def _enum(name: str, symbols: Iterable[str]) -> Type:
    return {"type": "enum", "name": name, "symbols": list(symbols)}


TEXT, TEXTS = _optional("string"), _optional(_array("string"))


def _build_string_formats() -> list[Type]:
    return [_record(name, value="string") for name in STRING_FORMATS]


def _build_ogc() -> list[Type]:
    return [_enum("CRS", CRS), _record("BBox", bbox=_array("double"), crs="CRS")]


def _build_tagged(name: str, /, **members: Any) -> list[Type]:
    """Build a record whose `type` is its name, as all of GeoJSON is; a bounding box is optional in each."""
    bounds = _optional(_array("double"))
    return [_enum(f"{name}Type", [name]), _record(name, type=f"{name}Type", **members, bbox=bounds)]


def _build_geometries() -> list[Type]:
    types: list[Type] = []
    for name, depth in GEOMETRY_DEPTHS.items():
        coordinates: Any = "double"
        for _ in range(depth):
            coordinates = _array(coordinates)
        types += _build_tagged(name, coordinates=coordinates)
    return types


def _build_geojson() -> list[Type]:
    geometry = list(GEOMETRY_DEPTHS)
    link = {name: _optional("string") for name in ("rel", "type", "hreflang", "title")}
    return [
        *_build_geometries(),
        *_build_tagged("GeometryCollection", geometries=_array(geometry)),
        *_build_tagged("Feature", id=_optional(["string", "long"]), geometry=_optional(geometry)),
        _record("Link", href="string", **link, length=_optional("int")),
        *_build_tagged(
            "FeatureCollection",
            features=_array("Feature"),
            links=_optional(_array("Link")),
            timeStamp=_optional("string"),
            numberMatched=_optional("int"),
            numberReturned=_optional("int"),
        ),
    ]


def _build_stac() -> list[Type]:
    shared = {"stac_version": "string", "stac_extensions": TEXTS, "id": "string", "links": _array("Link")}
    described = {"title": TEXT, "description": "string"}
    return [
        *_build_geometries(),
        *_build_common_metadata(),
        _enum("FeatureType", ["Feature"]),
        _enum("CatalogType", ["Catalog"]),
        _enum("CollectionType", ["Collection"]),
        _record("Link", href="string", rel="string", title=TEXT, type=TEXT),
        _record("Asset", href="string", title=TEXT, description=TEXT, type=TEXT, roles=TEXTS),
        _record("Catalog", type="CatalogType", **shared, **described),
        _record("Spatial", bbox=_array(_array("double"))),
        _record("Temporal", interval=_array(_array(TEXT))),
        _record("Extents", spatial="Spatial", temporal="Temporal"),
        _record("Range", minimum=["int", "double", "string"], maximum=["int", "double", "string"]),
        _record(
            "Collection",
            type="CollectionType",
            **shared,
            **described,
            keywords=TEXTS,
            license="string",
            providers=_optional(_array("Provider")),
            # required by STAC, but the community's own example has none
            extent=_optional("Extents"),
            summaries=_optional("Any"),
            assets=_optional("Any"),
        ),
        _record(
            "Item",
            type="FeatureType",
            **shared,
            geometry=_optional(list(GEOMETRY_DEPTHS)),
            bbox=_optional(_array("double")),
            properties="Any",
            assets="Any",
            collection=TEXT,
        ),
    ]


def _build_common_metadata() -> list[Type]:
    """Build the groups of STAC 1.0's common metadata, under the community's names; every member is optional."""
    times = ("datetime", "start_datetime", "end_datetime", "created", "updated")
    return [
        _record("BasicDescriptiveFields", title=TEXT, description=TEXT),
        _record("DateTime", **dict.fromkeys(times, TEXT)),
        _record(
            "Instrument",
            **dict.fromkeys(("platform", "constellation", "mission"), TEXT),
            instruments=TEXTS,
            gsd=_optional("double"),
        ),
        _record("Licensing", license=TEXT),
        _enum("Role", PROVIDER_ROLES),
        _record("Provider", name="string", description=TEXT, roles=_optional(_array("Role")), url=TEXT),
    ]


_DOCUMENTS: Mapping[str, Callable[[], list[Type]]] = {
    "string_format": _build_string_formats,
    "ogc": _build_ogc,
    "geojson": _build_geojson,
    "stac": _build_stac,
}
