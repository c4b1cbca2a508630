"""Requirements that are cwltool's extensions to CWL, and the inputs that they make secret; pure."""

from collections.abc import Iterator
from typing import Any

from zoo_runner.model.package import Document, Package
from zoo_runner.package.cwltypes import short_name
from zoo_runner.package.requirements import find_run, list_requirements

EXTENSIONS = "http://commonwl.org/cwltool#"
SECRETS = f"{EXTENSIONS}Secrets"


def make_extensions_hints(node: Any) -> None:
    """Turn requirements that are extensions into hints, in place: cwltool follows them without its larger schema."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        make_extensions_hints(part)
    if isinstance(node, dict) and isinstance(node.get("requirements"), list):
        extensions = [entry for entry in node["requirements"] if str(entry.get("class")).startswith(EXTENSIONS)]
        if extensions:
            node["requirements"] = [entry for entry in node["requirements"] if entry not in extensions]
            node["hints"] = [*node.get("hints", []), *extensions]


def find_secret_inputs(package: Package) -> frozenset[str]:
    """Find the inputs whose values must not be shown: those named secret, and those passed on to such an input."""
    return _secret_inputs(package, package.process)


def _secret_inputs(package: Package, process: Document) -> frozenset[str]:
    own = (short_name(str(name)) for names in _lists_of_secrets(process) for name in names)
    passed_on = (name for step in process.get("steps", ()) for name in _sources_of_secrets(package, step))
    return frozenset([*own, *passed_on])


def _lists_of_secrets(process: Document) -> Iterator[list[Any]]:
    for one in list_requirements(process):
        # the members of a hint were not validated
        if one.name == SECRETS and isinstance(one.body.get("secrets"), list):
            yield one.body["secrets"]


def _sources_of_secrets(package: Package, step: Document) -> Iterator[str]:
    secret = _secret_inputs(package, find_run(package, step))
    for given in step.get("in", ()):
        if short_name(str(given["id"])) in secret:
            sources = given.get("source", ())
            yield from (short_name(source) for source in ([sources] if isinstance(sources, str) else sources))
