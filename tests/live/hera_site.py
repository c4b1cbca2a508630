"""A site of people who run Hera scripts: the real Argo Workflows, with the configuration and commands that reach it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import ENVIRON, find_kubeconfig
from zoo_runner.hera.configuration import HeraConfiguration, load_hera_configuration

SERVER = ENVIRON.get("ARGO_SERVER", "http://127.0.0.1:2746")
NAMESPACE = ENVIRON.get("ARGO_NAMESPACE", "argo")
ACCOUNT = "argo-user"

# of a command on a busy machine
_MOST_SECONDS = 400

Hera = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class HeraSite:
    """Environment and folder of a person who uses the toolkit."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def configuration(self) -> HeraConfiguration:
        """The configuration that commands read."""
        return load_hera_configuration(self.environ, self.folder)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `zoo-runner hera` in the folder."""
        return subprocess.run(
            self._build(words),
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_MOST_SECONDS,
        )

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start `zoo-runner hera` in the folder."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self._build(words), env=self.environ, cwd=self.folder, stdout=pipe, stderr=pipe, text=True
        )

    def _build(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "zoo_runner", "hera", *words]

    def kubectl(self, *words: str) -> str:
        """Run kubectl in the namespace; return what it prints."""
        command = [str(shutil.which("kubectl")), f"--kubeconfig={self.environ['KUBECONFIG']}", "-n", NAMESPACE, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @contextmanager
    def applied(self, manifests: str) -> Iterator[None]:
        """Have objects in the namespace while the block runs."""
        path = self.folder / "applied.yaml"
        path.write_text(manifests)
        self.kubectl("apply", "-f", str(path))
        try:
            yield
        finally:
            self.kubectl("delete", "-f", str(path), "--ignore-not-found", "--wait=false")


def make_hera_site(folder: Path) -> HeraSite:
    """Return the site of a test."""
    environ = {
        "ARGO_SERVER": SERVER,
        "ARGO_NAMESPACE": NAMESPACE,
        "ARGO_SERVICE_ACCOUNT": ACCOUNT,
        "KUBECONFIG": find_kubeconfig(),
        "PATH": os.defpath,
    }
    return HeraSite(folder, environ)
