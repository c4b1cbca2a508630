"""Reads an execute request from the parameters of a query (OGC API - Processes, Part 1, draft of 2.0: kvp-execute)."""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo_runner.inputs.job_file import read_words
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import parse_parameters
from zoo_runner.server.requests import check_execute, ensure_characters

_LINK = "[href]"


def read_key_values(pairs: Iterable[tuple[str, str]], package: Package) -> Mapping[str, Any]:
    """Build an execute request: `name=value` for an input, `name[href]=address` for one by reference.

    A repeated name makes an array; `response` is that of the request, unless the package has an input of this name.
    Raises `InputError`.
    """
    own = {parameter.name for parameter in parse_parameters(package)}
    words: list[str] = []
    links: dict[str, list[dict[str, str]]] = {}
    request: dict[str, Any] = {}
    for name, text in pairs:
        if name in ("response", "dryRun") and name not in own:
            request[name] = text
        elif name.endswith(_LINK):
            links.setdefault(name.removesuffix(_LINK), []).append({"href": text})
        else:
            words.append(f"{name}={text}")
    linked = {name: found[0] if len(found) == 1 else found for name, found in links.items()}
    request.pop("dryRun", None)
    whole = {**request, "inputs": {**read_words(words, package), **linked}}
    ensure_characters(whole)
    return check_execute(whole)
