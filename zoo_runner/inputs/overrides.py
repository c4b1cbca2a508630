"""Requirements that a job file adds to the package: `cwl:requirements` and `cwltool:overrides`; pure.

Source: CWL v1.1 and later, Process, "Requirements and hints" (`cwl:requirements` of the input object, for the process
that runs); cwltool's documentation, "Overriding workflow requirements at load time" (`cwltool:overrides`, for any
process or step by its reference relative to the job file).
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urldefrag

from zoo_runner.inputs.values import Checker
from zoo_runner.model.package import Document, Package
from zoo_runner.model.problems import suggest
from zoo_runner.model.written import write_json
from zoo_runner.package.documents import join_uri
from zoo_runner.package.extensions import EXTENSIONS
from zoo_runner.package.requirements import REQUIREMENT_CLASSES, list_requirements, walk_holders

CWL = "https://w3id.org/cwl/cwl#"
REQUIREMENTS = ("cwl:requirements", f"{CWL}requirements")
OVERRIDES = ("cwltool:overrides", f"{EXTENSIONS}overrides")


@dataclass(frozen=True)
class Override:
    """Requirements for the process or step with the packed id `holder`."""

    holder: str
    requirements: tuple[Document, ...]


def apply_overrides(checker: Checker, package: Package, document: Any, base: str | None) -> Package:
    """Return the package with the requirements of a job file, which win over its own of the same class.

    Problems are added to `checker`: a requirement that CWL does not have, a target that the package does not have.
    """
    if not isinstance(document, Mapping):
        return package  # reported where the inputs are checked
    overrides = [*_read_own(checker, package, document), *_read_overrides(checker, package, document, base)]
    if not overrides or checker.problems:
        return package
    packed = deepcopy(dict(package.document))
    changed = replace(package, document=packed)
    for process in changed.processes.values():
        for holder in walk_holders(process):
            for override in overrides:
                if _identify(package, holder) == override.holder:
                    _add(holder, override.requirements)
    digest = sha256(write_json([packed, package.entry], sort_keys=True).encode()).hexdigest()
    return replace(changed, digest=digest)


def _read_own(checker: Checker, package: Package, document: Mapping[str, Any]) -> Iterator[Override]:
    for key in REQUIREMENTS:
        if key not in document:
            continue
        if package.cwl_version == "v1.0":
            checker.refuse((key,), "inputs.requirement", "CWL v1.0 has none in inputs; use cwltool:overrides")
        yield Override(package.entry, _read_requirements(checker, document[key], (key,)))


def _read_overrides(
    checker: Checker, package: Package, document: Mapping[str, Any], base: str | None
) -> Iterator[Override]:
    for key in OVERRIDES:
        targets = document.get(key, {})
        if not isinstance(targets, Mapping):
            checker.expect((key,), "an object with requirements by process or step", targets)
            continue
        for target, body in targets.items():
            holder = _find_holder(package, join_uri(base or "", str(target)))
            if holder is None:
                known = (uri.rpartition("/")[2] for uri in _list_holders(package).values())
                message = f"the package has no such process or step; {suggest(str(target), tuple(known))}"
                checker.refuse((key, str(target)), "inputs.requirement", message)
            elif not isinstance(body, Mapping) or body.keys() != {"requirements"}:
                checker.expect((key, str(target)), 'an object with the member "requirements"', body)
            else:
                path = (key, str(target), "requirements")
                yield Override(holder, _read_requirements(checker, body["requirements"], path))


def _read_requirements(checker: Checker, written: Any, path: tuple[str, ...]) -> tuple[Document, ...]:
    """Read a list of requirements, or a mapping by class."""
    if isinstance(written, Mapping):
        written = [{"class": name, **body} if isinstance(body, Mapping) else body for name, body in written.items()]
    if not isinstance(written, list) or not all(isinstance(each, Mapping) for each in written):
        checker.expect(path, "a list of requirements, or an object by class", written)
        return ()
    for each in written:
        name = str(each.get("class")).removeprefix("cwl:").removeprefix(CWL)
        if name not in REQUIREMENT_CLASSES and not name.startswith(("cwltool:", EXTENSIONS)):
            message = f"CWL has no requirement {name!r}; {suggest(name, REQUIREMENT_CLASSES)}"
            checker.refuse(path, "inputs.requirement", message)
    return tuple({**each, "class": str(each["class"]).removeprefix("cwl:")} for each in written if "class" in each)


def _identify(package: Package, holder: Document) -> str:
    return str(holder.get("id", package.entry))


def _list_holders(package: Package) -> dict[str, str]:
    """Return the author's URI of each process and step by packed id."""
    holders = (_identify(package, each) for process in package.processes.values() for each in walk_holders(process))
    return {name: package.origins[name] for name in holders if name in package.origins}


def _find_holder(package: Package, target: str) -> str | None:
    """Find a process or step by its URI; a document without fragment is the process that it has."""
    known = _list_holders(package)
    exact = (name for name, uri in known.items() if uri == target)
    document = (name for name, uri in known.items() if name.count("/") == 0 and urldefrag(uri)[0] == target)
    return next(exact, None) or next(document, None)


def _add(holder: Any, requirements: tuple[Document, ...]) -> None:
    """Add requirements to a process or step in place of its own of the same classes."""
    names = {each["class"] for each in requirements}
    own = [dict(each.body) for each in list_requirements(holder) if not each.is_hint and each.name not in names]
    holder["requirements"] = [*own, *map(dict, requirements)]
