"""Quick real servers for the bench: nginx for HTTP, versitygw for S3; `make bench-servers` installs them."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "bench-access-key", "bench-secret-key"
START_SECONDS = 20

NGINX_TEMP = """\
  client_body_temp_path {home};
  proxy_temp_path {home};
  fastcgi_temp_path {home};
  scgi_temp_path {home};
  uwsgi_temp_path {home};
"""
"""Where nginx writes what it does not keep in memory: a part of its `http` block."""
NGINX_CONFIG = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  types {{ application/json json; }}
{temp}  server {{
    listen 127.0.0.1:{port};
    root {folder};
    autoindex on;
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A running server: what it is and where."""

    name: str
    url: str


def find_program(name: str) -> str:
    """A program beside this Python (where `make bench-servers` puts them), else on PATH; FileNotFoundError."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: `make bench-servers` installs it")
    return found


@contextmanager
def serve_http(folder: Path, home: Path) -> Iterator[Server]:
    """Serve `folder` over HTTP, with listings; `home` is for the server's own files."""
    port = find_free_port()
    config = home / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(home=home, port=port, folder=folder, temp=NGINX_TEMP.format(home=home)))
    with run_server([find_program("nginx"), "-c", str(config), "-p", str(home), "-e", "stderr"], port):
        yield Server("nginx", f"http://127.0.0.1:{port}")


@contextmanager
def serve_s3(folder: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    """Serve the folders in `folder` as buckets."""
    port = find_free_port(host)
    command = [find_program("versitygw"), "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", f"{host}:{port}"]
    with run_server([*command, "--quiet", "posix", str(folder)], port, host):
        yield Server("versitygw", f"http://{host}:{port}")


def find_free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_server(command: list[str], port: int, host: str = "127.0.0.1") -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not _answers(host, port):
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
            if process.poll() is not None:
                raise RuntimeError(f"the server did not start: {command}")
            yield
        finally:
            process.terminate()
            process.wait()


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), START_SECONDS).close()
    except OSError:
        return False
    return True
