"""The HTTP server behind nginx: TLS and a path of the proxy's own, clients that the proxy names, limits for each."""

import json
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from bench.servers import NGINX_TEMP, find_free_port, find_program, run_server
from tests.require import require
from tests.serving import CWL, Server, serving
from tests.site import Site
from tests.values import ROOT

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
LONGEST_SECONDS = 60
# what docs/api.md shows, with TLS
CONFIG = """
daemon off;
pid {home}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
{temp}  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {home}/server.pem;
    ssl_certificate_key {home}/server.key;
    location /eo/ {{
      proxy_pass http://127.0.0.1:{target}/;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      client_max_body_size 16m;
    }}
  }}
}}
"""


@contextmanager
def proxying(target: int, port: int, home: Path) -> Iterator[ssl.SSLContext]:
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(home / "server.key"), "-out", str(home / "server.pem")]
    subprocess.run([*make, *names, *files], check=True, capture_output=True)
    config = home / "nginx.conf"
    config.write_text(CONFIG.format(home=home, port=port, target=target, temp=NGINX_TEMP.format(home=home)))
    with run_server([find_program("nginx"), "-c", str(config), "-p", str(home), "-e", "stderr"], port):
        yield ssl.create_default_context(cafile=str(home / "server.pem"))


def read(url: str, trust: ssl.SSLContext, body: bytes | None = None, media_type: str = "application/json") -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": media_type})
    with urllib.request.urlopen(request, timeout=LONGEST_SECONDS, context=trust) as answer:
        return json.load(answer)


def test_links_lead_through_the_proxy_with_its_tls_and_its_path(tmp_path: Path, package_cache: Path) -> None:
    require(
        shutil.which("nginx") is not None or Path("/usr/sbin/nginx").exists(), "nginx is missing: make bench-servers"
    )
    port = find_free_port()
    base = f"https://127.0.0.1:{port}/eo"
    site = Site(tmp_path, package_cache).having(
        ZOO_RUNNER_BASE_URL=base, ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results")
    )
    with serving(site.environ, tmp_path) as server, proxying(server.port, port, tmp_path) as trust:
        page = read(f"{base}/", trust)
        assert {link["href"].startswith(f"{base}/") for link in page["links"]} == {True}
        for link in page["links"]:
            assert read(link["href"], trust)
        read(f"{base}/processes", trust, ECHO.read_bytes(), CWL)
        results = read(f"{base}/processes/echo/execution", trust, b'{"inputs": {"message": "proxied"}}')
        with urllib.request.urlopen(results["text"]["href"], timeout=LONGEST_SECONDS, context=trust) as answer:
            assert answer.read() == b"proxied\n"


@pytest.mark.parametrize(("trusted", "status"), [("127.0.0.1", 200), ("192.0.2.0/24", 429)])
def test_only_a_trusted_proxy_says_whose_requests_are_counted(
    tmp_path: Path, package_cache: Path, trusted: str, status: int
) -> None:
    site = Site(tmp_path, package_cache).having(ZOO_RUNNER_RATE_LIMIT="2/hour", ZOO_RUNNER_TRUSTED_PROXIES=trusted)
    with serving(site.environ, tmp_path) as server:
        assert [ask(server, "198.51.100.1") for _ in range(3)] == [200, 200, 429]
        assert ask(server, "198.51.100.2") == status


def ask(server: Server, client: str) -> int:
    """Ask as one request, which nothing but this counts."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=LONGEST_SECONDS)
    with closing(connection):
        connection.request("GET", "/conformance", headers={"X-Forwarded-For": client})
        return connection.getresponse().status
