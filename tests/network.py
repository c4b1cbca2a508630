"""A network that a test can cut: connections to a port of this machine lead to another port, or nowhere."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Network:
    """Leads connections at `port` to the port `target`.

    `sent` counts the bytes that clients have sent, `refused` the connections that led nowhere.
    """

    target: int
    listener: socket.socket
    sent: int = 0
    refused: int = 0
    _is_cut: bool = False
    _ends: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        """The port for clients."""
        return int(self.listener.getsockname()[1])

    def cut(self) -> None:
        """Break all connections, and have no new one come to be."""
        with self._lock:
            self._is_cut = True
            ends, self._ends = self._ends, []
        for end in ends:
            _close(end)

    def heal(self) -> None:
        """Have new connections lead to the target again."""
        with self._lock:
            self._is_cut = False

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                self._join(self.listener.accept()[0])

    def _join(self, client: socket.socket) -> None:
        with self._lock:
            try:
                if self._is_cut:
                    raise ConnectionError
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                self.refused += 1
                _close(client)
                return
            self._ends += [client, server]
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink, source is client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.sent += len(data) if is_client else 0
                sink.sendall(data)
        for end in (source, sink):
            _close(end)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        end.close()


@contextmanager
def a_network(target: int) -> Iterator[Network]:
    """Give a network to a port while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        network = Network(target, listener)
        threading.Thread(target=network.serve, daemon=True).start()
        yield network
        network.cut()
        listener.shutdown(socket.SHUT_RDWR)
