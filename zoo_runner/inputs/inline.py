"""File content that stands inside an execute request: text, JSON, or binary data in base64.

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
from zoo_runner.model.problems import show

LARGEST_INLINE_BYTES = 10 * 2**20
TEXT_ENCODINGS = frozenset({"utf-8", "utf8"})
ENCODINGS_ACCEPTED = "utf-8 or base64"


def read_inline(checker: Checker, value: Mapping[str, Any], path: str) -> Any:
    """The File of `{"value": content}`; what is wrong with it is noted."""
    about = _read_about(value)
    media_type = about.get("mediaType")
    if media_type is not None and not (isinstance(media_type, str) and MEDIA_TYPE.fullmatch(media_type)):
        checker.refuse(f"{path}.mediaType", show(media_type), "a media type such as image/tiff")
        return None
    encoding = about.get("encoding") or "utf-8"
    content = value["value"]
    if isinstance(encoding, str) and encoding.lower() == "base64":
        return _read_base64(checker, content, media_type or "application/octet-stream", path)
    if not isinstance(encoding, str) or encoding.lower() not in TEXT_ENCODINGS:
        checker.refuse(f"{path}.encoding", show(encoding), ENCODINGS_ACCEPTED)
        return None
    return _read_text(checker, content, media_type, path)


def _read_about(value: Mapping[str, Any]) -> dict[str, Any]:
    """Media type and encoding, which stand beside the value, or (in drafts of the standard) in `format`."""
    nested = value.get("format")
    return {**(nested if isinstance(nested, Mapping) else {}), **value}


def _read_text(checker: Checker, content: Any, media_type: str | None, path: str) -> Any:
    if isinstance(content, Mapping | list):
        content, media_type = json.dumps(content), media_type or "application/json"
    if not isinstance(content, str):
        checker.refuse(f"{path}.value", show(content), "text, JSON, or base64 with its encoding")
        return None
    try:
        size_bytes = len(content.encode())
    except UnicodeEncodeError:
        checker.refuse(f"{path}.value", "text with half a character", "text that UTF-8 can write")
        return None
    if not _fits(checker, size_bytes, path):
        return None
    return _file(path, media_type or "text/plain") | {"contents": content}


def _read_base64(checker: Checker, content: Any, media_type: str, path: str) -> Any:
    if not isinstance(content, str):
        checker.refuse(f"{path}.value", show(content), "data in base64, as text")
        return None
    if not _fits(checker, len(content) * 3 // 4, path):
        return None
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        checker.refuse(f"{path}.value", f"{len(content)} characters that are not base64", "data in base64")
        return None
    plain = media_type.partition(";")[0].strip()
    return _file(path, media_type) | {"location": f"data:{plain};base64,{base64.b64encode(data).decode()}"}


def _fits(checker: Checker, size_bytes: int, path: str) -> bool:
    if size_bytes <= LARGEST_INLINE_BYTES:
        return True
    largest = f"at most {LARGEST_INLINE_BYTES} bytes inline; give larger data as a link by href"
    checker.refuse(f"{path}.value", f"{size_bytes} bytes", largest)
    return False


def _file(path: str, media_type: str) -> dict[str, Any]:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path).strip("_") or "content"
    name = f"{stem[:100]}{extension_of(media_type)}"
    return {"class": "File", "basename": name, "format": media_type_uri(media_type)}
