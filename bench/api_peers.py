"""Reads of descriptions and lists, beside pygeoapi and wraptile with as many processes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.commands import find_ratio
from bench.servers import find_free_port, run_server

PROCESSES = 12
REQUESTS, CONNECTIONS = 1500, 8
PEERS = ("pygeoapi", "wraptile")
LIMITS = {"pygeoapi": 2.0, "wraptile": 1.0}
PATHS = ("/processes/echo", "/processes")

_WRAPTILE = f"""
from wraptile.services.local import LocalService

service = LocalService(title="bench", description="bench")


def echo(message: str = "Hello") -> str:
    return message


for number in range({PROCESSES}):
    name = f"echo{{number}}" if number else "echo"
    service.process_registry.process(id=name, title="Echo", description="Echo a message")(echo)
"""
_PYGEOAPI = """
server:
  bind: {{host: 127.0.0.1, port: {port}}}
  url: http://127.0.0.1:{port}
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  languages: [en-US]
  limits: {{default_items: 100, max_items: 1000}}
  map: {{url: "https://tile.openstreetmap.org/{{z}}/{{x}}/{{y}}.png", attribution: none}}
  manager: {{name: TinyDB, connection: {folder}/jobs.db, output_dir: {folder}}}
logging: {{level: ERROR}}
metadata:
  identification:
    title: bench
    description: bench
    keywords: [bench]
    keywords_type: theme
    terms_of_service: none
    url: http://localhost
  license: {{name: none, url: http://localhost}}
  provider: {{name: bench, url: http://localhost}}
  contact: {{name: bench}}
resources:
{resources}
"""


@dataclass(frozen=True)
class Read:
    """A path beside a peer: the ratio of requests per second, its limit, and both rates."""

    path: str
    peer: str
    ratio: float
    limit: float
    rates: str


def measure_reads(url: str, folder: Path, rounds: int) -> Iterator[Read]:
    """Read every path from us and both peers."""
    home = folder / "peers"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", *PEERS], check=True)
    with _serve_pygeoapi(home) as pygeoapi, _serve_wraptile(home) as wraptile:
        for path in PATHS:
            rates = _measure_rates({"ours": url, "pygeoapi": pygeoapi, "wraptile": wraptile}, path, rounds)
            for peer, limit in LIMITS.items():
                ratio = find_ratio(rates["ours"], rates[peer])
                middle = len(rates[peer]) // 2
                shown = " : ".join(f"{sorted(rates[name])[middle]:.0f}" for name in ("ours", peer))
                yield Read(path, peer, ratio, limit, shown)


def _measure_rates(servers: Mapping[str, str], path: str, rounds: int) -> Mapping[str, Sequence[float]]:
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for url in servers.values():
        _read_rate(f"{url}{path}")
    for number in range(rounds):
        for name in servers if number % 2 else reversed(list(servers)):
            rates[name].append(_read_rate(f"{servers[name]}{path}"))
    return rates


def _read_rate(url: str) -> float:
    words = ["ab", "-q", "-k", "-n", str(REQUESTS), "-c", str(CONNECTIONS), "-H", "Accept: application/json", url]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    found = re.search(r"Requests per second:\s+([\d.]+)", text)
    assert found, text
    return float(found[1])


@contextmanager
def _serve_pygeoapi(home: Path) -> Iterator[str]:
    port = find_free_port()
    names = ["echo", *(f"echo{number}" for number in range(1, PROCESSES))]
    resources = "\n".join(f"  {name}: {{type: process, processor: {{name: HelloWorld}}}}" for name in names)
    config, openapi = home / "pygeoapi.yml", home / "openapi.yml"
    config.write_text(_PYGEOAPI.format(port=port, folder=home, resources=resources))
    environ = _build_environ({"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(openapi)})
    program = str(home / "bin" / "pygeoapi")
    subprocess.run(
        [program, "openapi", "generate", str(config), "--output-file", str(openapi)],
        env=environ,
        check=True,
        capture_output=True,
    )
    command = ["env", *(f"{name}={environ[name]}" for name in ("PYGEOAPI_CONFIG", "PYGEOAPI_OPENAPI"))]
    # the server of its documentation for production
    uvicorn = [str(home / "bin" / "uvicorn"), "pygeoapi.starlette_app:APP", "--log-level", "error"]
    with run_server([*command, *uvicorn, "--port", str(port)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _serve_wraptile(home: Path) -> Iterator[str]:
    port = find_free_port()
    (home / "bench_service.py").write_text(_WRAPTILE)
    program = [str(home / "bin" / "wraptile"), "run", "--port", str(port), "--", "bench_service:service"]
    with run_server(["env", f"PYTHONPATH={home}", *program], port):
        yield f"http://127.0.0.1:{port}"


def _build_environ(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **more}  # noqa: TID251 as a user's shell hands it on
