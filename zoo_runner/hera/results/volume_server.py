"""The program of the pod that reads a volume: it lists files, sends them from any byte on, and computes checksums.

It is started as text (`python3 -c`) by any Python from 3.8 on, in an image that need not have this package. Arguments:
the folder, the port, the seconds without a request after which it ends, and the SHA-256 of the word that requests carry
in the header X-Token. Requests name a path within the folder; nothing outside is read, links included.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

_BLOCK_BYTES = 1 << 20


class RefusedError(Exception):
    """A request that is refused, with its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Volume:
    """The files below a folder."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)

    def list_files(self, path: str) -> Iterator[dict[str, object]]:
        """Yield path, size in bytes and version of each regular file, links to files of the volume included."""
        place = self._resolve(path)
        if not os.path.isdir(place):  # noqa: PTH112 as fast as it can be: a volume may have a million files
            yield self._describe(place)
            return
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                try:
                    yield self._describe(os.path.join(folder, name))  # noqa: PTH118 as above
                except (OSError, RefusedError):
                    # it is gone, no regular file, or a link that leads outside
                    continue

    def open(self, path: str, version: str) -> int:
        """Open a file of a version; return its descriptor."""
        # no link is followed any more, and a pipe does not wait for its writer
        descriptor = os.open(self._resolve(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise RefusedError(403, "not a regular file")
        if read_version(descriptor) != version:
            os.close(descriptor)
            raise RefusedError(412, "the file has changed")
        return descriptor

    def _resolve(self, path: str) -> str:
        place = os.path.realpath(os.path.join(self._root, path.lstrip("/")))  # noqa: PTH118
        if place != self._root and not place.startswith(self._root.rstrip("/") + "/"):
            raise RefusedError(403, "the path leads out of the volume")
        return place

    def _describe(self, place: str) -> dict[str, object]:
        status = os.stat(self._resolve(place[len(self._root) :]))  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(403, "not a regular file")
        path = os.path.relpath(place, self._root)
        return {"path": path, "size": status.st_size, "version": _build_version(status)}


def read_version(descriptor: int) -> str:
    """Return what changes when a file is written or replaced."""
    return _build_version(os.fstat(descriptor))


def _build_version(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


class VolumeServer(ThreadingHTTPServer):
    """Serves a volume, and ends after a time without requests."""

    daemon_threads = True

    def __init__(self, root: str, port: int, idle_seconds: float, token_sha256: str) -> None:
        super().__init__(("", port), Handler)
        self.volume, self.token_sha256 = Volume(root), token_sha256
        self._idle_seconds, self._requests, self._active = idle_seconds, 0, 0
        self._changed = threading.Condition()

    def count(self, step: int) -> None:
        """Note that a request begins (1) or has ended (-1)."""
        with self._changed:
            self._active += step
            self._requests += 1
            self._changed.notify_all()

    def end_when_idle(self) -> None:
        """Stop serving once nothing was asked for so long."""
        with self._changed:
            before = -1
            while self._active or before != self._requests:
                before = self._requests
                self._changed.wait_for(lambda: self._requests != before, self._idle_seconds)  # noqa: B023
        self.shutdown()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: VolumeServer

    def do_GET(self) -> None:
        """Answer `/list`, `/file` and `/sha256`, each with the query `path`, and `version` for a file."""
        self.server.count(1)
        try:
            self._check_token()
            parts = urlsplit(self.path)
            # names that are no UTF-8 come and go as surrogates
            query = dict(parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape"))
            answers = {"/list": self._list, "/file": self._send, "/sha256": self._compute}
            answers.get(parts.path, self._refuse)(query.get("path", ""), query.get("version", ""))
        except RefusedError as error:
            self._begin(error.status, text=str(error))
        except OSError as error:
            self._begin(404 if isinstance(error, FileNotFoundError) else 403, text=str(error.strerror))
        finally:
            self.server.count(-1)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _check_token(self) -> None:
        given = hashlib.sha256(self.headers.get("X-Token", "").encode()).hexdigest()
        if not hmac.compare_digest(given, self.server.token_sha256):
            raise RefusedError(401, "the word is missing or wrong")

    def _refuse(self, _path: str, _version: str) -> None:
        raise RefusedError(404, "unknown request")

    def _list(self, path: str, _version: str) -> None:
        files = self.server.volume.list_files(path)
        first = next(files, None)
        self._begin(200)
        number = 0
        while first is not None:
            self.wfile.write(json.dumps(first).encode() + b"\n")
            first, number = next(files, None), number + 1
        # without this line the list was cut off
        self.wfile.write(json.dumps({"end": number}).encode() + b"\n")

    def _send(self, path: str, version: str) -> None:
        with os.fdopen(self.server.volume.open(path, version), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].rstrip("-"))
            file.seek(start)
            self._begin(206 if start else 200, size - start)
            while start < size:
                block = file.read(min(_BLOCK_BYTES, size - start))
                if not block or read_version(file.fileno()) != version:
                    # too few bytes: the caller asks again and learns why
                    self.close_connection = True
                    return
                self.wfile.write(block)
                start += len(block)

    def _compute(self, path: str, version: str) -> None:
        digest = hashlib.sha256()
        with os.fdopen(self.server.volume.open(path, version), "rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
            if read_version(file.fileno()) != version:
                raise RefusedError(412, "the file has changed")
        self._begin(200, text=json.dumps({"sha256": digest.hexdigest()}))

    def _begin(self, status: int, size: int | None = None, text: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        body = b"" if text is None else text.encode("utf-8", "replace")
        if text is not None or size is not None:
            self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until nobody asks any more."""
    root, port, idle_seconds, token_sha256 = sys.argv[1:]
    server = VolumeServer(root, int(port), float(idle_seconds), token_sha256)
    threading.Thread(target=server.end_when_idle, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
