"""An artifact repository for workflows of people who use the toolkit: an S3 server, and what Argo has to know of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import serve_pods
from tests.live.hera_site import HeraSite
from tests.servers import S3Server

_SECRET = "hera-artifact-secret"
_STORE = """
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


@contextmanager
def artifact_repository(site: HeraSite, folder: Path) -> Iterator[tuple[str, S3Server]]:
    """Serve one while the block runs; gives the ConfigMap with the key `repository` that names it, and the server."""
    name = f"hera-store-{time.time_ns()}"
    folder.mkdir()
    with serve_pods(folder, _SECRET) as s3:
        text = _STORE.replace("NAME", name).replace("ENDPOINT", str(s3.options.endpoint).removeprefix("http://"))
        text = text.replace("ACCESS", str(s3.options.access_key_id)).replace("SECRET", _SECRET)
        with site.applied(text):
            yield name, s3
