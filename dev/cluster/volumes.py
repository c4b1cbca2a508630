#!/usr/bin/env python3
"""The storage class `standard`: makes a host-path volume for each claim, and takes it away once it is released.

One node, so that a host path is shared by all pods whatever the access mode. Follows the claims and volumes that
`kubectl get --watch` prints, in the environment that the scripts here set (KUBECONFIG, CLUSTER_DIR).
"""

import json
import os
import shutil
import subprocess
import sys
import threading
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


def kubectl(*words: str, document: Any = None) -> None:
    """Call kubectl; what it complains of goes to the log."""
    text = json.dumps(document) if document else None
    subprocess.run(["kubectl", *words], input=text, text=True, check=False, stdout=subprocess.DEVNULL)


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


def offer(claim: dict[str, Any]) -> None:
    """Make the volume that a claim waits for."""
    meta, spec = claim["metadata"], claim["spec"]
    if claim["status"]["phase"] != "Pending" or spec.get("storageClassName") != CLASS or spec.get("volumeName"):
        return
    name = f"pvc-{meta['uid']}"
    folder = ROOT / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    kubectl(
        "apply",
        "-f",
        "-",
        document={
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


def take_away(volume: dict[str, Any]) -> None:
    """Remove a volume whose claim is gone, with what lies in it."""
    if volume.get("status", {}).get("phase") != "Released" or volume["spec"].get("storageClassName") != CLASS:
        return
    if "deletionTimestamp" in volume["metadata"]:
        return
    kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")
    shutil.rmtree(ROOT / volume["metadata"]["name"], ignore_errors=True)


def follow_volumes() -> None:
    """Take released volumes away for as long as the cluster lives."""
    while True:
        for volume in watch("pv"):
            take_away(volume)


def main() -> None:
    """Serve the storage class until the process is stopped."""
    kubectl("apply", "-f", "-", document=STORAGE_CLASS)
    threading.Thread(target=follow_volumes, daemon=True).start()
    while True:
        for claim in watch("pvc", "--all-namespaces"):
            offer(claim)


if __name__ == "__main__":
    sys.exit(main())
