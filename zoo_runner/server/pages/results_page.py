"""What the page of results shows beside the document: pictures, and the begin of texts, of files on the server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from zoo_runner.model.job import Job
from zoo_runner.server.api import Call
from zoo_runner.server.results import find_result_file

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_TEXTS = ("text/", "application/json", "application/geo+json", "application/cwl", "application/yaml", "application/xml")
_SHOWN_BYTES = 32 << 10
_MOST_SHOWN = 20


@dataclass(frozen=True)
class ShownFile:
    """A file of the results: a picture, or a text of which at most the begin is shown."""

    output: str
    name: str
    href: str
    media_type: str
    text: str | None = None
    is_cut: bool = False

    @property
    def is_picture(self) -> bool:
        """Whether browsers show it as a picture."""
        return self.text is None


def list_shown_files(document: Mapping[str, Any], job: Job, call: Call) -> list[ShownFile]:
    """List the files of a results document that lie on this server and that a page can show, the first few of them."""
    offered, shown = f"{call.link('jobs', job.id, 'files')}/", list[ShownFile]()
    for output, value in document.items():
        for link in _walk_links(value):
            path = str(link["href"]).removeprefix(offered)
            file = find_result_file(job, unquote(path)) if path != link["href"] else None
            found = _show(output, link, file) if file else None
            if found and len(shown) < _MOST_SHOWN:
                shown.append(found)
    return shown


def _walk_links(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _walk_links(one)


def _show(output: str, link: Mapping[str, Any], file: Path) -> ShownFile | None:
    media_type = str(link.get("type", "")).partition(";")[0].strip()
    href = str(link["href"])
    if media_type in _PICTURES:
        return ShownFile(output, file.name, href, media_type)
    if not media_type.startswith(_TEXTS):
        return None
    try:
        with file.open("rb") as stream:
            text = stream.read(_SHOWN_BYTES + 1)
    except OSError:
        # removed meanwhile
        return None
    head = text[:_SHOWN_BYTES].decode("utf-8", "replace")
    return ShownFile(output, file.name, href, media_type, head, len(text) > _SHOWN_BYTES)
