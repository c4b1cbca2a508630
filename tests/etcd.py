"""The etcd of dev/cluster, looked into as somebody would who stole its disk."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WHY = "only the etcd of dev/cluster can be looked into: this cluster's lies elsewhere"


class Etcd:
    """An etcd by the process id that dev/cluster recorded: its address and data folder are what it was started with."""

    def __init__(self, kubeconfig: str) -> None:
        recorded = Path(kubeconfig).parent / "run" / "etcd.pid"
        if not recorded.exists():
            pytest.skip(WHY)
        program = shutil.which("etcdctl")
        if program is None:
            pytest.skip("etcdctl is missing: `make cluster` installs Debian's etcd-client")
        self._program = program
        words = Path(f"/proc/{recorded.read_text().strip()}/cmdline").read_text().split("\0")
        self._url = words[words.index("--listen-client-urls") + 1]
        self._data = Path(words[words.index("--data-dir") + 1]) / "member" / "snap" / "db"

    def _call(self, *words: str) -> bytes:
        command = [self._program, f"--endpoints={self._url}", *words]
        return subprocess.run(command, env={"ETCDCTL_API": "3"}, capture_output=True, check=True, timeout=60).stdout

    def forget(self) -> None:
        """Compact all revisions but the last, and defragment, so that freed pages are gone from the disk."""
        status = json.loads(self._call("endpoint", "status", "--write-out=json"))[0]["Status"]
        self._call("compact", "--physical", str(status["header"]["revision"]))
        self._call("defrag")

    def read_keys(self) -> bytes:
        """Every key with its value, as etcd answers."""
        return self._call("get", "", "--prefix")

    def read_disk(self) -> bytes:
        """The database file as it lies on the disk."""
        return self._data.read_bytes()
