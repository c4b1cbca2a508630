"""What the whole tier left in the cluster: nothing. tests/live/conftest.py sees to it that this comes last."""

import json
import threading
import time
from pathlib import Path

from tests.cluster import ENVIRON, NAMESPACE, find_kubeconfig, kubectl
from tests.site import Site

LABEL = "app.kubernetes.io/managed-by=zoo-runner"
# what Kubernetes may take to collect what the last job owned, and a namespace of its own (issue 5)
COLLECTED_SECONDS = 20


def list_left(site: Site) -> list[str]:
    listed = kubectl(site, "get", "all,pvc,configmap,secret", "-A", "-l", LABEL, "-o", "json")
    return [
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in json.loads(listed)["items"]
        # beside other runs of the tests on the same cluster (TEST_WORKSPACE), only what is of this one
        if "TEST_WORKSPACE" not in ENVIRON or item["metadata"]["namespace"].startswith(NAMESPACE)
    ]


def test_of_all_jobs_nothing_is_left(tmp_path: Path) -> None:
    nobody = Site(tmp_path, tmp_path, {"KUBECONFIG": find_kubeconfig()})
    until, pause = time.monotonic() + COLLECTED_SECONDS, threading.Event()
    while (left := list_left(nobody)) and time.monotonic() < until:
        pause.wait(0.5)
    assert left == []
