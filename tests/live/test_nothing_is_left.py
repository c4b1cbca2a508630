"""What the whole tier left in the cluster: nothing. tests/live/conftest.py sees to it that this comes last."""

import json
from pathlib import Path

from tests.cluster import ENVIRON, NAMESPACE, find_kubeconfig, kubectl
from tests.site import Site

LABEL = "app.kubernetes.io/managed-by=zoo-runner"


def test_of_all_jobs_nothing_is_left(tmp_path: Path) -> None:
    nobody = Site(tmp_path, tmp_path, {"KUBECONFIG": find_kubeconfig()})
    listed = kubectl(nobody, "get", "all,pvc,configmap,secret", "-A", "-l", LABEL, "-o", "json")
    left = [
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in json.loads(listed)["items"]
        # beside other runs of the tests on the same cluster (TEST_WORKSPACE), only what is of this one
        if "TEST_WORKSPACE" not in ENVIRON or item["metadata"]["namespace"].startswith(NAMESPACE)
    ]
    assert left == []
