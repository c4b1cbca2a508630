"""Files and folders in a job: checks references and resolves them to locations."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from stagein.selection import SELECT
from zoo_runner.inputs.formats import MEDIA_TYPE, media_type_uri
from zoo_runner.inputs.inline import read_inline
from zoo_runner.inputs.selection import check_selection
from zoo_runner.inputs.values import Checker
from zoo_runner.model.problems import ValuePath, suggest
from zoo_runner.package.cwltypes import DirectoryType, FileType, describe_type
from zoo_staging.hrefs import is_reference

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:data|file):")
FOLDER_INLINE = 'a Directory cannot be given by value; give a link such as {"href": "https://..."}'
ENGINE_KEYS = frozenset({"class", "location", "path", "dirname", "nameroot", "nameext"})
PLAIN_KEYS: Mapping[str, type] = {
    "basename": str,
    "checksum": str,
    "size": int,
    "format": str,
    "contents": str,
}
BASENAME = re.compile(r"(?!\.{1,2}$)[^/\0\ud800-\udfff]+")
UNWRITABLE = re.compile(r"[\0\ud800-\udfff]")
LITERAL = "_:"
"""Begins the `location` of a file or folder whose content is in the document, in what cwltool prints: a blank node."""
LIST_KEYS = ("secondaryFiles", "listing")


@dataclass(frozen=True)
class ReferenceReader:
    """Reads references relative to `base`: a local folder, or the URL of the document that contains them.

    With `base` None a reference must be a URL or an absolute path. `namespaces` are the
    prefixes that the document declares for the formats of files.
    """

    base: str | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, reference: str, *, is_uri: bool = False) -> str | None:
        """Return the location (a URI) of a reference; None where it cannot be resolved.

        A path is taken literally, including `#`, `?` and `%`; a reference with a scheme is a URL. With `is_uri` it is a
        URI reference, so a relative one may be percent-encoded.
        """
        if not reference.strip() or UNWRITABLE.search(reference):
            return None
        if (SCHEME if is_uri else URL).match(reference):
            return reference if is_reference(reference) else None
        path = unquote(reference) if is_uri else reference
        if path.startswith("/"):
            return _as_uri(path)
        if self.base is None:
            return None
        if SCHEME.match(self.base) and not self.base.startswith("file:"):
            return _join_url(self.base, reference if is_uri else quote(reference))
        return _as_uri(f"{_folder_of(self.base)}/{path}")

    def refers(self, text: str) -> bool:
        """Whether a text that could be a string as well is a reference: it has a scheme, or the file exists."""
        if URL.match(text):
            return not re.search(r"\s", text)
        location = None if self.base is None else self.resolve(text)
        return location is not None and location.startswith("file:") and os.path.lexists(_as_path(location))

    def is_folder(self, text: str) -> bool:
        """Whether a text is the path of a folder on this machine."""
        location = None if self.base is None or URL.match(text) else self.resolve(text)
        return location is not None and location.startswith("file:") and os.path.isdir(_as_path(location))  # noqa: PTH112

    def check(self, checker: Checker, wanted: FileType | DirectoryType, value: Any, path: ValuePath) -> Any:
        """Check a File or Directory object with `location`; a handler for a `Checker`."""
        word = describe_type(wanted)
        match value:
            case str():
                return {"class": word, "location": self._locate(checker, word, value, path)}
            case Mapping() if value.get("class") == word:
                return self._check_object(checker, word, value, path)
            case Mapping() if checker.from_request and ("href" in value or "value" in value):
                return self._check_form_of_requests(checker, word, value, path)
            case {"class": other}:
                checker.expect((*path, "class"), f'"{word}"', other)
            case Mapping():
                checker.refuse((*path, "class"), "inputs.missing", f'required member is missing: "{word}"')
            case _:
                checker.expect(path, f"{word}, as a path or URL", value)
        return None

    def _check_form_of_requests(self, checker: Checker, word: str, value: Mapping[str, Any], path: ValuePath) -> Any:
        """Check a link, content by value, or a value with the URI of its type as class."""
        match value:
            case {"class": str() as kind, "value": str() as href} if is_type_uri(kind):
                return self._check_link(checker, word, {"href": href, "type": value.get("mediaType")}, path)
            case {"class": other}:
                return checker.expect((*path, "class"), f'"{word}"', other)
            case {"href": _}:
                return self._check_link(checker, word, value, path)
        if word == "File":
            return read_inline(checker, value, path)
        return checker.refuse(path, "inputs.reference", FOLDER_INLINE)

    def _check_link(self, checker: Checker, word: str, link: Mapping[str, Any], path: ValuePath) -> dict[str, Any]:
        """Check a link of OGC API - Processes: `href`, and optionally the media type as `type`."""
        location = self._locate(checker, word, link["href"], (*path, "href"), is_uri=True)
        result: dict[str, Any] = {"class": word, "location": location}
        if word == "Directory" and link.get(SELECT) is not None:
            result[SELECT] = check_selection(checker, link[SELECT], (*path, SELECT))
        media_type = link.get("type")
        if media_type is None or word != "File":
            return result
        if not isinstance(media_type, str) or not MEDIA_TYPE.fullmatch(media_type):
            checker.expect((*path, "type"), "a media type such as image/tiff", media_type, "inputs.value")
            return result
        return {**result, "format": media_type_uri(media_type)}

    def _locate(
        self, checker: Checker, word: str, reference: Any, path: ValuePath, *, is_uri: bool = False
    ) -> str | None:
        location = self.resolve(reference, is_uri=is_uri) if isinstance(reference, str) else None
        if location is None:
            relative = "" if self.base is None else ", or a path relative to the job file"
            expected = f"the URL or absolute path of a {word}{relative}"
            checker.expect(path, expected, reference, "inputs.reference")
        return location

    def _check_object(self, checker: Checker, word: str, value: Mapping[str, Any], path: ValuePath) -> dict[str, Any]:
        result: dict[str, Any] = {"class": word}
        has_content = ("contents" if word == "File" else "listing") in value
        if has_content and str(value.get("location")).startswith(LITERAL):
            return self._add_members(checker, word, value, path, result)
        if "location" in value:
            result["location"] = self._locate(checker, word, value["location"], (*path, "location"), is_uri=True)
        elif "path" in value:
            result["location"] = self._locate(checker, word, value["path"], (*path, "path"))
        elif not has_content:
            message = f"required member is missing: the path or URL of a {word}"
            checker.refuse((*path, "location"), "inputs.missing", message)
        return self._add_members(checker, word, value, path, result)

    def _add_members(
        self, checker: Checker, word: str, value: Mapping[str, Any], path: ValuePath, result: dict[str, Any]
    ) -> dict[str, Any]:
        for key, member in value.items():
            if key not in ENGINE_KEYS and member is not None:
                result[key] = self._check_member(checker, key, member, (*path, str(key)), word)
        return result

    def _check_member(self, checker: Checker, key: str, member: Any, path: ValuePath, word: str) -> Any:
        if key in LIST_KEYS:
            return self._check_list(checker, member, path)
        if key == SELECT and word == "Directory":
            return check_selection(checker, member, path)
        if key not in PLAIN_KEYS:
            known = ("location", "path", *PLAIN_KEYS, *LIST_KEYS)
            return checker.refuse(path, "inputs.unknown", f"unknown member of a file; {suggest(str(key), known)}")
        if not isinstance(member, PLAIN_KEYS[key]) or isinstance(member, bool):
            words = {str: "string", int: "integer"}
            return checker.expect(path, words[PLAIN_KEYS[key]], member)
        if key == "basename" and not BASENAME.fullmatch(str(member)):
            return checker.expect(path, "a file name without folders", member, "inputs.value")
        return self._expand(str(member)) if key == "format" else member

    def _expand(self, uri: str) -> str:
        prefix, colon, rest = uri.partition(":")
        return f"{self.namespaces[prefix]}{rest}" if colon and prefix in self.namespaces else uri

    def _check_list(self, checker: Checker, members: Any, path: ValuePath) -> Any:
        if not isinstance(members, list):
            return checker.expect(path, "array of File or Directory", members)
        checked = []
        for index, member in enumerate(members):
            is_folder = isinstance(member, Mapping) and member.get("class") == "Directory"
            checked.append(checker.check(DirectoryType() if is_folder else FileType(), member, (*path, index)))
        return checked


def is_type_uri(name: str) -> bool:
    """Whether a `class` is the URI of a type, as clients of the EO community send: `https://….yaml#URL`."""
    return "#" in name or "://" in name


def _folder_of(base: str) -> str:
    """Return the folder of a base: a folder itself, or the URI of a file in it."""
    return _as_path(base).rpartition("/")[0] if base.startswith("file:") else str(Path(base).absolute())


def _as_path(uri: str) -> str:
    return unquote(urlsplit(uri).path)


def _as_uri(path: str) -> str | None:
    return None if UNWRITABLE.search(path) else Path(os.path.normpath(path)).as_uri()


def _join_url(base: str, reference: str) -> str | None:
    """Join as in RFC 3986, section 5, for every scheme: `urllib` joins for some only (not for s3)."""
    scheme, _, rest = base.partition(":")
    try:
        return f"{scheme}:{urljoin(f'http:{rest}', reference).removeprefix('http:')}"
    except ValueError:
        return None
