"""A package's own metadata in the terms of schema.org: version, keywords, people, licence, code."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from zoo_runner.model.package import Package

SCHEMA_ORG = ("https://schema.org/", "http://schema.org/")
PEOPLE = ("author", "contributor", "maintainer", "publisher", "provider", "copyrightHolder")
REFERENCES = ("license", "codeRepository", "softwareHelp", "releaseNotes", "citation")


def read_schema_org(package: Package, term: str) -> Any:
    """Read the value of a schema.org term such as `softwareVersion`; None if the package does not have it.

    Looks in the process first, then in the document, for the full URI and for each prefix of schema.org.
    """
    found = (_read_term(package, place, term) for place in (package.process, package.document))
    return next((value for value in found if value is not None), None)


def read_software_version(package: Package) -> str | None:
    """Read the version that the author gave the package (`softwareVersion`, or `version`), if any."""
    for term in ("softwareVersion", "version"):
        version = read_schema_org(package, term)
        if isinstance(version, str | int | float) and str(version).strip():
            return str(version).strip()
    return None


def read_keywords(package: Package) -> list[str]:
    """Read the keywords, given as a list or as words between commas."""
    keywords = read_schema_org(package, "keywords")
    words = keywords.split(",") if isinstance(keywords, str) else _listed(keywords)
    return [word.strip() for word in words if isinstance(word, str) and word.strip()]


def build_metadata(package: Package) -> list[dict[str, str]]:
    """Build people, licence and code as the member `metadata` of a description (OGC 18-062r2, `metadata.yaml`).

    `role` is the schema.org term, `title` a name or text, `href` a web address where there is one.
    """
    return [
        {"role": f"{SCHEMA_ORG[0]}{term}", **entry}
        for term in (*PEOPLE, *REFERENCES)
        for value in _listed(read_schema_org(package, term))
        for entry in _describe(package, value)
    ]


def _describe(package: Package, value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, Mapping):
        name = _read_text(package, value, "name")
        email = _read_text(package, value, "email").removeprefix("mailto:")
        href = next(filter(_is_web, (_read_text(package, value, term) for term in ("url", "identifier", "sameAs"))), "")
        title = f"{name} <{email}>" if name and email else name or email
    else:
        text = str(value).strip() if isinstance(value, str | int | float) else ""
        title, href = ("", text) if _is_web(text) else (text, "")
    entry = {key: word for key, word in (("title", title), ("href", href)) if word}
    if entry:
        yield entry


def _read_text(package: Package, node: Mapping[str, Any], term: str) -> str:
    value = _read_term(package, node, term)
    if term == "identifier" and value is None:
        value = node.get("@id", node.get("id"))
    return value.strip() if isinstance(value, str) else ""


def _read_term(package: Package, node: Mapping[str, Any], term: str) -> Any:
    namespaces = package.document.get("$namespaces") or {}
    prefixes = [prefix for prefix, uri in namespaces.items() if str(uri) in SCHEMA_ORG] or ["s"]
    keys = [*(f"{uri}{term}" for uri in SCHEMA_ORG), *(f"{prefix}:{term}" for prefix in prefixes)]
    return next((node[key] for key in keys if node.get(key) is not None), None)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_web(text: str) -> bool:
    try:
        return urlsplit(text).scheme in ("http", "https")
    except ValueError:
        return False
