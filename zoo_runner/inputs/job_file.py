"""Reads what a user gives as inputs: a job file (YAML or JSON), an OGC execute request, `name=value` words."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo_runner.config.settings import Settings
from zoo_runner.inputs.joborder import JobOrder, build_job_order, read_execute_request
from zoo_runner.model.errors import InputError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.model.problems import show
from zoo_runner.model.written import read_json, read_number
from zoo_runner.package.documents import Documents, as_uri

_TEXTS, _ARRAY_OF_TEXTS = {"string", "enum"}, "array of texts"


def read_order(
    package: Package, job_file: str | None, words: Sequence[str], settings: Settings, *, strict: bool = False
) -> JobOrder:
    """Read and check the inputs of a job; raises `InputError` with every problem found.

    A job file with a member `inputs` is an execute request (OGC API - Processes, Part 1), unless the package has
    an input of that name. Paths in a job file are relative to it, paths in words to the current folder. Inputs of a
    job file that the package does not have are ignored with a warning, as by cwltool, unless `strict`.
    """
    values: dict[str, Any] = {}
    base = f"{Path.cwd().as_uri()}/"
    if job_file is not None:
        base, content = _read_job_file(job_file, settings)
        values = _parse(content, job_file)
    given = read_words(words, package)
    if "inputs" in values and not _kinds(package, "inputs"):
        return read_execute_request(package, _merge(values, given), base=base)
    ignored = () if strict else values.keys() - given.keys()
    return build_job_order(package, {**values, **given}, base=base, ignored=ignored)


def read_changed_order(
    package: Package, inputs: Mapping[str, Any], secret_inputs: Sequence[str], words: Sequence[str]
) -> JobOrder:
    """Read and check the inputs of an earlier job (`Job.inputs`) with the changes of `words`; raises `InputError`.

    Its secret inputs were never stored: they have to be among the words.
    """
    given = read_words(words, package)
    missing = [name for name in secret_inputs if name not in given]
    if missing:
        raise InputError(
            f"the values of the secret inputs {', '.join(missing)} are not stored",
            f"Give them again: {' '.join(f'-i {name}=...' for name in missing)}",
            code="inputs.missing",
        )
    return build_job_order(package, {**inputs, **given}, base=f"{Path.cwd().as_uri()}/")


def _read_job_file(job_file: str, settings: Settings) -> tuple[str, bytes]:
    try:
        base = as_uri(job_file)
        return base, Documents(base, settings).read(base)
    except PackageError as error:
        word = "=" in job_file and f"If this is an input, write -i {shlex.quote(job_file)}."
        remedy = word or error.diagnosis.remedy
        raise InputError(f"cannot read the job file: {error}", remedy, code="inputs.unreadable") from error


def _merge(request: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    inputs = request["inputs"]
    # a value that is not an object is refused where the request is read
    return {**request, "inputs": {**inputs, **given}} if given and isinstance(inputs, Mapping) else request


def _parse(content: bytes, name: str) -> dict[str, Any]:
    try:
        values = _parse_json_or_yaml(content, name)
    except RecursionError as error:
        remedy = "Write one `name: value` line per input."
        raise InputError(f"{name} is nested too deeply", remedy, code="inputs.syntax") from error
    if not isinstance(values, dict):
        raise InputError(
            f"{name}: expected inputs by name, got {show(values)}",
            "Write one `name: value` line per input.",
            code="inputs.type",
        )
    return values


def _parse_json_or_yaml(content: bytes, name: str) -> Any:
    from zoo_runner.package.parsing import read_members

    try:
        return json.loads(content, object_pairs_hook=read_members, parse_float=read_number)
    except ValueError:
        return _parse_yaml(content, name)


def _parse_yaml(content: bytes, name: str) -> Any:
    from ruamel.yaml.error import YAMLError

    from zoo_runner.package.parsing import ShapeError, parse_document

    try:
        return parse_document(content.decode("utf-8-sig")) or {}
    except ShapeError as error:
        raise InputError(f"{name}: {error}", error.remedy, code="inputs.syntax") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{name} is neither YAML nor JSON{_format_place(error)}",
            "Fix the syntax error at the location shown.",
            code="inputs.syntax",
            evidence=tuple(str(error).replace('"<unicode string>"', name).splitlines()[:8]),
        ) from error


def _format_place(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f": line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark and problem else ""


def read_words(words: Sequence[str], package: Package) -> dict[str, Any]:
    """Read `name=value` words; JSON is parsed unless the input has strings; a repeated name makes an array.

    Raises `InputError`.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            remedy = "Write, for example, -i threshold=0.2."
            raise InputError(f"{word!r} does not have the form name=value", remedy, code="inputs.syntax")
        kinds = _kinds(package, name)
        is_text = bool(kinds & _TEXTS) or (_ARRAY_OF_TEXTS in kinds and not text.startswith("["))
        value = text if is_text else _read_json(text)
        if "array" in kinds and not isinstance(value, list):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InputError(f"{name} is given twice, but is not an array", "Give it once.", code="inputs.type")
        else:
            values[name] = value
    return values


def _read_json(text: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return text


def _kinds(package: Package, name: str) -> set[str]:
    """Names of the types that an input accepts, `array` for arrays, and for those of strings another one."""
    for item in package.process["inputs"]:
        if _short(item) == name:
            kinds = item["type"] if isinstance(item["type"], list) else [item["type"]]
            texts = {_ARRAY_OF_TEXTS for kind in kinds if isinstance(kind, dict) and _name(kind.get("items")) in _TEXTS}
            return texts | {_name(kind) for kind in kinds}
    return set()


def _name(kind: Any) -> str:
    return str(kind["type"] if isinstance(kind, dict) else kind)


def _short(item: Mapping[str, Any]) -> str:
    return str(item["id"]).rpartition("/")[2]
