#!/usr/bin/env python3
"""The storage class `standard`: makes a host-path volume for each claim, and takes it away once it is released.

One node, so that a host path is shared by all pods whatever the access mode. Follows the claims and volumes that
`kubectl get --watch` prints, in the environment that the scripts here set (KUBECONFIG, CLUSTER_DIR). Volumes are
created over one connection, as provisioners do it: `kubectl apply` takes more of the processor than all else of a job.
"""

import base64
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(os.environ["CLUSTER_DIR"]) / "volumes"  # noqa: TID251 a program of its own
CLASS = "standard"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "zoo-runner.dev/host-path",
    "volumeBindingMode": "Immediate",
}


class Api:
    """A connection to the API server, opened again where it has ended; for one thread."""

    def __init__(self) -> None:
        words = ["kubectl", "config", "view", "--raw", "--minify", "--flatten", "-o", "json"]
        access = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
        cluster = access["clusters"][0]["cluster"]
        self._host = urllib.parse.urlsplit(cluster["server"]).netloc
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._trust = ssl.create_default_context(cadata=authority)
        token = access["users"][0]["user"]["token"]
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPSConnection | None = None

    def call(self, method: str, path: str, document: Any = None) -> None:
        """Make a request; what is refused goes to the log, but for what is there or gone already."""
        body = json.dumps(document) if document else None
        for _ in range(2):
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(self._host, context=self._trust, timeout=60)
            try:
                self._connection.request(method, path, body, self._headers)
                answer = self._connection.getresponse()
                said = answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                # the server closes connections that nothing came on
                print(f"{method} {path}: {error}", file=sys.stderr)
                self._connection.close()
                self._connection = None
                continue
            if answer.status >= 300 and answer.status not in (404, 409):
                print(f"{method} {path}: {said}", file=sys.stderr)
            return


def watch(*words: str) -> Iterator[dict[str, Any]]:
    """Yield the objects as they are and change, until kubectl ends; it also prints the status of a watch that fails."""
    with subprocess.Popen(["kubectl", "get", *words, "--watch", "-o", "json"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        decoder, text = json.JSONDecoder(), ""
        while chunk := os.read(process.stdout.fileno(), 1 << 16):
            text += chunk.decode()
            while text := text.lstrip():
                try:
                    item, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:]
                items = item["items"] if item["kind"] == "List" else [item]
                yield from (one for one in items if "spec" in one)


def offer(api: Api, claim: dict[str, Any]) -> None:
    """Make the volume that a claim waits for."""
    meta, spec = claim["metadata"], claim["spec"]
    if claim["status"]["phase"] != "Pending" or spec.get("storageClassName") != CLASS or spec.get("volumeName"):
        return
    name = f"pvc-{meta['uid']}"
    folder = ROOT / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    api.call(
        "POST",
        "/api/v1/persistentvolumes",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "storageClassName": CLASS,
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
                "hostPath": {"path": str(folder), "type": "Directory"},
            },
        },
    )


def take_away(api: Api, volume: dict[str, Any]) -> None:
    """Remove a volume whose claim is gone, with what lies in it."""
    if volume.get("status", {}).get("phase") != "Released" or volume["spec"].get("storageClassName") != CLASS:
        return
    if "deletionTimestamp" in volume["metadata"]:
        return
    api.call("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
    shutil.rmtree(ROOT / volume["metadata"]["name"], ignore_errors=True)


def follow_volumes() -> None:
    """Take released volumes away for as long as the cluster lives."""
    api = Api()
    while True:
        for volume in watch("pv"):
            take_away(api, volume)


def main() -> None:
    """Serve the storage class until the process is stopped."""
    api = Api()
    api.call("POST", "/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
    threading.Thread(target=follow_volumes, daemon=True).start()
    while True:
        for claim in watch("pvc", "--all-namespaces"):
            offer(api, claim)


if __name__ == "__main__":
    sys.exit(main())
