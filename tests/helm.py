"""The Helm chart for tests: the program, and what the chart makes of values."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.require import require
from tests.values import ROOT

CHART = ROOT / "deploy" / "helm" / "zoo-runner"
DATABASE: Mapping[str, Any] = {"database": {"existingSecret": "database"}}
"""The one value that has no default."""
EVERYTHING: Mapping[str, Any] = {
    **DATABASE,
    "engine": "argo-native",
    "imagePullSecrets": ["registry"],
    "existingSecrets": ["store"],
    "encryptionKeysSecret": "encryption",
    "settings": {"STAGEOUT_OUTPUT": "s3://results", "ZOO_RUNNER_OIDC_ISSUER": "https://login.example.org/realms/hub"},
    "postgresql": {"enabled": True},
    "rbac": {"namespaces": ["default"], "apiExaminesImages": True},
    "admissionPolicy": {"create": True},
    "workspaces": {"alpha": {"results": "s3://alpha/results", "credentials": "/run/secrets/workspaces/alpha"}},
    "workspaceSecrets": {"alpha": "alpha-store"},
    "api": {
        "workspacePrefix": "/api/catalogs/user/catalogs",
        "ingress": {"enabled": True, "host": "hub.example.org", "tlsSecret": "hub-tls", "className": "nginx"},
        "podAnnotations": {"example.org/team": "processing"},
    },
    "worker": {
        "autoscaling": {"enabled": True},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
    },
    "harvester": {
        "enabled": True,
        "webhooks": True,
        "existingSecret": "harvester",
        "sources": {
            "webhook-secret-file": "/run/secrets/harvester/webhook",
            "sources": [{"url": "https://git.example.org/workflows.git", "workspace": "alpha"}],
            "bus": {"url": "pulsar+ssl://bus.example.org:6651", "topic": "harvested"},
            "files": "s3://catalogue",
        },
        "environmentSecrets": ["store"],
        "egress": [{"ports": [{"port": 443}, {"port": 6651}]}],
        "ingress": {"enabled": True, "host": "hooks.example.org"},
    },
    "ingester": {
        "enabled": True,
        "existingSecret": ["bus-token", "bus-authority"],
        "environmentSecrets": ["store"],
        "messages": {
            "bus": {
                "url": "pulsar+ssl://bus.example.org:6651",
                "topic": "transformed",
                "token-file": "/run/secrets/ingester/token",
                "ca-file": "/run/secrets/ingester/ca.crt",
            },
            "files": "s3://catalogue",
            "keys": "git-harvester/{workspace}/",
        },
        "egress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 6651}]}],
        "podAnnotations": {"example.org/team": "processing"},
    },
    "opa": {"enabled": True, "data": {"workflow_access": {"alpha": {"workflows": {}}}}},
    "backup": {"enabled": True},
    "systemTest": {
        "enabled": True,
        "arguments": ["--token-file=/run/secrets/system-test/token", "--longest=600"],
        "existingSecret": "tester",
        "podAnnotations": {"example.org/team": "processing"},
    },
    "networkPolicy": {"ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
    "metrics": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
}
"""Values that switch on all that the chart has."""


def find_helm() -> str:
    """Return the program, or skip the test."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 where the tests learn of the program
    path = Path(base).expanduser() / "zoo-runner" / "helm" / "helm"
    require(path.exists(), "no program: make helm")
    return str(path)


def helm(*words: str | Path, kubeconfig: str = "/dev/null", given: str = "") -> "subprocess.CompletedProcess[str]":
    """Run Helm to its end."""
    command = [find_helm(), *map(str, words), f"--kubeconfig={kubeconfig}"]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=600)


def render(values: Mapping[str, Any], release: str = "hub") -> list[dict[str, Any]]:
    """Return the objects that the chart makes of values."""
    done = helm("template", release, CHART, "--namespace=hub", "--values=-", given=json.dumps(values))
    assert done.returncode == 0, done.stderr
    return [document for document in YAML(typ="safe").load_all(done.stdout) if document]


def find_pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Find the templates of pods among objects, each with the component that it is of."""
    for one in objects:
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]
