"""Where the package of a process came from, as far as its deployment says; pure."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.model.process import Process
from zoo_runner.model.via import Via, clean_address, clean_text
from zoo_runner.server.documents import PackageSource

_MOST_NAMES = 50


def describe_source(
    files: Mapping[str, str], href: str | None, template: str | None, via: Via | None, unnamed: str
) -> dict[str, Any]:
    """Describe where the documents of a deployment are from; one that came without a name is called `unnamed`."""
    if template is not None:
        return {"kind": "template", "names": [clean_text(template)]}
    if href is not None:
        shown = clean_address(href)
        return {"kind": "address", **({"href": shown} if shown else {})}
    if via is not None:
        more = {"commit": via.commit, "path": via.path}
        return {"kind": "repository", "href": via.href, **{name: value for name, value in more.items() if value}}
    if list(files) == [unnamed]:
        return {"kind": "text"}
    return {"kind": "files", "names": list(map(clean_text, list(files)[:_MOST_NAMES]))}


def show_source(process: Process) -> PackageSource:
    """Return where the package of a process is from, by whom and when it was deployed, and its digest."""
    source: PackageSource = {**process.description.get("source", {}), "digest": process.package, "at": process.updated}  # type: ignore[typeddict-item]
    return {**source, "by": process.caller} if process.caller else source
