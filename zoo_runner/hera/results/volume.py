"""Files on a volume, or in an artifact, downloaded through a pod: resumed after interruptions, verified by checksum.

The bytes come through the Kubernetes API (`pods/proxy`), so that the cluster needs no further way in.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from zoo_runner.engines.argo.results.folder import Part, ResultsFolder, Stored
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.patience import Patience
from zoo_runner.hera.results.reader_pod import PORT, Reader, ReaderPod, Running, running_reader
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

# of a transfer that brings no byte more
_TRIES = 6
_PASSING = (0, 429, 500, 502, 503, 504)
_CHANGED, _NOT_FOUND, _FORBIDDEN = 412, 404, 403


@dataclass(frozen=True)
class VolumeFile:
    """A file on a volume: its path there, size in bytes, and a version that changes when it is written."""

    path: str
    size: int
    version: str


def download_files(
    cluster: Cluster,
    reader: ReaderPod,
    paths: Iterable[str],
    folder: ResultsFolder,
    take: Callable[[Stored], object],
) -> None:
    """Download files of a volume, and all files below folders, to `volumes/CLAIM/…` of the folder.

    Calls `take` with each file when it is there. Files that are there and intact are not fetched again; a file that was
    left unfinished is continued. Raises `EngineError`.
    """
    with running_reader(cluster, reader) as running:
        volume = Volume(cluster, reader, running)
        for file in (file for path in paths for file in volume.list_files(path)):
            take(volume.download(file, folder))


class Volume:
    """What a running pod reads."""

    def __init__(self, cluster: Cluster, reader: Reader, running: Running) -> None:
        self._cluster, self._reader = cluster, reader
        self._base = f"/api/v1/namespaces/{reader.namespace}/pods/{running.pod}:{PORT}/proxy"
        self._headers = {"X-Token": running.token}

    def list_files(self, path: str) -> list[VolumeFile]:
        """List the files below a path."""
        about = f"listing {path} on {self._reader.what}"
        lines = self._ask(f"/list?{_encode(path)}", about).splitlines()
        try:
            *files, end = (json.loads(line) for line in lines)
            listed = [VolumeFile(**one) for one in files]
        except (ValueError, TypeError):
            # it is empty, or ends inside of a line
            files, end, listed = [], None, []
        if end != {"end": len(files)}:
            raise EngineError(f"{about}: the list was cut off", "Try again.", code="results.damaged")
        return listed

    def download(self, file: VolumeFile, folder: ResultsFolder) -> Stored:
        """Download a file, unless it is there and intact; raises `EngineError`."""
        place, source = self._reader.find_place(file.path), self._reader.find_source(file.path, file.version)
        if stored := folder.find_stored(place, source):
            return stored
        with folder.downloading(place, source) as part:
            self._fill(part, file)
            expected = self._read_sha256(file)
            if part.sha256 != expected:
                # the part may be from a transfer that a full disk or a crash damaged
                part.restart()
                self._fill(part, file)
            if part.sha256 != expected:
                part.restart()
                raise EngineError(
                    f"the file {file.path} of {self._reader.what} arrived with another checksum",
                    "Try again; if it stays, ask the operator to check the volume.",
                    evidence=(f"expected sha256 {expected}, got {part.sha256}",),
                    code="results.damaged",
                )
            return folder.store(place, part, source)

    def _read_sha256(self, file: VolumeFile) -> str:
        about = f"computing the checksum of {file.path}"
        answer = self._ask(f"/sha256?{_encode(file.path, file.version)}", about)
        try:
            return str(json.loads(answer)["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            # half an answer, or that of a proxy in between
            raise EngineError(
                f"{about} on {self._reader.what}: the answer is no checksum",
                "Try again; if it stays, check what is between here and the Kubernetes API.",
                evidence=(answer[:200].decode("utf-8", "replace"),),
                code="results.damaged",
            ) from error

    def _fill(self, part: Part, file: VolumeFile) -> None:
        """Fetch what a part lacks; a transfer that breaks is continued."""
        about, attempts = f"reading {file.path}", _Attempts()
        while part.size < file.size:
            before = part.size
            headers = {"Range": f"bytes={before}-"} if before else {}
            error = ApiError(about, 0, "broken-off", "the connection closed before all bytes came")
            try:
                self._get(f"/file?{_encode(file.path, file.version)}", about, part.write, headers)
            except ApiError as caught:
                error = caught
            if part.size < file.size and not attempts.wait(error, part.size > before):
                raise self._explain(error, about) from error

    def _ask(self, address: str, about: str) -> bytes:
        """Return a whole answer; one that breaks is asked for again."""
        attempts = _Attempts()
        while True:
            answer: list[bytes] = []
            try:
                self._get(address, about, answer.append, {})
            except ApiError as error:
                if not attempts.wait(error, False):
                    raise self._explain(error, about) from error
            else:
                return b"".join(answer)

    def _get(self, address: str, about: str, take: Callable[[bytes], object], more: Mapping[str, str]) -> None:
        self._cluster.download(f"{self._base}{address}", about, take, {**self._headers, **more})

    def _explain(self, error: ApiError, about: str) -> EngineError:
        # what the API itself refuses is an object with a reason, what the pod refuses a line of text
        if error.status == _CHANGED:
            cause, remedy, code = "has changed meanwhile", "Run it again when the file is complete.", "results.changed"
        elif error.status == _NOT_FOUND and error.reason == str(_NOT_FOUND):
            cause, remedy, code = "does not exist", "Check the path; it is that on the volume.", "results.not-found"
        elif error.status == _FORBIDDEN and error.reason == str(_FORBIDDEN):
            cause, remedy = "cannot be read by the pod", "Set `securityContext` of the workflow to the files' owner."
            code = "results.refused"
        else:
            return error
        return EngineError(
            f"{about} on {self._reader.what}: {cause}", remedy, evidence=(error.message,), level=Level.USER, code=code
        )


class _Attempts:
    """How often a transfer is tried again: as long as it brings something, and then some more times."""

    def __init__(self) -> None:
        self._patience, self._left, self._pause = Patience(), _TRIES, threading.Event()

    def wait(self, error: ApiError, moved: bool) -> bool:
        """Wait before the next try; return False where there shall be none."""
        if moved:
            self._patience, self._left = Patience(), _TRIES
        self._left -= 1
        if error.status not in _PASSING or self._left == 0:
            return False
        self._pause.wait(self._patience.next_wait_seconds())
        return True


def _encode(path: str, version: str = "") -> str:
    return urlencode({"path": path, "version": version}, errors="surrogateescape")
