"""A workflow controller for tests, beside that of dev/argo: of one namespace and one instance id, so that it may be
killed and started again, and have settings of its own."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.servers import find_free_port
from tests.cluster import applied, kubectl
from tests.require import require
from tests.site import Site
from tests.values import ROOT

_CONFIG = "own-controller"
_QUIET = {"nodeEvents": "{enabled: true}", "metricsConfig": "{enabled: false}", "telemetryConfig": "{enabled: false}"}


def find_programs() -> tuple[Path, str]:
    """Return the folder of the programs that `make argo` built, and the name of the executor's image."""
    read = '. dev/argo/env.sh; printf "%s\\n%s\\n" "$BIN" "$EXECUTOR_IMAGE"'
    done = subprocess.run(["bash", "-c", read], cwd=ROOT, capture_output=True, text=True, check=True)
    folder, image = done.stdout.split()
    require((Path(folder) / "workflow-controller").exists(), "Argo Workflows is not built: `make argo` builds it")
    return Path(folder), image


@dataclass
class Controller:
    """A controller that can be killed and started again; `environ` is added to its environment."""

    namespace: str
    kubeconfig: str
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    executor: str = ""
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it."""
        folder, image = find_programs()
        words = ["--kubeconfig", self.kubeconfig, "--namespaced", "--namespace", self.namespace]
        words += ["--managed-namespace", self.namespace, "--configmap", _CONFIG]
        words += ["--executor-image", self.executor or image, "--executor-image-pull-policy", "IfNotPresent"]
        own = {"LEADER_ELECTION_DISABLE": "true", "DEFAULT_REQUEUE_TIME": "1s", "ARGO_NAMESPACE": self.namespace}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [folder / "workflow-controller", *words],
                env={**os.environ, **own, **self.environ},  # noqa: TID251 a program as a shell would start it
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def ensure_namespace(site: Site, namespace: str) -> None:
    """Have a namespace."""
    if not kubectl(site, "get", "namespace", namespace, "--ignore-not-found", "-o", "name"):
        kubectl(site, "create", "namespace", namespace)


@contextmanager
def controlling(
    site: Site,
    namespace: str,
    instance: str,
    settings: Mapping[str, str] | None = None,
    executor: str = "",
    **environ: str,
) -> Iterator[Controller]:
    """Have a controller of a namespace and an instance id while the block runs; `settings` are put in its ConfigMap."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _CONFIG, "namespace": namespace},
        "data": {"instanceID": instance, **_QUIET, **(settings or {})},
    }
    controller = Controller(namespace, site.environ["KUBECONFIG"], site.folder / "controller.log", environ, executor)
    with applied(site, config):
        controller.start()
        try:
            yield controller
        finally:
            controller.kill()


@contextmanager
def serving(site: Site, namespace: str) -> Iterator[str]:
    """Serve the workflows of a namespace with the settings of its controller while the block runs; its URL."""
    folder, _ = find_programs()
    port = find_free_port()
    words = ["server", "--kubeconfig", site.environ["KUBECONFIG"], "--namespaced", "--namespace", namespace]
    words += ["--configmap", _CONFIG, "--auth-mode", "client", "--secure=false", "--port", str(port)]
    environ = {**os.environ, "ARGO_NAMESPACE": namespace}  # noqa: TID251 a program as a shell would start it
    with (site.folder / "server.log").open("ab") as log:
        process = subprocess.Popen([folder / "argo", *words], env=environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
