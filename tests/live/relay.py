"""A relay between a caller and `kubectl proxy` that kills the caller at an exact point of their conversation."""

import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

# the nodes are asked for only where a pod is reported while it has no place, a state that may pass unseen
_REQUEST = re.compile(rb"(?:GET|POST|PATCH|DELETE) (?!/api/v1/nodes\b)\S+ HTTP/1\.1\r\n")
# RFC 9112, section 7.1
_LAST_CHUNK = b"0\r\n\r\n"
# a line of the job's log: its time comes first
_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z ")


@dataclass(frozen=True)
class Point:
    """When to kill: as the nth request is about to be sent, once it was answered, or at the nth line of the log.

    `end-of-log` ends the stream of the log there once, as if nothing more were to come.
    """

    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.what}-{self.number}"


@dataclass
class Relay:
    """Relays every connection to a port; `kill` is called once, at the point."""

    target: int
    point: Point
    kill: Callable[[], None]
    requests: int = 0
    lines: int = 0
    killed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for source, sink, look in ((client, server, self._note_request), (server, client, self._note_answer)):
                    threading.Thread(target=self._pump, args=(source, sink, look), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, look: Callable[[bytes], bool]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                over = look(data)
                sink.sendall(data)
                if over:
                    sink.sendall(_LAST_CHUNK)
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def _note_request(self, data: bytes) -> bool:
        with self._lock:
            self.requests += len(_REQUEST.findall(data))
            if self.point.what == "before-request" and self.requests >= self.point.number:
                self._end()
        return False

    def _note_answer(self, data: bytes) -> bool:
        """Look for the point; whether the stream of the log is to end here."""
        with self._lock:
            self.lines += len(_LOG_LINE.findall(data))
            seen = {"after-request": self.requests, "log-line": self.lines, "end-of-log": self.lines}
            due = seen.get(self.point.what, 0)
            if due < self.point.number or self.killed.is_set():
                return False
            self._end()
            return self.point.what == "end-of-log"

    def _end(self) -> None:
        """Kill; of a request that was not to be sent nothing goes on its way."""
        if not self.killed.is_set():
            self.killed.set()
            self.kill()
        if self.point.what == "before-request":
            raise OSError("the caller is dead")


@contextmanager
def relaying(kubeconfig: str, point: Point, kill: Callable[[], None]) -> Iterator[tuple[str, Relay]]:
    """The URL of a relay to the cluster, and the relay."""
    words = ["kubectl", f"--kubeconfig={kubeconfig}", "proxy", "--port=0", "--disable-filter=true"]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as proxy,
        socket.create_server(("127.0.0.1", 0)) as to,
    ):
        try:
            assert proxy.stdout
            port = int(proxy.stdout.readline().rpartition(":")[2])
            relay = Relay(port, point, kill)
            threading.Thread(target=relay.serve, args=(to,), daemon=True).start()
            with closing(to):
                yield f"http://127.0.0.1:{to.getsockname()[1]}", relay
        finally:
            proxy.terminate()
