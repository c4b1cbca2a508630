"""A private container registry that the nodes of the development cluster reach and that wants a password."""

import base64
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.cluster import ENVIRON, NODE_ADDRESS
from tests.require import require

_OCI = "application/vnd.oci.image"
_USER, PASSWORD = "reader", "pass-of-the-registry"
_HASH = "$2y$05$rCzkSgCZpxc4kMMqODW.QeO/NvSgKC2UWNbQg/cFS8vgB3.uL2TKS"
# what dev/cluster calls its folder; containerd reads it again for each pull
_CLUSTER = Path(ENVIRON.get("CLUSTER_DIR") or "~/.cache/zoo-runner/cluster").expanduser()


@dataclass(frozen=True)
class Registry:
    """A running registry: its address, and an image in it."""

    address: str
    image: str

    @property
    def docker_config(self) -> dict[str, object]:
        """What logs in to it, as Docker writes it."""
        return {"auths": {self.address: {"auth": base64.b64encode(f"{_USER}:{PASSWORD}".encode()).decode()}}}


@contextmanager
def serve_registry(folder: Path, image: str) -> Iterator[Registry]:
    """Serve a registry with a copy of an image of this machine, to the node of the cluster."""
    require((_CLUSTER / "certs.d").is_dir(), "needs a node of dev/cluster")
    with serve_registry_at(NODE_ADDRESS, folder, image) as registry, _trusted(registry.address):
        yield registry


@contextmanager
def serve_registry_at(host: str, folder: Path, image: str) -> Iterator[Registry]:
    """Serve a registry with a copy of an image of this machine, on a free port of an address of this machine."""
    program = shutil.which("docker-registry")
    require(program is not None, "needs docker-registry")
    (folder / "passwords").write_text(f"{_USER}:{_HASH}\n")
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": f"{host}:0"},
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "passwords")}},
    }
    (folder / "registry.yml").write_text(json.dumps(settings))
    with subprocess.Popen(
        [str(program), "serve", str(folder / "registry.yml")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            address = _wait_until_it_answers(process)
            named = f"{address}/private/tool:1"
            words = ["podman", "push", "--quiet", "--tls-verify=false", f"--creds={_USER}:{PASSWORD}", image, named]
            subprocess.run(words, check=True, capture_output=True)
            yield Registry(address, named)
        finally:
            process.terminate()


@contextmanager
def _trusted(address: str) -> Iterator[None]:
    """Have the node ask the registry without TLS; the name of the folder is the registry's as images name it."""
    trust = _CLUSTER / "certs.d" / address
    trust.mkdir(exist_ok=True)
    try:
        (trust / "hosts.toml").write_text(f'[host."http://{address}"]\n  capabilities = ["pull", "resolve"]\n')
        yield
    finally:
        shutil.rmtree(trust)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]") -> str:
    """Read its log until it says where it listens, its address; there it must refuse whoever has no password."""
    assert process.stdout
    said = next((found for line in process.stdout if (found := re.search(rb"listening on ([\d.]+:\d+)", line))), None)
    assert said, "the registry ended before it listened"
    address = said[1].decode()
    # the rest of its log is read too, or it would stop at a full pipe
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=10)
    except urllib.error.HTTPError as error:
        assert error.code == 401
    else:
        raise AssertionError("the registry wants no password")
    return address


@contextmanager
def serve_slow_registry() -> Iterator[str]:
    """Serve a registry with one image whose layer never comes to its end while the block runs; the image's name."""
    require((_CLUSTER / "certs.d").is_dir(), "needs a node of dev/cluster")
    layer = {"mediaType": f"{_OCI}.layer.v1.tar", "digest": f"sha256:{'0' * 64}", "size": 1 << 30}
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()
    described = {"mediaType": f"{_OCI}.config.v1+json", "digest": _digest(config), "size": len(config)}
    kind = f"{_OCI}.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": described, "layers": [layer]}).encode()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(b"")

        def do_GET(self) -> None:
            if str(layer["digest"]) in self.path:
                self.send_response(200)
                self.send_header("Content-Length", str(layer["size"]))
                self.end_headers()
                over.wait()
            else:
                self._answer(config if str(described["digest"]) in self.path else manifest)

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", _digest(manifest))
            self.send_header("Content-Length", str(len(body) or len(manifest)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer((NODE_ADDRESS, 0), Handler) as server:
        address = f"{NODE_ADDRESS}:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with _trusted(address):
            try:
                yield f"{address}/slow:1"
            finally:
                over.set()
                server.shutdown()


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"
