"""File content inside an execute request: text, JSON, or binary data in base64.

OGC API - Processes, Part 1 (OGC 18-062r2, section 7.11.2.2): `{"value": ..., "mediaType": ..., "encoding": ...}`.
Text becomes a CWL File literal (`contents`), binary data a `data:` URL (RFC 2397) that stage-in writes to disk.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from zoo_runner.inputs.formats import MEDIA_TYPE, extension_of, media_type_uri
from zoo_runner.inputs.values import Checker
from zoo_runner.model.problems import ValuePath, format_path

LARGEST_INLINE_BYTES = 10 * 2**20
TEXT_ENCODINGS = frozenset({"utf-8", "utf8"})
ENCODINGS_ACCEPTED = "utf-8 or base64"


def read_inline(checker: Checker, value: Mapping[str, Any], path: ValuePath) -> Any:
    """Build the File of `{"value": content}`; adds its problems to the checker."""
    about = _read_about(value)
    media_type = about.get("mediaType")
    if media_type is not None and not (isinstance(media_type, str) and MEDIA_TYPE.fullmatch(media_type)):
        checker.expect((*path, "mediaType"), "a media type such as image/tiff", media_type, "inputs.value")
        return None
    encoding = about.get("encoding") or "utf-8"
    content = value["value"]
    if is_binary(value):
        return _read_base64(checker, content, media_type or "application/octet-stream", path)
    if not isinstance(encoding, str) or encoding.lower() not in TEXT_ENCODINGS:
        checker.expect((*path, "encoding"), ENCODINGS_ACCEPTED, encoding, "inputs.value")
        return None
    return _read_text(checker, content, media_type, path)


def is_binary(value: Mapping[str, Any]) -> bool:
    """Whether `{"value": content}` is said to be base64."""
    return str(_read_about(value).get("encoding")).lower() == "base64"


def _read_about(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read media type and encoding, which are beside the value, or (in drafts of the standard) in `format`."""
    nested = value.get("format")
    return {**(nested if isinstance(nested, Mapping) else {}), **value}


def _read_text(checker: Checker, content: Any, media_type: str | None, path: ValuePath) -> Any:
    if isinstance(content, Mapping | list):
        content, media_type = json.dumps(content), media_type or "application/json"
    if not isinstance(content, str):
        checker.expect((*path, "value"), "text, JSON, or base64 with its encoding", content)
        return None
    try:
        size_bytes = len(content.encode())
    except UnicodeEncodeError:
        checker.refuse((*path, "value"), "inputs.value", "the text has half a character (a lone surrogate)")
        return None
    if not _fits(checker, size_bytes, path):
        return None
    return _file(path, media_type or "text/plain") | {"contents": content}


def _read_base64(checker: Checker, content: Any, media_type: str, path: ValuePath) -> Any:
    if not isinstance(content, str):
        checker.expect((*path, "value"), "data in base64, as text", content)
        return None
    if not _fits(checker, len(content) * 3 // 4, path):
        return None
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        message = f"expected base64, got {len(content)} characters that are not"
        checker.refuse((*path, "value"), "inputs.value", message)
        return None
    plain = media_type.partition(";")[0].strip()
    return _file(path, media_type) | {"location": f"data:{plain};base64,{base64.b64encode(data).decode()}"}


def _fits(checker: Checker, size_bytes: int, path: ValuePath) -> bool:
    if size_bytes <= LARGEST_INLINE_BYTES:
        return True
    message = f"{size_bytes} bytes inline, at most {LARGEST_INLINE_BYTES} are allowed; give a link (href) instead"
    checker.refuse((*path, "value"), "inputs.too-large", message)
    return False


def _file(path: ValuePath, media_type: str) -> dict[str, Any]:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", format_path(path)).strip("_") or "content"
    name = f"{stem[:100]}{extension_of(media_type)}"
    return {"class": "File", "basename": name, "format": media_type_uri(media_type)}
