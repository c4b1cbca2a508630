"""What packages use of cwltool's extensions to CWL: its requirements, among them which inputs are secret; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from zoo_runner.model.package import Document, Package
from zoo_runner.package.cwltypes import short_name

EXTENSIONS = "http://commonwl.org/cwltool#"
SECRETS = f"{EXTENSIONS}Secrets"


def make_extensions_hints(node: Any) -> None:
    """Make requirements that are extensions hints, in place: cwltool obeys them there without its larger schema."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        make_extensions_hints(part)
    if isinstance(node, dict) and isinstance(node.get("requirements"), list):
        extensions = [entry for entry in node["requirements"] if str(entry.get("class")).startswith(EXTENSIONS)]
        if extensions:
            node["requirements"] = [entry for entry in node["requirements"] if entry not in extensions]
            node["hints"] = [*node.get("hints", []), *extensions]


def find_secret_inputs(package: Package) -> frozenset[str]:
    """Names of the inputs whose values must not be shown: those named secret, and those that go to such a one."""
    return _secret_inputs(package, package.process)


def _secret_inputs(package: Package, process: Document) -> frozenset[str]:
    own = (short_name(str(name)) for entry in _entries(process) for name in entry["secrets"])
    passed_on = (name for step in process.get("steps", ()) for name in _sources_of_secrets(package, step))
    return frozenset([*own, *passed_on])


def _entries(process: Document) -> Iterator[Mapping[str, Any]]:
    for part in ("requirements", "hints"):
        for entry in process.get(part, ()):
            # what a hint holds, nobody has checked
            if entry.get("class") == SECRETS and isinstance(entry.get("secrets"), list):
                yield entry


def _sources_of_secrets(package: Package, step: Document) -> Iterator[str]:
    run = step["run"]
    inner = run if isinstance(run, Mapping) else package.processes.get(str(run).lstrip("#"), {})
    secret = _secret_inputs(package, inner)
    for given in step.get("in", ()):
        if short_name(str(given["id"])) in secret:
            sources = given.get("source", ())
            yield from (short_name(source) for source in ([sources] if isinstance(sources, str) else sources))
