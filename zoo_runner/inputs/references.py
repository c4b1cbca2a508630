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
from zoo_runner.model.problems import show, suggest
from zoo_runner.package.cwltypes import DirectoryType, FileType, describe_type

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
FOLDER_ACCEPTED = 'a link such as {"href": "https://..."}; a Directory has no content of its own'
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

    def check(self, checker: Checker, wanted: FileType | DirectoryType, value: Any, path: str) -> Any:
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
                checker.refuse(path, "inline content", FOLDER_ACCEPTED)
            case Mapping():
                found = show(value["class"]) if "class" in value else "nothing"
                checker.refuse(f"{path}.class", found, f'"{word}"')
            case _:
                checker.refuse(path, show(value), f"{word}, as a path or URL")
        return None

    def _check_link(self, checker: Checker, word: str, link: Mapping[str, Any], path: str) -> dict[str, Any]:
        """A link of OGC API - Processes: `href`, and perhaps the media type as `type`."""
        result = {"class": word, "location": self._locate(checker, word, link["href"], f"{path}.href")}
        media_type = link.get("type")
        if media_type is None or word != "File":
            return result
        if not isinstance(media_type, str) or not MEDIA_TYPE.fullmatch(media_type):
            checker.refuse(f"{path}.type", show(media_type), "a media type such as image/tiff")
            return result
        return {**result, "format": media_type_uri(media_type)}

    def _locate(self, checker: Checker, word: str, reference: Any, path: str) -> str | None:
        location = self.resolve(reference) if isinstance(reference, str) else None
        if location is None:
            relative = "" if self.base is None else ", or a path relative to the job file"
            checker.refuse(path, show(reference), f"the URL or absolute path of a {word}{relative}")
        return location

    def _check_object(self, checker: Checker, word: str, value: Mapping[str, Any], path: str) -> dict[str, Any]:
        result: dict[str, Any] = {"class": word}
        if "location" in value:
            # A location is a URI reference, so what has no scheme may be percent-encoded; a path never is.
            written = value["location"]
            plain = unquote(written) if isinstance(written, str) and not SCHEME.match(written) else written
            result["location"] = self._locate(checker, word, plain, f"{path}.location")
        elif "path" in value:
            result["location"] = self._locate(checker, word, value["path"], f"{path}.path")
        elif ("contents" if word == "File" else "listing") not in value:
            checker.refuse(f"{path}.location", "nothing", f"the path or URL of a {word}")
        for key, member in value.items():
            if key not in ENGINE_KEYS and member is not None:
                result[key] = self._check_member(checker, key, member, f"{path}.{key}")
        return result

    def _check_member(self, checker: Checker, key: str, member: Any, path: str) -> Any:
        if key in LIST_KEYS:
            return self._check_list(checker, member, path)
        if key not in PLAIN_KEYS:
            known = ("location", "path", *PLAIN_KEYS, *LIST_KEYS)
            return checker.refuse(path, "a member that files do not have", suggest(str(key), known))
        if not isinstance(member, PLAIN_KEYS[key]) or isinstance(member, bool):
            words = {str: "string", int: "integer"}
            return checker.refuse(path, show(member), words[PLAIN_KEYS[key]])
        if key == "basename" and not BASENAME.fullmatch(str(member)):
            return checker.refuse(path, show(member), "a file name without folders")
        return self._expand(str(member)) if key == "format" else member

    def _expand(self, uri: str) -> str:
        prefix, colon, rest = uri.partition(":")
        return f"{self.namespaces[prefix]}{rest}" if colon and prefix in self.namespaces else uri

    def _check_list(self, checker: Checker, members: Any, path: str) -> Any:
        if not isinstance(members, list):
            return checker.refuse(path, show(members), "array of File or Directory")
        checked = []
        for index, member in enumerate(members):
            is_folder = isinstance(member, Mapping) and member.get("class") == "Directory"
            checked.append(checker.check(DirectoryType() if is_folder else FileType(), member, f"{path}[{index}]"))
        return checked


def _join_url(base: str, reference: str) -> str | None:
    """Joins like RFC 3986, section 5, for every scheme: the library knows only some (and not s3)."""
    scheme, _, rest = base.partition(":")
    try:
        return f"{scheme}:{urljoin(f'http:{rest}', reference).removeprefix('http:')}"
    except ValueError:
        return None
