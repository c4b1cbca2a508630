"""Reference → package: resolved, packed, validated, with a digest; kept so that it is done once."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from zoo_runner.config.settings import Settings
from zoo_runner.files import write_atomically
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package, SourceFile
from zoo_runner.package.documents import Documents, Fetch, as_uri, fetch_over_http, is_remote
from zoo_runner.package.entry import choose_entry
from zoo_runner.package.order import find_written, order_as_written

# part of the cache key: raise it when a kept package would no longer be what resolving gives
_FORMAT = 4


def load_package(reference: str, settings: Settings, fetch: Fetch = fetch_over_http) -> Package:
    """Load an application package from a path or URL, with or without `#id`.

    A package whose files have not changed comes from the cache, without cwltool and (but for its own URL) without
    network. Raises `PackageError`.
    """
    uri = as_uri(reference)
    documents = Documents(uri, settings, fetch)
    kept = _kept_path(uri, settings)
    package = _read_kept(kept, documents)
    if package is None:
        package = _resolve(uri, documents)
        write_atomically(kept, json.dumps(asdict(package)).encode())
    return package


def load_kept_package(reference: str, settings: Settings, fetch: Fetch = fetch_over_http) -> Package | None:
    """Load a package if the cache has it as it is now; without cwltool."""
    uri = as_uri(reference)
    return _read_kept(_kept_path(uri, settings), Documents(uri, settings, fetch))


def _kept_path(uri: str, settings: Settings) -> Path:
    return settings.cache / "packages" / f"{sha256(f'{_FORMAT} {uri}'.encode()).hexdigest()}.json"


def _read_kept(kept: Path, documents: Documents) -> Package | None:
    try:
        fields = json.loads(kept.read_bytes())
        files = tuple(SourceFile(**file) for file in fields.pop("files"))
        package = Package(**fields, files=files)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    try:
        unchanged = all(sha256(documents.read(f.uri)).hexdigest() == f.sha256 for f in package.files)
    except PackageError:
        # a file that is gone: resolving anew says so in the context of what refers to it
        return None
    return package if unchanged else None


def _resolve(uri: str, documents: Documents) -> Package:
    from zoo_runner.package.packing import check_documents, pack_documents, read_root

    root = read_root(documents, uri)
    entry_uri = choose_entry(root, uri)
    check_documents(documents, entry_uri, root["cwlVersion"])
    packed, rewrite = pack_documents(documents, entry_uri)
    packed.update({key: value for key, value in root.items() if ":" in key and key not in packed})
    entry = next((new for old, new in rewrite.items() if old == entry_uri), "#main")
    for process in packed["$graph"]:
        if process["id"] == entry:
            order_as_written(process, find_written(root, entry_uri))
    return build_package(packed, entry, _workflow_id(root, entry_uri), rewrite, documents.files)


def _workflow_id(root: Mapping[str, Any], entry_uri: str) -> str:
    base, fragment = urldefrag(entry_uri)
    own = str(root.get("id", "")).lstrip("#") if "$graph" not in root else ""
    name = fragment or own or Path(unquote(urlsplit(base).path)).stem
    return name.rpartition("#")[2].rpartition("/")[2] or "workflow"


def build_package(
    packed: Mapping[str, Any],
    entry: str,
    workflow_id: str,
    rewrite: Mapping[str, str],
    files: tuple[SourceFile, ...],
) -> Package:
    """Make a package from a packed document; `rewrite` maps the author's URIs to packed ids."""
    named = {str(kind["name"]) for kind in _schema_types(packed) if isinstance(kind, dict) and "name" in kind}
    types = {new: old for old, new in rewrite.items() if new in named}
    digest = sha256(json.dumps([packed, entry], sort_keys=True).encode()).hexdigest()
    origins = {new: old for old, new in rewrite.items()}
    return Package(dict(packed), entry, workflow_id, types, digest, files, origins)


def _schema_types(node: Any) -> list[Any]:
    """Every type that a SchemaDefRequirement names, wherever it stands."""
    if isinstance(node, list):
        return [kind for item in node for kind in _schema_types(item)]
    if not isinstance(node, dict):
        return []
    own = node.get("types", []) if node.get("class") == "SchemaDefRequirement" else []
    return [*own, *(kind for value in node.values() for kind in _schema_types(value))]


def is_web_reference(reference: str) -> bool:
    """Whether a package is fetched from the web, and so may change without a trace here."""
    return is_remote(as_uri(reference))
