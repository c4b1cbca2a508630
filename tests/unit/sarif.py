"""The part of the SARIF 2.1.0 schema (OASIS, 27 March 2020) that a log of findings uses, restated for offline tests."""

from typing import Any

TEXT = {"type": "string"}
URI = {"type": "string", "format": "uri-reference"}
FROM_ONE = {"type": "integer", "minimum": 1}


def strict(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def many(items: Any, **limits: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


MESSAGE = strict(["text"], text=TEXT)
REGION = strict([], startLine=FROM_ONE, startColumn=FROM_ONE, endLine=FROM_ONE, endColumn=FROM_ONE)
PHYSICAL = strict(["artifactLocation"], artifactLocation=strict([], uri=URI), region=REGION)
LOGICAL = strict([], name=TEXT, fullyQualifiedName=TEXT, kind=TEXT)
LOCATION = strict([], physicalLocation=PHYSICAL, logicalLocations=many(LOGICAL, uniqueItems=True))
RULE = strict(["id"], id=TEXT, name=TEXT, shortDescription=MESSAGE, fullDescription=MESSAGE, help=MESSAGE, helpUri=URI)
RESULT = strict(
    ["message"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations=many(LOCATION),
)
DRIVER = strict(["name"], name=TEXT, version=TEXT, rules=many(RULE, uniqueItems=True))
RUN = strict(
    ["tool"],
    tool=strict(["driver"], driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=many(RESULT),
)
SARIF = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **strict(["version", "runs"], version={"enum": ["2.1.0"]}, runs=many(RUN)),
}
SARIF["properties"] = {**strict([], version={"enum": ["2.1.0"]}, runs=many(RUN))["properties"], "$schema": URI}
