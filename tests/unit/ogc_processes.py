"""The schemas of OGC API - Processes, Part 1 (OGC 18-062r2), restated for offline tests.

Follows `landingPage.yaml`, `confClasses.yaml`, `processList.yaml`, `processSummary.yaml`, `statusInfo.yaml`,
`jobList.yaml`, `results.yaml`, `exception.yaml`, `process.yaml`, `metadata.yaml`, `inputDescription.yaml`,
`outputDescription.yaml`, `link.yaml` and `schema.yaml` of
schemas.opengis.net/ogcapi/processes/part1/1.0/openapi/schemas; exclusive limits are booleans there.
"""

from typing import Any

TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}
SCHEMA = {"$ref": "#/$defs/schema"}
SCHEMAS = {"type": "array", "items": SCHEMA}
METADATA = {"type": "object", "properties": {"title": TEXT, "role": TEXT, "href": TEXT}}
DESCRIPTION = {
    "title": TEXT,
    "description": TEXT,
    "keywords": {"type": "array", "items": TEXT},
    "metadata": {"type": "array", "items": METADATA},
}


def each(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, schema)


def one_of(*words: str) -> dict[str, Any]:
    return {"type": "array", "items": {"enum": list(words)}}


SCHEMA_OBJECT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **each(TEXT, "title", "pattern", "description", "format"),
        **each(TEXT, "contentMediaType", "contentEncoding", "contentSchema", "$ref"),
        **each({"type": "number"}, "multipleOf", "maximum", "minimum"),
        **each(FLAG, "exclusiveMaximum", "exclusiveMinimum", "uniqueItems"),
        **each(FLAG, "nullable", "readOnly", "writeOnly", "deprecated"),
        **each(COUNT, "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"),
        **each(SCHEMAS, "allOf", "oneOf", "anyOf"),
        **each(SCHEMA, "not", "items"),
        **each({}, "default", "example"),
        "required": {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
        "enum": {"type": "array", "minItems": 1},
        "type": {"enum": ["array", "boolean", "integer", "number", "object", "string"]},
        "properties": {"type": "object", "additionalProperties": SCHEMA},
        "additionalProperties": {"oneOf": [SCHEMA, FLAG]},
    },
}
INPUT = {
    "type": "object",
    "required": ["schema"],
    "properties": {
        **DESCRIPTION,
        "schema": SCHEMA,
        "minOccurs": {"type": "integer"},
        "maxOccurs": {"oneOf": [{"type": "integer"}, {"enum": ["unbounded"]}]},
    },
}
OUTPUT = {"type": "object", "required": ["schema"], "properties": {**DESCRIPTION, "schema": SCHEMA}}
LINK = {"type": "object", "required": ["href"], "properties": each(TEXT, "href", "rel", "type", "title")}
PROCESS: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"schema": SCHEMA_OBJECT},
    "type": "object",
    "required": ["id", "version"],
    "properties": {
        **DESCRIPTION,
        "id": TEXT,
        "version": TEXT,
        "jobControlOptions": one_of("sync-execute", "async-execute", "dismiss"),
        "outputTransmission": one_of("value", "reference"),
        "links": {"type": "array", "items": LINK},
        "inputs": {"type": "object", "additionalProperties": INPUT},
        "outputs": {"type": "object", "additionalProperties": OUTPUT},
    },
}
LINKS = {"type": "array", "items": LINK}
LANDING_PAGE: dict[str, Any] = {
    "type": "object",
    "required": ["links"],
    "properties": {"title": TEXT, "description": TEXT, "links": LINKS},
}
CONFORMANCE: dict[str, Any] = {
    "type": "object",
    "required": ["conformsTo"],
    "properties": {"conformsTo": {"type": "array", "items": TEXT}},
}
SUMMARY: dict[str, Any] = {**PROCESS, "not": {"required": ["inputs"]}}
PROCESS_LIST: dict[str, Any] = {
    "type": "object",
    "required": ["processes", "links"],
    "properties": {"processes": {"type": "array", "items": SUMMARY}, "links": LINKS},
    "$defs": PROCESS["$defs"],
}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
STATUS_INFO: dict[str, Any] = {
    "type": "object",
    "required": ["jobID", "status", "type", "id", "processingEntityType"],
    "properties": {
        "processID": TEXT,
        "type": {"enum": ["process"]},
        "jobID": TEXT,
        "id": TEXT,
        "processingEntityType": TEXT,
        "status": {"enum": ["accepted", "running", "successful", "failed", "dismissed"]},
        "message": TEXT,
        **each(TIME, "created", "started", "finished", "updated"),
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "links": LINKS,
    },
}
JOB_LIST: dict[str, Any] = {
    "type": "object",
    "required": ["jobs", "links"],
    "properties": {"jobs": {"type": "array", "items": STATUS_INFO}, "links": LINKS},
}
EXCEPTION: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "properties": {**each(TEXT, "type", "title", "detail", "instance"), "status": {"type": "integer"}},
    "additionalProperties": True,
}
RESULTS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "integer", "array", "boolean"]},
            LINK,
            {"type": "object", "required": ["value"]},
            {"type": "object", "required": ["bbox"]},
        ]
    },
}
