"""A listener for the figures of a command in the format of Prometheus, at a port of its own.

The API server has them at its own port (`zoo_runner.server.metrics`); workers, harvester and ingester have this one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, socket

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import generate_latest

from zoo_runner.model.errors import SettingsError

PATH = "/metrics"
# of one read: a client that sends nothing is left
_PATIENCE_SECONDS, _MOST_AT_ONCE = 10.0, 8


def create_registry() -> CollectorRegistry:
    """Create a registry that has memory, CPU, files and threads of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    threads = Gauge("zoo_runner_threads", "Threads of the process.", registry=registry)
    threads.set_function(threading.active_count)
    return registry


@contextmanager
def serving_metrics(registry: CollectorRegistry, address: tuple[str, int]) -> Iterator[None]:
    """Serve the figures of a registry at an address while the block runs; raises `SettingsError` for one in use."""
    host, port = address
    try:
        server = _Server(registry, host, port)
    except (OSError, UnicodeError) as error:
        raise SettingsError(
            f"metrics cannot be served at {host}:{port}: {getattr(error, 'strerror', None) or error}",
            "Choose another address for --metrics.",
            code="settings.invalid",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Answers few clients at a time: any may connect, and each takes a thread."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self.registry, self._places = registry, threading.BoundedSemaphore(_MOST_AT_ONCE)
        self.address_family = _find_family(host)
        super().__init__((host, port), _Handler)

    def process_request(self, request: socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Begin a thread for a client, or leave it where there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Answer a client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: a client that leaves is not worth a line of the log."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_SECONDS
    server_version, sys_version = "zoo-runner", ""

    def do_GET(self) -> None:
        """Answer with the figures."""
        if self.path.partition("?")[0] != PATH:
            self._answer(404, f"metrics are at {PATH}\n".encode(), "text/plain; charset=utf-8")
            return
        self._answer(200, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)

    def _answer(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: what is read every few seconds would fill the log."""


def _find_family(host: str) -> int:
    try:
        return AF_INET6 if ip_address(host).version == 6 else AF_INET
    except ValueError:
        # a name
        return AF_INET
