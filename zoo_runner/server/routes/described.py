"""How the answers and bodies of paths are described in the OpenAPI documents, and their media types."""

from typing import Any

from zoo_runner.server import deploying, quicklook, requests, results
from zoo_runner.server.documents import Preflight, Problem, StatusInfo
from zoo_runner.server.pages.document import describe_document
from zoo_runner.server.preconditions import FAILED

CWL_JSON = "application/cwl+json"
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
TEXT = "text/plain; charset=utf-8"


def describe_answer(model: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that has a document of a type."""
    return {status: {"model": model}}


def _describe_body(*media_types: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "object"}} for media_type in media_types}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


# proxies are not to wait for more
AT_ONCE = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
RESULTS = describe_document(dict[str, Any])
RESULTS["responses"][200]["content"][results.MULTIPART] = {}
_VALUES = {"description": "The results of a synchronous execution.", "content": {"*/*": {}}}
EXECUTED: dict[int | str, dict[str, Any]] = describe_answer(StatusInfo, 201) | {
    200: _VALUES,
    204: {"description": "The result, as a link in the header."},
}
DEPLOY = _describe_body(*deploying.PACKAGE_TYPES, *deploying.CWL_TYPES, deploying.MULTIPART_FORM)
EXECUTE = _describe_body("application/json")
DOCUMENT = _describe_body("application/json")
JOB = _describe_body(*requests.JOB_TYPES)
UPLOAD = _describe_body(deploying.MULTIPART_FORM)
HAS_IT: dict[str, Any] = {"description": "The client has it, by its entity tag or its time."}
_CONDITION_FAILED: dict[int | str, dict[str, Any]] = {
    FAILED: {
        "model": Problem,
        "content": {"application/problem+json": {}},
        "description": "The condition of the request is false, and nothing was changed.",
    }
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The `ETag` of the version that is to be changed; another one is not (412).",
    "schema": {"type": "string"},
}
CONDITIONAL: dict[str, Any] = {"responses": _CONDITION_FAILED, "openapi_extra": {"parameters": [_IF_MATCH]}}
"""What the paths declare that look at the conditions of a request that changes something."""
DEPLOY_CONDITIONAL: dict[str, Any] = {
    "responses": describe_answer(Preflight) | _CONDITION_FAILED,
    "openapi_extra": DEPLOY["openapi_extra"] | CONDITIONAL["openapi_extra"],
}
PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {quicklook.MEDIA_TYPE: {}}}, 304: HAS_IT}
ONE_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}},
    206: {"content": {"*/*": {}}, "description": "The range asked for."},
    204: {"description": "It lies at the link."},
    304: HAS_IT,
}
