"""The schemas of OpenAPI that schemathesis brings: how many errors the document of each version has."""

import json
import sys
import urllib.request
from typing import Any

from schemathesis.specs.openapi.definitions import OPENAPI_30_VALIDATOR, OPENAPI_31_VALIDATOR


def validate(path: str, validator: Any) -> tuple[str, list[str]]:
    """Return the version of a document, and its errors."""
    with urllib.request.urlopen(sys.argv[1] + path) as answer:
        document = json.load(answer)
    return document["openapi"], [str(error.message) for error in validator.iter_errors(document)]


json.dump(dict([validate("/api/3.0", OPENAPI_30_VALIDATOR), validate("/api", OPENAPI_31_VALIDATOR)]), sys.stdout)
