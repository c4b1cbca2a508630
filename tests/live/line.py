"""A line to a server that breaks when a test says so: in the middle of an answer, or for a while."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Line:
    """Relays connections to a server. `came_bytes` is what the server has sent through it.

    At each number of bytes in `cuts` all connections break once; at `stands_still_at` bytes nothing comes any more, and
    `still` is set.
    """

    target: tuple[str, int]
    cuts: list[int] = field(default_factory=list)
    stands_still_at: float = float("inf")
    came_bytes: int = 0
    still: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    _listener: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The address of this end."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> None:
        """Take connections, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def disconnect(self) -> None:
        """Break all connections and take no more."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        with self._lock:
            broken, self._open = self._open, set()
        for end in broken:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
                with self._lock:
                    self._open |= {client, server}
                for source, sink, look in ((client, server, _pass), (server, client, self._count)):
                    threading.Thread(target=self._pump, args=(source, sink, look), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, look: Callable[[bytes], None]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                look(data)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def _count(self, data: bytes) -> None:
        self.came_bytes += len(data)
        if self.came_bytes >= self.stands_still_at:
            self.still.set()
            threading.Event().wait()
        if self.cuts and self.came_bytes >= self.cuts[0]:
            del self.cuts[0]
            self.cut()


def _pass(_data: bytes) -> None:
    """Look at nothing."""


@contextmanager
def line_to(host: str, port: int, *cuts: int, stands_still_at: float = float("inf")) -> Iterator[Line]:
    """A line to a server while the block runs."""
    line = Line((host, port), list(cuts), stands_still_at)
    line.connect()
    try:
        yield line
    finally:
        line.disconnect()


@contextmanager
def line_to_cluster(
    kubeconfig: str, folder: Path, *cuts: int, stands_still_at: float = float("inf")
) -> Iterator[tuple[Line, str]]:
    """A line to the Kubernetes API, and a kubeconfig that uses it."""
    words = ["kubectl", f"--kubeconfig={kubeconfig}", "proxy", "--port=0", "--disable-filter=true"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as proxy:
        try:
            assert proxy.stdout
            port = int(proxy.stdout.readline().rpartition(":")[2])
            with line_to("127.0.0.1", port, *cuts, stands_still_at=stands_still_at) as line:
                path = folder / "kubeconfig-of-the-line"
                path.write_text(
                    "{apiVersion: v1, kind: Config, current-context: it, contexts: [{name: it, context: {cluster: it,"
                    " user: it}}], users: [{name: it, user: {}}], clusters: [{name: it, cluster: {server:"
                    f' "{line.url}"}}}}]}}'
                )
                yield line, str(path)
        finally:
            proxy.terminate()
