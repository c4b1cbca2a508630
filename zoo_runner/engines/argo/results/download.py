"""Artifacts of a workflow, downloaded through the endpoints of the Argo server.

Source: Argo Workflows 4.0.5, `server/artifacts` (`/artifact-files/`). The server sends no
sizes, checksums or ranges, and writes an error behind the bytes that it has sent already, with status 200: that text is
looked for.
"""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Protocol
from urllib.parse import quote

from zoo_runner.engines.argo.results.folder import Part, ResultsFolder, Stored
from zoo_runner.engines.argo.results.listing import Artifact
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.model.errors import EngineError

_ATTEMPTS, _PASSING = 3, (0, 502, 503, 504)
_BROKEN = re.compile(rb"failed to stream artifact: [^\n]*\n?\Z")
Take = Callable[[Stored], object]


class ArtifactServer(Protocol):
    """An Argo server, as far as it gives artifacts of a namespace."""

    namespace: str

    def download(self, path: str, what: str, take: Callable[[bytes], object]) -> int:
        """Call `take` with the bytes of an answer as they arrive, none of a redirect; return its HTTP status."""
        ...


def download_artifact(
    server: ArtifactServer, workflow: str, artifact: Artifact, folder: ResultsFolder, take: Take
) -> None:
    """Download an artifact, a folder file by file, and call `take` with each file when it is there.

    Files that are there from an earlier download are not fetched again. Raises `EngineError` with the artifact's name.
    """
    address = "/".join(quote(part, safe="") for part in (workflow, artifact.node_id))
    address = f"/artifact-files/{server.namespace}/workflows/{address}/outputs/{quote(artifact.name, safe='')}"
    download = _Download(server, artifact, folder, take)
    if not download.fetch(address, artifact.path, artifact.source):
        download.fetch_folder(f"{address}/", artifact.path)


class _Download:
    """The download of one artifact."""

    def __init__(self, server: ArtifactServer, artifact: Artifact, folder: ResultsFolder, take: Take) -> None:
        self._server, self._artifact, self._folder, self._take = server, artifact, folder, take
        self._seen: set[str] = set()

    def fetch(self, address: str, path: str, source: str) -> bool:
        """Download one file; return False for a folder."""
        if stored := self._folder.find_stored(path, source):
            self._take(stored)
            return True
        with self._folder.downloading(path) as part:
            if self._fill(address, part):
                self._take(self._folder.store(path, part, source))
                return True
            part.discard()
            return False

    def fetch_folder(self, address: str, path: str) -> None:
        """Download all files of a folder; the server's page of one names its files, and all folders below it."""
        if address in self._seen:
            return
        self._seen.add(address)
        page: list[bytes] = []
        if self._server.download(address, self._what, page.append) >= 300:
            raise EngineError(
                f"the artifact {self._artifact.name} of node {self._artifact.node} is a folder with an index.html,"
                " which the Argo server shows in place of the list of its files",
                "Download it from the artifact repository itself, or write it with the archive strategy `tar`.",
                code="results.artifact",
            )
        for name in _read_names(b"".join(page).decode("utf-8", "replace")):
            below, there = f"{address}{quote(name)}", f"{path}/{name}"
            if name.endswith("/"):
                self.fetch_folder(below, there.rstrip("/"))
            else:
                self.fetch(below, there, f"{self._artifact.source}/{name}")

    @property
    def _what(self) -> str:
        return f"reading artifact {self._artifact.name} of node {self._artifact.node}"

    def _explain(self, error: EngineError) -> EngineError:
        if _find_status(error) not in (404, 500):
            return error
        return EngineError(
            f"the Argo server cannot read the artifact {self._artifact.name} of node {self._artifact.node}",
            "Check that it still is in the artifact repository, and that the account of the token may `get` the Secret"
            " of that repository; the server's log has the reason.",
            evidence=(error.diagnosis.cause,),
            code="results.artifact",
        )

    def _fill(self, address: str, part: Part) -> bool:
        """Fill a part, from its beginning again where the server breaks off; return False for a folder."""
        said = b""
        for attempt in range(_ATTEMPTS):
            part.restart()
            try:
                status = self._server.download(address, self._what, part.write)
            except EngineError as error:
                if attempt < _ATTEMPTS - 1 and _find_status(error) in _PASSING:
                    continue
                raise self._explain(error) from error
            if status >= 300:
                return False
            broken = _BROKEN.search(part.tail)
            if broken is None:
                return True
            said = broken[0]
        raise EngineError(
            f"the Argo server broke off {self._what} {_ATTEMPTS} times",
            "Try again; if it stays, ask the operator to check the artifact repository.",
            evidence=(said.decode("utf-8", "replace").strip(),),
            code="results.artifact",
        )


def _find_status(error: EngineError) -> int | None:
    """Return the HTTP status with which the server refused."""
    refusal = error.__cause__
    return refusal.status if isinstance(refusal, ApiError) else None


class _Names(HTMLParser):
    """Reads the texts of the links of a page that lists a folder: their addresses are escaped in part only."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a name at each link."""
        if tag == "a":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        """End the name."""
        self._inside = self._inside and tag != "a"

    def handle_data(self, data: str) -> None:
        """Add to the name."""
        if self._inside:
            self.found[-1] += data


def _read_names(page: str) -> list[str]:
    parser = _Names()
    parser.feed(page)
    parser.close()
    return [name for name in parser.found if name != ".."]
