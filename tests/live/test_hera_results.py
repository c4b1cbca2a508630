"""Results of Hera workflows, downloaded from a real Argo Workflows with a real object store and real volumes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import JOB_IMAGE, serve_pods
from tests.live.hera_site import Hera, HeraSite
from tests.servers import S3Server
from zoo_runner.hera.results.folder import compute_sha256

SECRET = "hera-artifact-secret"


STORE = """
apiVersion: v1
kind: Secret
metadata: {name: NAME}
stringData: {access: ACCESS, secret: SECRET}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data:
  repository: |
    s3:
      endpoint: ENDPOINT
      bucket: results
      insecure: true
      accessKeySecret: {name: NAME, key: access}
      secretKeySecret: {name: NAME, key: secret}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [NAME], verbs: [get]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [NAME], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{kind: ServiceAccount, name: argo-user}]
"""

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hera-artifacts-}
spec:
  entrypoint: all
  artifactRepositoryRef: {configMap: NAME, key: repository}
  templates:
  - name: all
    steps: [[{name: write, template: write}]]
  - name: write
    script:
      image: IMAGE
      command: [sh]
      source: |
        mkdir -p /tmp/folder/inner
        echo map >/tmp/map.txt
        echo one >'/tmp/folder/a b%20<c>.txt'
        echo two >/tmp/folder/inner/two.txt
        echo packed >/tmp/packed
    outputs:
      artifacts:
      - {name: map, path: /tmp/map.txt, archive: {none: {}}}
      - {name: folder, path: /tmp/folder, archive: {none: {}}}
      - {name: packed, path: /tmp/packed}
"""


@pytest.fixture
def store(hera_site: HeraSite, tmp_path: Path) -> Iterator[tuple[str, S3Server]]:
    name = f"hera-store-{time.time_ns()}"
    folder = tmp_path / "s3"
    folder.mkdir()
    with serve_pods(folder, SECRET) as s3:
        text = STORE.replace("NAME", name).replace("ENDPOINT", str(s3.options.endpoint).removeprefix("http://"))
        text = text.replace("ACCESS", str(s3.options.access_key_id)).replace("SECRET", SECRET)
        with hera_site.applied(text):
            yield name, s3


@pytest.fixture
def workflow(hera: Hera, store: tuple[str, S3Server], tmp_path: Path) -> Iterator[str]:
    """A workflow that has ended and has a file, a folder and an archive as artifacts."""
    (tmp_path / "workflow.yaml").write_text(WORKFLOW.replace("NAME", store[0]).replace("IMAGE", JOB_IMAGE))
    done = hera("run", "workflow.yaml")
    assert done.returncode == 0, done.stderr
    name = done.stdout.partition(":")[0]
    yield name
    hera("delete", name)


def test_artifacts_are_listed_downloaded_with_checksums_and_not_downloaded_twice(
    hera: Hera, workflow: str, tmp_path: Path
) -> None:
    listed = json.loads(hera("results", workflow, "--format", "json").stdout)
    assert {one["name"] for one in listed["artifacts"]} == {"map", "folder", "packed"}
    done = hera("results", workflow, "--download", "out")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert (out / "write/map.txt").read_text() == "map\n"
    assert (out / "write/folder/a b%20<c>.txt").read_text() == "one\n"
    assert (out / "write/folder/inner/two.txt").read_text() == "two\n"
    assert (out / "write/packed.tgz").read_bytes()[:2] == b"\x1f\x8b"
    records = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {one["path"]: one["sha256"] for one in records} == {
        str(path.relative_to(out)): compute_sha256(path)
        for path in out.rglob("*")
        if path.is_file() and path.name != "results.jsonl"
    }
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    (out / "write/map.txt").write_text("bad\n")
    assert hera("results", workflow, "--download", "out").returncode == 0
    assert (out / "write/map.txt").read_text() == "map\n"
    assert {path for path, inode in before.items() if path.stat().st_ino != inode} == {out / "write/map.txt"}


def test_an_artifact_that_is_gone_from_the_repository_is_named(
    hera: Hera, workflow: str, store: tuple[str, S3Server]
) -> None:
    (gone,) = (store[1].folder / "results").rglob("map.txt")
    gone.unlink()
    done = hera("results", workflow, "--download", "out")
    assert done.returncode == 7
    assert "results.artifact" in done.stderr
    assert "map of node write" in done.stderr
