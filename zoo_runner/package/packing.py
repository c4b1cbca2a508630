"""Pack a package with cwltool's loader: documents in, one validated, packed document out."""

import logging
import os.path
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from cwltool.context import LoadingContext
from cwltool.errors import GraphTargetMissingException, WorkflowException
from cwltool.load_tool import load_tool
from cwltool.loghandler import _logger as cwltool_logger
from cwltool.loghandler import defaultStreamHandler
from cwltool.pack import pack
from cwltool.process import get_schema, supportedProcessRequirements, use_custom_schema
from cwltool.workflow import default_make_tool
from ruamel.yaml.error import YAMLError
from schema_salad.exceptions import SchemaSaladException
from schema_salad.fetcher import Fetcher
from schema_salad.ref_resolver import Loader

from zoo_runner.files import format_json
from zoo_runner.model.errors import Fault, InvalidPackageError, PackageError
from zoo_runner.model.problems import suggest
from zoo_runner.model.written import read_json, write_json
from zoo_runner.package.documents import Documents, join_uri
from zoo_runner.package.extensions import EXTENSIONS, SECRETS, make_extensions_hints
from zoo_runner.package.graph_ids import detach_process, find_twins, list_graph, name_process, relate_ids, relate_text
from zoo_runner.package.ontologies import widen_formats
from zoo_runner.package.parsing import ShapeError, parse_document
from zoo_runner.package.yaml_values import keep_forms

_REMEDY = "Check that it is one CWL document: cwlVersion, class (or $graph), inputs and outputs."
_GRAPH_REMEDY = "Name one of the ids as <document>#<id>, in the reference to the package or in the `run` of a step."
_EVIDENCE_LINES = 12
# cwltool raises plain Python errors for documents of the wrong shape
_BARE_ERRORS = (TypeError, KeyError, AttributeError, IndexError, AssertionError, RecursionError)
_VERSIONS = ("v1.0", "v1.1", "v1.2")
_MOST_FAULTS = 50
_PROCESS = "?process="
_LED_LINE = re.compile(r"^\s*(\S+?):(\d+):(\d+):", re.MULTILINE)
_INCLUDING = ("$import", "$include", "$mixin", "run")
_PROCESS_CLASSES = ("Workflow", "CommandLineTool", "ExpressionTool")
_UNKNOWN_CLASS = re.compile(r"Field 'class' contains undefined reference to '[^']*?(?P<name>[A-Za-z]+)'")
_OTHER_CLASS = re.compile(r"Expected class '[^']*' but this is '(?P<name>[^']+)'")
_UNKNOWN_FIELD = re.compile(r"invalid field '(?P<name>[^']*)', expected one of: (?P<known>'.*')$")
# what a record, an enum and an array have in CWL v1.0
_TYPE_FIELDS = re.compile(r"expected one of:\s+'(fields|symbols|items)',\s+'type'")
# CWL v1.1, appendix "Changelog"
_SINCE_V1_1 = ("InplaceUpdateRequirement", "LoadListingRequirement", "NetworkAccess", "ToolTimeLimit", "WorkReuse")
_UNKNOWN_TYPE = re.compile(r"Field '(?:type|items)' references unknown identifier '(?P<name>\w+)'")
_OTHER_NAMES = {"integer": "int", "number": "double", "bool": "boolean", "str": "string", "object": "record"}
_NAMELESS = re.compile(r"mapSubject '(?P<name>[^']*)' value .* is not a dict and does not have a mapPredicate")
_EMPTY = re.compile(r"\"(?P<section>\w+)\" section is not valid")
# what cwltool leaves in a document that it packed, and then refuses to read again
_LEFTOVER = re.compile(r"(http://commonwl\.org/cwltool#|\bcwltool:)original_cwlVersion\b")
_TRIED = re.compile(r", tried \S+:.*$")
_PLACE = re.compile(r"(?<=\")(?:file|https?)://[^\s\"]*[#/](?=[^\s\"#/]+\")")
_WORDS = {
    "CommentedMap": "mapping",
    "CommentedSeq": "list",
    "ScalarFloat": "number",
    "ScalarInt": "integer",
    "NoneType": "null",
}

cwltool_logger.removeHandler(defaultStreamHandler)
for _name in ("salad", "cwltool", "rdflib.term"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def _read_text(documents: Documents, url: str) -> str:
    """Read a document; the version that a packed one had before is for nobody to judge."""
    return _LEFTOVER.sub(r"\1packed_from", documents.read(url).decode("utf-8-sig"))


class _Fetcher(Fetcher):
    """Gives schema-salad the texts that `Documents` allows, and never asks the network whether a link exists."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        text = _read_text(self._documents, url)
        try:
            document = parse_document(text)
        except YAMLError:
            return text  # the loader reports the place, or it is not YAML at all but an $include
        except ShapeError as error:
            raise _misshapen(url, error) from error
        for name, count in find_twins(document):
            cause = f"{url}: {count} processes have the same id {name!r}"
            raise PackageError(cause, "Rename or remove all but one of them.", code="package.duplicate-id")
        return relate_text(text, document, url)

    def check_exists(self, url: str) -> bool:
        path = urlsplit(url)
        # whether a file is there that a package may not read is not for it to know
        is_own = path.scheme == "file" and self._documents.is_readable(url)
        # False, too, for what is no path at all, such as a name that is too long
        return not is_own or os.path.exists(unquote(path.path))  # noqa: PTH110

    def urljoin(self, base_url: str, url: str) -> str:
        return join_uri(base_url, url)


class _PackingFetcher(_Fetcher):
    """Gives cwltool's packing documents that it can pack: documents of one process each, without an absolute id.

    A process in the graph of another document is given as a document of its own, whose address is that of the other
    with `?process=` and its id; `run` refers to it by that address.
    """

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        real, _, name = url.partition(_PROCESS)
        text = super().fetch_text(real, content_types)
        written = self._read(real)
        if written is None:
            return text
        document = relate_ids(written)
        prepared = self._refer(_pick_process(document, name) if name else document, real, is_picked=bool(name))
        if "://" in str(prepared.get("id", "")):
            del prepared["id"]
        return text if prepared == written else format_json(prepared)

    def _read(self, url: str) -> dict[str, Any] | None:
        try:
            document = parse_document(_read_text(self._documents, url))
        except (PackageError, YAMLError, ShapeError, UnicodeDecodeError):
            return None  # reported by the loader
        return document if isinstance(document, dict) else None

    def _refer(self, node: Any, url: str, *, is_picked: bool) -> Any:
        """Return a copy in which `run` refers to documents of one process."""
        if isinstance(node, list):
            return [self._refer(part, url, is_picked=is_picked) for part in node]
        if not isinstance(node, dict):
            return node
        copied = {key: self._refer(part, url, is_picked=is_picked) for key, part in node.items()}
        if isinstance(run := node.get("run"), str):
            target, fragment = urldefrag(join_uri(url, run))
            if is_picked or target != url:
                copied["run"] = self._name_document(target, fragment) or run
        return copied

    def _name_document(self, target: str, fragment: str) -> str | None:
        document = self._read(target)
        if document is None:
            return None
        names = [name_process(one.get("id")) for one in list_graph(document)]
        if not names:
            return target
        return f"{target}{_PROCESS}{fragment or 'main'}" if (fragment or "main") in names else None


def _pick_process(document: dict[str, Any], name: str) -> dict[str, Any]:
    process = next(one for one in list_graph(document) if name_process(one.get("id")) == name)
    return detach_process({key: member for key, member in (document | process).items() if key != "$graph"}, name)


def _restore_uri(uri: str) -> str:
    """Return the address that the author gave what is in a document made by `_PackingFetcher`."""
    document, marker, rest = uri.partition(_PROCESS)
    name, _, inner = rest.partition("#")
    return f"{document}#{name}{f'/{inner}' if inner else ''}" if marker else uri


def _misshapen(uri: str, error: ShapeError) -> PackageError:
    return PackageError(f"{uri}: {error}", error.remedy, code=error.code)


def _loading_context(documents: Documents, kind: type[_Fetcher] = _Fetcher) -> LoadingContext:
    def make_fetcher(*_: object) -> Fetcher:
        return kind(documents)

    context = LoadingContext(
        {
            "construct_tool_object": default_make_tool,
            "fetcher_constructor": make_fetcher,
            "skip_schemas": True,
            "strict": False,
            "disable_js_validation": True,
        }
    )
    context.loader = Loader(
        {"cwl": "https://w3id.org/cwl/cwl#", "id": "@id"}, fetcher_constructor=make_fetcher, skip_schemas=True
    )
    return context


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    try:
        yield
    except PackageError:
        raise
    except GraphTargetMissingException as error:
        raise PackageError(f"{uri}: {error}", _GRAPH_REMEDY, code="package.entry") from error
    except (SchemaSaladException, WorkflowException, ValueError, YAMLError, *_BARE_ERRORS) as error:
        raise _build_invalid(uri, _read_faults(error)) from error


def _build_invalid(uri: str, faults: tuple[Fault, ...]) -> InvalidPackageError:
    cause = _describe(faults[0]) if faults else "its shape is not that of a CWL document"
    return InvalidPackageError(
        f"{uri} is not valid CWL: {cause}",
        _build_remedy(faults),
        faults,
        tuple(dict.fromkeys(map(_describe, faults)))[:_EVIDENCE_LINES],
        code="package.invalid",
    )


def _build_remedy(faults: tuple[Fault, ...]) -> str:
    # a line may have several faults
    places = dict.fromkeys(f"{fault.uri.rpartition('/')[2]}:{fault.line}" for fault in faults if fault.line)
    return f"Correct {', '.join(list(places)[:_EVIDENCE_LINES])}." if places else _REMEDY


def _describe(fault: Fault) -> str:
    place = f"{fault.uri.rpartition('/')[2]}:{fault.line}: " if fault.line else ""
    return place + re.sub(r"^tried '\w+' but ", "", fault.message)


def _read_faults(error: Exception) -> tuple[Fault, ...]:
    """Read the innermost causes that schema-salad or cwltool name, each once with its place."""
    leaves = _find_leaves(error)
    if leaves:
        faults = map(_read_fault, leaves)
        return tuple(dict.fromkeys(fault for fault in faults if fault.message))[:_MOST_FAULTS]
    if isinstance(error, KeyError) and "#" in str(error):
        missing = unquote(str(error.args[0])).rpartition("/")[2]
        return (Fault("", f"a step that runs a document with a $graph has to name the process, as in run: {missing}"),)
    if isinstance(error, _BARE_ERRORS):
        return ()  # "list index out of range" does not help an author
    return tuple(fault for fault in [_parse_fault(str(error))] if fault.message)


def _find_leaves(error: BaseException) -> tuple[SchemaSaladException, ...]:
    """Find the innermost causes that schema-salad names; none where the error is not its own."""
    # the loader of a step's tool wraps what schema-salad said into a text of its own
    if error.__context__ and (leaves := _find_leaves(error.__context__)):
        return leaves
    return tuple(error.leaves()) if isinstance(error, SchemaSaladException) else ()


def _read_fault(leaf: SchemaSaladException) -> Fault:
    if leaf.start is None or not leaf.file:
        return _parse_fault(leaf.message)
    line, column = leaf.start
    return Fault(_source_uri(leaf.file), explain(" ".join(leaf.message.split())), line, column)


def _parse_fault(text: str) -> Fault:
    """Read `file:line:column: text` lines as one fault, at the place of the first."""
    message = explain(" ".join(_LED_LINE.sub("", text).split()))
    first = _LED_LINE.search(text)
    if first is None:
        return Fault("", message)
    return Fault(_source_uri(first[1]), message, int(first[2]), int(first[3]))


def _source_uri(file: str) -> str:
    return file if "://" in file else Path(os.path.normpath(Path(file).absolute())).as_uri()


def read_root(documents: Documents, uri: str) -> Mapping[str, Any]:
    """Read the document itself as plain data, before anything is resolved; raises `PackageError`."""
    try:
        text = _read_text(documents, uri)
        root = parse_document(text)
    except UnicodeDecodeError as error:
        raise PackageError(f"{uri} is not text in UTF-8", "Point to a CWL document.", code="package.not-cwl") from error
    except ShapeError as error:
        raise _misshapen(uri, error) from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or "the syntax is wrong")
        raise InvalidPackageError(
            f"{uri} is neither YAML nor JSON",
            "Fix the syntax error at the location shown.",
            (Fault(uri, problem, mark.line + 1, mark.column + 1) if mark else Fault(uri, problem),),
            tuple(str(error).splitlines()[:_EVIDENCE_LINES]),
            code="package.syntax",
        ) from error
    if not isinstance(root, dict) or "cwlVersion" not in root:
        found = (
            f"a mapping with {', '.join(map(str, list(root)[:5]))}" if isinstance(root, dict) else type(root).__name__
        )
        raise PackageError(
            f"{uri} is not a CWL document: it has no cwlVersion (found: {found})",
            "Point to a document with `cwlVersion: v1.2` (or v1.0, v1.1) at its top.",
            code="package.not-cwl",
        )
    if root["cwlVersion"] not in _VERSIONS:
        raise PackageError(
            f"{uri}: cwlVersion {root['cwlVersion']!r} is not supported; supported are {', '.join(_VERSIONS)}",
            "Upgrade the document, for example with cwl-upgrader.",
            code="package.cwl-version",
        )
    return _as_plain(relate_ids(root))


def _as_plain(document: Any) -> dict[str, Any]:
    """Return the document as JSON would represent it: YAML reads `s:dateCreated: 2024-07-31` as a date."""
    try:
        plain: dict[str, Any] = read_json(write_json(keep_forms(document), default=_write_date))
    except TypeError as error:
        remedy = "Write text, numbers, lists and mappings with plain keys only."
        raise PackageError(f"the package cannot be written as JSON: {error}", remedy, code="package.invalid") from error
    return plain


def _write_date(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a value of type {type(value).__name__}")


def _check_cycles(documents: Documents, uri: str, above: tuple[str, ...], done: set[str]) -> None:
    """Refuse documents that contain themselves: the loader would follow them until the interpreter crashes.

    Those in `done` were checked before.
    """
    try:
        document = relate_ids(parse_document(documents.read(uri).decode("utf-8-sig")))
    except (PackageError, YAMLError, ShapeError, UnicodeDecodeError):
        return  # the loader reports it, together with the document that refers to it
    for key, reference in sorted(set(_references(document))):
        target = urldefrag(join_uri(uri, reference))[0]
        if target in (*above, uri):
            remedy = f"Remove the `{key}` that leads back to it."
            raise PackageError(f"{target} includes itself", remedy, code="package.recursion")
        # an included text is not followed
        if key != "$include" and target not in done:
            _check_cycles(documents, target, (*above, uri), done)
    done.add(uri)


def _references(node: Any) -> Iterator[tuple[str, str]]:
    """List how documents are included as a whole, without fragment, and which."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and key in _INCLUDING and not urldefrag(value)[1]:
                yield key, value
            yield from _references(value)


def load_schemas() -> None:
    """Parse CWL's schemas now, for all packages of this process and those that are forked from it."""
    for version in _VERSIONS:
        get_schema(version)


def _accept_extensions(cwl_version: str) -> None:
    """Make cwltool accept its own extensions (`cwltool:Secrets`, `cwltool:CUDARequirement`, ...) as requirements."""
    name = "extensions.yml" if cwl_version == "v1.0" else f"extensions-{cwl_version}.yml"
    use_custom_schema(cwl_version, EXTENSIONS.rstrip("#"), files("cwltool").joinpath(name).read_text("utf-8"))
    if SECRETS not in supportedProcessRequirements:
        supportedProcessRequirements.append(SECRETS)


def check_documents(documents: Documents, uri: str, cwl_version: str) -> None:
    """Validate the documents with cwltool as the author wrote them: schema, links between steps, types."""
    _check_cycles(documents, urldefrag(uri)[0], (), set())
    error = _load_strictly(documents, uri)
    # only packages that use them pay for the larger schema
    if error and any(EXTENSIONS in fault.message for fault in error.faults):
        _accept_extensions(cwl_version)
        error = _load_strictly(documents, uri)
    if error and cwl_version == "v1.0":
        _check_old_documents(documents, uri, error)
    elif error:
        raise error


def _load_strictly(documents: Documents, uri: str) -> InvalidPackageError | None:
    """Load the documents; an unknown field, which is most likely misspelt, is an error, which is returned."""
    context = _loading_context(documents)
    context.strict = True
    try:
        with _translated(unquote(uri)):
            load_tool(uri, context)
    except InvalidPackageError as error:
        return error
    return None


def _check_old_documents(documents: Documents, uri: str, error: InvalidPackageError) -> None:
    """Refuse what is wrong in CWL v1.0, but for `doc` in a type: the types of the community have it.

    `error` is that of loading strictly; the text of a wrong type lists all that it could have been.
    """
    with _translated(unquote(uri)):
        load_tool(uri, _loading_context(documents))
    unknown = [leaf for leaf in _find_leaves(error) if "invalid field" in leaf.message]
    if misspelt := [leaf for leaf in unknown if not _TYPE_FIELDS.search(leaf.message)]:
        raise _build_invalid(unquote(uri), tuple(dict.fromkeys(map(_read_fault, misspelt)))) from error


def pack_documents(documents: Documents, uri: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Resolve and pack; return the document and the map from original to packed ids."""
    rewrite: dict[str, str] = {}
    with _translated(unquote(uri)):
        context = _loading_context(documents, _PackingFetcher)
        packed = _as_plain(pack(context, uri, rewrite_out=rewrite, loader=context.loader))
    widen_formats(packed["$graph"], packed.pop("$schemas", []), documents)
    for process in packed["$graph"]:
        _check_ids(process, unquote(uri))
        make_extensions_hints(process)
        for key in ("$schemas", "$namespaces", "cwlVersion"):
            process.pop(key, None)
    return packed, {_restore_uri(old): new for old, new in rewrite.items()}


def _write_once(node: Any, seen: set[str]) -> None:
    """Write each process and named type once and import it elsewhere, in place of cwltool's `import_embed`.

    That one compares ids only, and so replaces an output or step by an input of the same name. Only a value with a
    `type` is a type: a person of the same name is not. A name `_:…`, as cwl-utils writes, is not that of a type.
    """
    if isinstance(node, dict):
        name = node.get("id") if node.get("class") in _PROCESS_CLASSES else "type" in node and node.get("name")
        if isinstance(name, str) and "_:" in name:
            node.pop("name", None)  # a name for a type that has none, which may be written in several places
        elif isinstance(name, str) and name in seen:
            node.clear()
            node["$import"] = name
        elif isinstance(name, str):
            seen.add(name)
    for part in [node[key] for key in sorted(node)] if isinstance(node, dict) else node:
        if isinstance(part, dict | list):
            _write_once(part, seen)


# `cwltool.pack` is the name of the function as well as of its module
sys.modules[pack.__module__].import_embed = _write_once  # type: ignore[attr-defined]


def _check_ids(process: Mapping[str, Any], uri: str) -> None:
    """Refuse a process that has two inputs, outputs or steps of the same name: engines would take the last."""
    for section in ("inputs", "outputs", "steps"):
        parts = process.get(section, ())
        for name, count in Counter(str(part["id"]).rpartition("/")[2] for part in parts).items():
            if count > 1:
                cause = f"{uri}: {count} {section} have the same id {name!r}"
                raise PackageError(cause, "Rename or remove all but one of them.", code="package.duplicate-id")
        for part in parts:
            if isinstance(part.get("run"), Mapping):
                _check_ids(part["run"], uri)


def explain(message: str) -> str:
    """Explain a message of the loader; a message that is clear already is returned unchanged."""
    field = _UNKNOWN_FIELD.fullmatch(message)
    if field:
        known = tuple(re.findall(r"'([^']*)'", field["known"]))
        return f"invalid field {field['name']!r}: {suggest(field['name'], known)}"
    unknown = _UNKNOWN_CLASS.search(message) or _OTHER_CLASS.search(message)
    if unknown:
        return _explain_class(unknown["name"])
    if nameless := _NAMELESS.search(message):
        return (
            f"{nameless['name']!r} is taken for the name of an entry, which it is not: write entries below their names"
        )
    if empty := _EMPTY.search(message):
        return (
            f"the section {empty['section']!r} has no content: write `{empty['section']}: []` where it has no entries"
        )
    return _explain_words(message)


def _explain_class(name: str) -> str:
    if name in _SINCE_V1_1:
        return f"{name} is not in CWL v1.0: write cwlVersion v1.1 or v1.2, or move it to hints"
    return f"CWL has no requirement {name!r}: correct its name, or move it to hints if it is an extension"


def _explain_words(message: str) -> str:
    """Return the message without the loader's own names of values, and without addresses in front of names."""
    kind = _UNKNOWN_TYPE.match(message)
    if kind and kind["name"] in _OTHER_NAMES:
        return f"CWL has no type {kind['name']!r}: did you mean {_OTHER_NAMES[kind['name']]!r}?"
    words = re.sub("|".join(_WORDS), lambda word: _WORDS[word[0]], _TRIED.sub("", message))
    return _PLACE.sub("", words) if words.startswith("Source ") else words
