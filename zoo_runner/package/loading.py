"""Load a package from a reference: resolved, packed, validated, with a digest; cached, so that it is done once."""

import shutil
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
from zoo_runner.model.portable import find_unportable
from zoo_runner.model.written import read_json, write_json
from zoo_runner.package.documents import Documents, Fetch, as_uri, is_remote, join_uri
from zoo_runner.package.graph_ids import name_process
from zoo_runner.package.processes import find_runs

# part of the cache key: raise it when resolving gives another result than a cached package
_FORMAT = 8
_ORDERED_SECTIONS = ("inputs", "outputs")


def load_package(reference: str, settings: Settings, fetch: Fetch | None = None) -> Package:
    """Load an application package from a path or URL, with or without `#id`.

    A package whose documents have not changed comes from the cache, without cwltool. Those on the web are requested
    each time, to compare them. Raises `PackageError`.
    """
    uri = as_uri(reference)
    documents = Documents(uri, settings, fetch)
    kept = _kept_path(uri, settings)
    package = _read_kept(kept, documents)
    if package is None:
        package = _resolve(uri, documents)
        _remove_documents(settings)
        write_atomically(kept, write_json(asdict(package)).encode())
    return package


def load_kept_package(reference: str, settings: Settings, fetch: Fetch | None = None) -> Package | None:
    """Load a package if the cache has its current version; without cwltool."""
    uri = as_uri(reference)
    return _read_kept(_kept_path(uri, settings), Documents(uri, settings, fetch))


def load_resolved_package(reference: str, settings: Settings) -> Package | None:
    """Load a package that was resolved a moment ago: nothing of it is asked for again; None where it is not there."""
    return _parse_kept(_kept_path(as_uri(reference), settings))


def _kept_path(uri: str, settings: Settings) -> Path:
    return settings.cache / "packages" / f"{sha256(f'{_FORMAT} {uri}'.encode()).hexdigest()}.json"


def _remove_documents(settings: Settings) -> None:
    """Remove the documents of the web that earlier versions kept here by address: nothing reads them any more."""
    shutil.rmtree(settings.cache / "documents", ignore_errors=True)


def _parse_kept(kept: Path) -> Package | None:
    try:
        fields = read_json(kept.read_bytes())
        files = tuple(SourceFile(**file) for file in fields.pop("files"))
        return Package(**fields, files=files)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _read_kept(kept: Path, documents: Documents) -> Package | None:
    package = _parse_kept(kept)
    if package is None:
        return None
    try:
        unchanged = all(sha256(documents.read(f.uri)).hexdigest() == f.sha256 for f in package.files)
    except PackageError:
        # a file that is gone: resolving again reports it together with the document that refers to it
        return None
    return package if unchanged else None


def _resolve(uri: str, documents: Documents) -> Package:
    from zoo_runner.package.packing import check_documents, pack_documents, read_root

    root = read_root(documents, uri)
    entry_uri = choose_entry(root, uri)
    check_documents(documents, entry_uri, root["cwlVersion"])
    packed, rewrite = pack_documents(documents, entry_uri)
    packed.update({key: value for key, value in root.items() if ":" in key and key not in packed})
    if found := find_unportable(packed):
        raise PackageError(
            f"{uri}: {found.reason}, at {found.pointer} of the packed document",
            "Write complete characters, none of which is U+0000, and finite numbers.",
            code="package.invalid",
        )
    entry = next((new for old, new in rewrite.items() if old == entry_uri), "#main")
    for process in packed["$graph"]:
        if process["id"] == entry:
            _order_as_written(process, _find_written(root, entry_uri))
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
    digest = sha256(write_json([packed, entry], sort_keys=True).encode()).hexdigest()
    origins = {new: old for old, new in rewrite.items()}
    return Package(dict(packed), entry, workflow_id, types, digest, files, origins)


def _schema_types(node: Any) -> list[Any]:
    """Every type that a SchemaDefRequirement names, at any place in the document."""
    if isinstance(node, list):
        return [kind for item in node for kind in _schema_types(item)]
    if not isinstance(node, dict):
        return []
    own = node.get("types", []) if node.get("class") == "SchemaDefRequirement" else []
    return [*own, *(kind for value in node.values() for kind in _schema_types(value))]


def is_web_reference(reference: str) -> bool:
    """Whether a package is fetched from the web, and so may change unnoticed."""
    return is_remote(as_uri(reference))


def choose_entry(root: Mapping[str, Any], uri: str) -> str:
    """Choose the process to run; returns its URI, with a fragment where the document has a graph.

    It is the one named, else `main`, else the only workflow that is not a step of another one.
    Raises `PackageError` that lists the candidates where there are several and no id was given.
    """
    base, fragment = urldefrag(uri)
    if "$graph" not in root:
        own = str(root.get("id", "")).lstrip("#")
        if fragment and fragment not in (own, own.rpartition("#")[2]):
            raise PackageError(
                f"{base} has no process {fragment!r}: it is one {root.get('class')} with the id {root.get('id')!r}",
                "Remove the #id.",
                code="package.entry",
            )
        # cwltool knows the process by this address, but by that of the document if its id is absolute
        return join_uri(base, f"#{own}") if own and "://" not in own else base
    graph = root["$graph"] if isinstance(root["$graph"], list) else []
    kinds = {name_process(p["id"]): p.get("class") for p in graph if isinstance(p, dict) and "id" in p}
    if not kinds:
        raise PackageError(
            f"{base} has no process to run",
            "List processes under `$graph`, each with an `id`.",
            code="package.entry",
        )
    if fragment:
        if fragment not in kinds:
            remedy = f"Choose one of: {', '.join(kinds)}."
            raise PackageError(f"{base} has no process {fragment!r}", remedy, code="package.entry")
        return uri
    steps = {reference.rpartition("#")[2] for reference in find_runs(graph)}
    workflows = [name for name, kind in kinds.items() if kind == "Workflow"]
    candidates = [name for name in workflows if name not in steps] or workflows or list(kinds)
    if "main" in kinds:
        candidates = ["main"]
    if len(candidates) != 1:
        listed = ", ".join(f"#{name}" for name in candidates)
        raise PackageError(
            f"{base} has several processes to choose from: {listed}",
            f"Choose one, for example {base.rpartition('/')[2]}#{candidates[0]}.",
            code="package.entry",
        )
    return f"{base}#{candidates[0]}"


def _find_written(root: Mapping[str, Any], uri: str) -> Mapping[str, Any]:
    """Find a process in a document as its author wrote it, by its URI; an empty one if it is missing."""
    if "$graph" not in root:
        return root
    name = urldefrag(uri)[1]
    named = (one for one in root["$graph"] if isinstance(one, Mapping) and name_process(one.get("id", "")) == name)
    return next(named, {})


def _order_as_written(process: dict[str, Any], written: Mapping[str, Any]) -> None:
    """Put inputs and outputs of a packed process into the author's order; those without one come last.

    CWL allows them as a mapping, which the loader turns into a list sorted by key (schema-salad, "Identifier maps").
    """
    for section in _ORDERED_SECTIONS:
        names = written.get(section)
        if isinstance(names, Mapping):
            places = {str(name): place for place, name in enumerate(names)}
            process[section].sort(key=lambda one: places.get(one["id"].rpartition("/")[2], len(places)))
            for one in process[section]:
                _order_members(one, names.get(one["id"].rpartition("/")[2]))


def _order_members(packed: Any, written: Any) -> None:
    """Put the members of records into the author's order, wherever a type has both."""
    if isinstance(packed, list) and isinstance(written, list) and len(packed) == len(written):
        for one, other in zip(packed, written, strict=True):
            _order_members(one, other)
    if not isinstance(packed, dict) or not isinstance(written, Mapping):
        return
    members = written.get("fields")
    if isinstance(members, Mapping) and isinstance(packed.get("fields"), list):
        places = {str(name): place for place, name in enumerate(members)}
        packed["fields"].sort(key=lambda one: places.get(one["name"].rpartition("/")[2], len(places)))
        for one in packed["fields"]:
            _order_members(one, members.get(one["name"].rpartition("/")[2]))
    for key in ("type", "items"):
        _order_members(packed.get(key), written.get(key))
