"""A WorkflowTemplate of Argo Workflows as an application package, and back; pure.

The package is a Workflow with one step, an Operation: CWL's class for a process that something else implements
(CWL v1.2, Workflow Description, "Operation"). A hint of the Operation names the template. So whatever takes packages
takes templates, and only the engine that the hint asks for is another.
Source for templates: Argo Workflows, "Field Reference" (WorkflowTemplate, Parameter, Artifact).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Document, Package
from zoo_runner.package.cwltypes import short_name
from zoo_runner.package.parsing import ShapeError, parse_document
from zoo_runner.package.requirements import find_run, list_requirements

HINT = "urn:zoo-runner:WorkflowTemplate"
TYPES = "zoo-runner/types"
"""The annotation of a template that has types of its inputs and outputs: a mapping from names to CWL types."""
_TITLE, _TEXT = "workflows.argoproj.io/title", "workflows.argoproj.io/description"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_INTEGER, _NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})"), re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
# of these, CWL makes something else in the symbols of an enum
_NO_SYMBOL = re.compile(r"[/#]|^$")
_STAGED = ("File", "Directory", "stdin", "stdout", "stderr")
_LOCATIONS = frozenset(
    ("s3", "gcs", "azure", "oss", "hdfs", "artifactory", "http", "git", "raw", "plugin", "from", "fromExpression")
)
_ARTIFACT_TYPES = ("File", "File?", "Directory", "Directory?")
# nobody knows before it is there whether an artifact is a file or a folder, and a ZOO kernel deploys no union of types
_ANY_ARTIFACT = "Directory"


@dataclass(frozen=True)
class Source:
    """Where the value of an output comes from: a `parameter` or an `artifact` of this name."""

    kind: str
    name: str


@dataclass(frozen=True)
class TemplateUse:
    """What a package says of the template that it stands for.

    `sources` are those of its outputs, by their names; `allowed` the values of inputs that are no enum in CWL; `types`
    those of inputs and outputs, in a form that can be compared.
    """

    name: str
    sources: Mapping[str, Source]
    allowed: Mapping[str, tuple[str, ...]]
    types: Mapping[str, Any] = field(default_factory=dict)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Return the inputs that are files or folders, which Argo takes as artifacts."""
        return tuple(name for name, wanted in self.types.get("inputs", {}).items() if _mentions(wanted, _STAGED))


def find_template(package: Package) -> TemplateUse | None:
    """Return the template that a package stands for; None for a package of another kind.

    Raises `PackageError` where the document is not as `build_document` writes it: no part of it is ignored.
    """
    steps = package.process.get("steps") or ()
    found = [(step, hint) for step in steps for hint in _find_hints(find_run(package, step))]
    if not found:
        return None
    try:
        (step, hint), *others = found
        use = _read_use(hint, package.process)
        as_written = not others and len(steps) == 1 and not _is_mixed(package, step, use)
    except (KeyError, TypeError, AttributeError, ValueError):
        as_written = False
    if not as_written:
        raise PackageError(
            f"the package {package.workflow_id!r} stands for a WorkflowTemplate, but was changed by hand",
            "Write it again: `zoo-runner hera package template/NAME`. Add to the template what it lacks.",
            code="package.template",
        )
    return use


def _read_use(hint: Document, process: Document) -> TemplateUse:
    return TemplateUse(
        str(hint["template"]),
        {str(name): Source(*str(text).split(":", 1)) for name, text in json.loads(hint["results"]).items()},
        {str(name): tuple(map(str, values)) for name, values in json.loads(hint["allowed"]).items()},
        {part: _read_port_types(process[part]) for part in ("inputs", "outputs")},
    )


def _read_port_types(ports: Any) -> dict[str, Any]:
    """Read the types of inputs or outputs, as they are written or packed."""
    if not isinstance(ports, Mapping):
        ports = {short_name(str(one["id"])): one for one in ports}
    return {str(name): _normalise(one["type"]) for name, one in ports.items()}


def _normalise(wanted: Any) -> Any:
    """Write a type as the packed form has it, without the names that packing adds."""
    if isinstance(wanted, str):
        if wanted.endswith("?"):
            return ["null", _normalise(wanted[:-1])]
        return {"type": "array", "items": _normalise(wanted[:-2])} if wanted.endswith("[]") else wanted
    if isinstance(wanted, Mapping):
        parts = {
            key: _normalise(part) for key, part in wanted.items() if key not in ("name", "symbols", "doc", "label")
        }
        name = {"name": short_name(str(wanted["name"]))} if "name" in wanted and "fields" not in wanted else {}
        symbols = {"symbols": [short_name(one) for one in wanted["symbols"]]} if "symbols" in wanted else {}
        return {**parts, **name, **symbols}
    return [_normalise(one) for one in wanted]


def _is_mixed(package: Package, step: Document, use: TemplateUse) -> bool:
    """Whether a step does anything else than hand each input on, and each output back, under its own name."""
    process = package.process
    inputs = {short_name(str(one["id"])) for one in process["inputs"]}
    given = {short_name(str(one["id"])): one for one in step["in"]}
    handed_on = all(
        one.keys() <= {"id", "source"} and short_name(str(one["source"])) == name for name, one in given.items()
    )
    outputs = {short_name(str(one["id"])): short_name(str(one["outputSource"])) for one in process["outputs"]}
    same = all(name == source for name, source in outputs.items()) and outputs.keys() == use.sources.keys()
    return not (handed_on and same and given.keys() == inputs) or bool({"scatter", "when"} & step.keys())


def _find_hints(process: Document) -> Iterator[Document]:
    if process.get("class") == "Operation":
        yield from (one.body for one in list_requirements(process) if one.name == HINT)


def build_document(template: Mapping[str, Any]) -> dict[str, Any]:
    """Build the package of a template (the manifest of a WorkflowTemplate), as a CWL document.

    Types are those of its annotation, else of enumerations and of the form of defaults; a parameter without either is a
    string. Raises `PackageError` for a template that cannot be a process.
    """
    reader = _Reader(template)
    inputs, allowed = reader.read_inputs()
    outputs, sources = reader.read_outputs(set(inputs))
    step, run = _free_name("workflow", {*inputs, *outputs}), _free_name("template", {reader.name})
    types = {name: {"type": one["type"]} for name, one in inputs.items()}
    hint = {
        "class": HINT,
        "template": reader.name,
        # as text: in members with names such as `path`, CWL takes values for addresses
        "results": json.dumps({name: f"{one.kind}:{one.name}" for name, one in sources.items()}),
        "allowed": json.dumps(allowed),
    }
    return {
        "cwlVersion": "v1.2",
        "$graph": [
            {
                "class": "Workflow",
                "id": reader.name,
                **reader.read_texts(),
                "inputs": inputs,
                "outputs": {name: {**one, "outputSource": f"{step}/{name}"} for name, one in outputs.items()},
                "steps": {step: {"run": f"#{run}", "in": {name: name for name in inputs}, "out": list(outputs)}},
            },
            {"class": "Operation", "id": run, "hints": [hint], "inputs": types, "outputs": outputs},
        ],
    }


def build_use(document: Mapping[str, Any]) -> TemplateUse:
    """Return what a document that `build_document` has built says of its template."""
    process, operation = document["$graph"]
    return _read_use(operation["hints"][0], process)


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{name}-"
    return name


class _Reader:
    """Reads one template; raises `PackageError` with its name."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._meta, self._spec = template.get("metadata") or {}, template.get("spec") or {}
        self.name = str(self._meta.get("name"))
        self._notes = self._meta.get("annotations") or {}
        self._types = self._read_types()

    def read_texts(self) -> dict[str, str]:
        """Read title and description."""
        return {key: str(self._notes[note]) for key, note in (("label", _TITLE), ("doc", _TEXT)) if note in self._notes}

    def read_inputs(self) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """Read parameters and artifacts as inputs, and the allowed values of parameters that are no enum."""
        arguments = self._spec.get("arguments") or {}
        inputs = dict(self._read_artifacts(arguments.get("artifacts") or ()))
        allowed: dict[str, list[str]] = {}
        for one in arguments.get("parameters") or ():
            name = self._check_name(one)
            if name in inputs:
                raise self._refuse(f"has two arguments with the name {name!r}", "Give one of them another name.")
            values = [_write(value) for value in one.get("enum") or ()]
            inputs[name] = self._read_input(name, one, values)
            if values and inputs[name]["type"] in ("string", "string?"):
                allowed[name] = values
        return inputs, allowed

    def _read_artifacts(self, artifacts: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Read the artifacts that the template gives no location: files, or what the annotation says.

        They are arguments, or inputs of the entrypoint, which alone may be optional: Argo wants a location of every
        argument.
        """
        declared = {str(one.get("name")): one for one in artifacts}
        if lacking := [name for name, one in declared.items() if one.get("optional") and not _has_location(one)]:
            raise self._refuse(
                f"has the artifact {lacking[0]!r} as an argument that is optional, and Argo wants a location of it",
                "Remove it from spec.arguments; that it is an optional input of the entrypoint is enough.",
            )
        entry = self._find(str(self._spec.get("entrypoint") or "")) or {}
        of_entry = {str(one.get("name")): one for one in (entry.get("inputs") or {}).get("artifacts") or ()}
        for one in {**of_entry, **declared}.values():
            if _has_location(one):
                continue
            name = self._check_name(one)
            wanted = self._types.get(name, "File")
            if wanted not in _ARTIFACT_TYPES:
                raise self._refuse(
                    f"has an artifact {name!r} of type {wanted!r}", f"Use one of: {', '.join(_ARTIFACT_TYPES)}."
                )
            texts = {"doc": str(one["description"])} if one.get("description") else {}
            yield name, {"type": _make_optional(wanted) if one.get("optional") else wanted, **texts}

    def _read_input(self, name: str, one: Mapping[str, Any], values: list[str]) -> dict[str, Any]:
        given = one.get("value", one.get("default"))
        text = None if given is None else _write(given)
        wanted = self._types.get(name) or _find_type(text, values, optional="valueFrom" in one)
        if _mentions(wanted, _STAGED):
            raise self._refuse(
                f"has an input {name!r} of type {wanted!r}, which Argo cannot take as a parameter",
                "Make it an artifact (spec.arguments.artifacts), or string, for an address that the template reads.",
            )
        doc = str(one.get("description") or "")
        if values and wanted in ("string", "string?"):
            doc = f"{doc} One of: {', '.join(values)}.".lstrip()
        texts = {"doc": doc} if doc else {}
        if text is None:
            return {"type": wanted, **texts}
        # null too: to a ZOO kernel, a default does not make an input optional
        return {"type": _make_optional(wanted), **texts, "default": self._read_default(name, wanted, text)}

    def _read_default(self, name: str, wanted: Any, text: str) -> Any:
        if _is_text(wanted):
            return text
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._refuse(
                f"has a default {text!r} of parameter {name!r} that is not of type {wanted!r}",
                f"Correct the default, or the annotation {TYPES}.",
            ) from error

    def read_outputs(self, taken: set[str]) -> tuple[dict[str, Any], dict[str, Source]]:
        """Read the outputs of entrypoint and exit handler, and the global ones; a name that is taken gets a suffix."""
        outputs: dict[str, Any] = {}
        sources: dict[str, Source] = {}
        for source, wanted in self._list_outputs():
            if source in sources.values():
                continue
            name = source.name
            while name in taken:
                name = f"{name}-output"
            taken.add(name)
            outputs[name], sources[name] = {"type": self._types.get(name, wanted)}, source
        if unknown := sorted(self._types.keys() - taken):
            raise self._refuse(f"has a type for {unknown[0]!r} in {TYPES}, which it does not have", "Correct the name.")
        return outputs, sources

    def _list_outputs(self) -> Iterator[tuple[Source, Any]]:
        """List outputs with their types; what may be missing at the end is optional."""
        entry = self._find(str(self._spec.get("entrypoint") or ""))
        if entry is None:
            raise self._refuse("has no entrypoint among its templates", "Set `spec.entrypoint`.")
        yield from self._list_of(entry, optional=False)
        if leaver := self._find(str(self._spec.get("onExit") or "")):
            yield from self._list_of(leaver, optional=True)
        for one in self._spec.get("templates") or ():
            yield from self._list_of(one, optional=True, key="globalName")

    def _list_of(
        self, template: Mapping[str, Any], *, optional: bool, key: str = "name"
    ) -> Iterator[tuple[Source, Any]]:
        outputs = template.get("outputs") or {}
        for one in outputs.get("parameters") or ():
            if key in one:
                yield Source("parameter", self._check_name(one, key)), "string?" if optional else "string"
        for one in outputs.get("artifacts") or ():
            if key in one:
                wanted = _make_optional(_ANY_ARTIFACT) if optional or one.get("optional") else _ANY_ARTIFACT
                yield Source("artifact", self._check_name(one, key)), wanted

    def _find(self, name: str) -> Mapping[str, Any] | None:
        return next((one for one in self._spec.get("templates") or () if name and one.get("name") == name), None)

    def _read_types(self) -> dict[str, Any]:
        from ruamel.yaml.error import YAMLError

        try:
            types = parse_document(str(self._notes.get(TYPES, "{}")))
        except (ShapeError, YAMLError) as error:
            raise self._refuse(f"has an annotation {TYPES} that is not YAML: {error}", "Correct it.") from error
        if not isinstance(types, dict) or not all(types.values()):
            raise self._refuse(f"has an annotation {TYPES} that is no mapping from names to types", "Correct it.")
        return types

    def _check_name(self, one: Mapping[str, Any], key: str = "name") -> str:
        name = str(one.get(key))
        if not _NAME.fullmatch(name):
            raise self._refuse(
                f"has a parameter or artifact with the name {name!r}", "Use letters, digits, '_' and '-'."
            )
        return name

    def _refuse(self, what: str, remedy: str) -> PackageError:
        return PackageError(f"the WorkflowTemplate {self.name} {what}", remedy, code="package.template")


def _has_location(artifact: Mapping[str, Any]) -> bool:
    return bool(_LOCATIONS & artifact.keys())


def _write(value: Any) -> str:
    """Write a value as Argo reads it: everything is a string there."""
    return value if isinstance(value, str) else json.dumps(value)


def _find_type(text: str | None, values: list[str], *, optional: bool) -> Any:
    """Find the type of a parameter by its enumeration, or else by the form of its default."""
    if values:
        symbols = not any(map(_NO_SYMBOL.search, values)) and (text is None or text in values)
        return {"type": "enum", "symbols": values} if symbols else "string"
    if text is None:
        return "string?" if optional else "string"
    return _find_array(text) if text.startswith("[") else _find_scalar(text)


def _find_scalar(text: str) -> str:
    if text in ("true", "false"):
        return "boolean"
    if _INTEGER.fullmatch(text):
        return "long"
    return "double" if _NUMBER.fullmatch(text) else "string"


def _find_array(text: str) -> str:
    try:
        items = json.loads(text)
    except ValueError:
        return "string"
    kinds = {"string" if isinstance(one, str) else _find_scalar(json.dumps(one)) for one in items}
    if kinds == {"long", "double"}:
        return "double[]"
    plain = len(kinds) == 1 and not any(isinstance(one, list | dict) or one is None for one in items)
    return f"{kinds.pop()}[]" if plain else "string"


def _is_text(wanted: Any) -> bool:
    """Whether a parameter of a type is given as it is, and not as JSON."""
    return wanted in ("string", "string?") or (isinstance(wanted, dict) and wanted.get("type") == "enum")


def _make_optional(wanted: Any) -> Any:
    if isinstance(wanted, str):
        return wanted if wanted.endswith("?") else f"{wanted}?"
    return wanted if isinstance(wanted, list) and "null" in wanted else ["null", wanted]


def _mentions(wanted: Any, names: tuple[str, ...]) -> bool:
    if isinstance(wanted, str):
        return wanted.rstrip("?[]") in names
    parts = wanted.values() if isinstance(wanted, dict) else wanted if isinstance(wanted, list) else ()
    return any(_mentions(part, names) for part in parts)
