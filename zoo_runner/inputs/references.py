"""Files and folders in a job: checks what refers to them and resolves it to a location."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from zoo_runner.inputs.formats import MEDIA_TYPE, media_type_uri
from zoo_runner.inputs.inline import read_inline
from zoo_runner.inputs.values import Checker
from zoo_runner.model.problems import ValuePath, suggest
from zoo_runner.package.cwltypes import DirectoryType, FileType, describe_type

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
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
LIST_KEYS = ("secondaryFiles", "listing")


@dataclass(frozen=True)
class ReferenceReader:
    """Reads references relative to `base`: a local folder, or the URL of the document that they stand in.

    With `base` None nothing is relative: a reference is a URL or an absolute path. `namespaces` are the
    prefixes that the document declares for the formats of files.
    """

    base: str | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, reference: str) -> str | None:
        """The location (a URI) that a path or URL means; None where it cannot be told."""
        if not reference.strip() or UNWRITABLE.search(reference):
            return None
        if SCHEME.match(reference):
            return reference
        if reference.startswith("/"):
            return Path(os.path.normpath(reference)).as_uri()
        if self.base is None:
            return None
        if SCHEME.match(self.base):
            return _join_url(self.base, reference)
        return Path(os.path.normpath(Path(self.base).absolute() / reference)).as_uri()

    def check(self, checker: Checker, wanted: FileType | DirectoryType, value: Any, path: ValuePath) -> Any:
        """A File or Directory object with `location`; a handler for a `Checker`."""
        word = describe_type(wanted)
        match value:
            case str():
                return {"class": word, "location": self._locate(checker, word, value, path)}
            case Mapping() if value.get("class") == word:
                return self._check_object(checker, word, value, path)
            case {"href": _} if checker.from_request and "class" not in value:
                return self._check_link(checker, word, value, path)
            case {"value": _} if checker.from_request and "class" not in value:
                if word == "File":
                    return read_inline(checker, value, path)
                checker.refuse(path, "inputs.reference", FOLDER_INLINE)
            case Mapping():
                if "class" in value:
                    checker.expect((*path, "class"), f'"{word}"', value["class"])
                else:
                    checker.refuse((*path, "class"), "inputs.missing", f'required member is missing: "{word}"')
            case _:
                checker.expect(path, f"{word}, as a path or URL", value)
        return None

    def _check_link(self, checker: Checker, word: str, link: Mapping[str, Any], path: ValuePath) -> dict[str, Any]:
        """A link of OGC API - Processes: `href`, and perhaps the media type as `type`."""
        result = {"class": word, "location": self._locate(checker, word, link["href"], (*path, "href"))}
        media_type = link.get("type")
        if media_type is None or word != "File":
            return result
        if not isinstance(media_type, str) or not MEDIA_TYPE.fullmatch(media_type):
            checker.expect((*path, "type"), "a media type such as image/tiff", media_type, "inputs.value")
            return result
        return {**result, "format": media_type_uri(media_type)}

    def _locate(self, checker: Checker, word: str, reference: Any, path: ValuePath) -> str | None:
        location = self.resolve(reference) if isinstance(reference, str) else None
        if location is None:
            relative = "" if self.base is None else ", or a path relative to the job file"
            expected = f"the URL or absolute path of a {word}{relative}"
            checker.expect(path, expected, reference, "inputs.reference")
        return location

    def _check_object(self, checker: Checker, word: str, value: Mapping[str, Any], path: ValuePath) -> dict[str, Any]:
        result: dict[str, Any] = {"class": word}
        if "location" in value:
            # A location is a URI reference, so what has no scheme may be percent-encoded; a path never is.
            written = value["location"]
            plain = unquote(written) if isinstance(written, str) and not SCHEME.match(written) else written
            result["location"] = self._locate(checker, word, plain, (*path, "location"))
        elif "path" in value:
            result["location"] = self._locate(checker, word, value["path"], (*path, "path"))
        elif ("contents" if word == "File" else "listing") not in value:
            message = f"required member is missing: the path or URL of a {word}"
            checker.refuse((*path, "location"), "inputs.missing", message)
        for key, member in value.items():
            if key not in ENGINE_KEYS and member is not None:
                result[key] = self._check_member(checker, key, member, (*path, str(key)))
        return result

    def _check_member(self, checker: Checker, key: str, member: Any, path: ValuePath) -> Any:
        if key in LIST_KEYS:
            return self._check_list(checker, member, path)
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


def _join_url(base: str, reference: str) -> str | None:
    """Joins like RFC 3986, section 5, for every scheme: the library knows only some (and not s3)."""
    scheme, _, rest = base.partition(":")
    try:
        return f"{scheme}:{urljoin(f'http:{rest}', reference).removeprefix('http:')}"
    except ValueError:
        return None
