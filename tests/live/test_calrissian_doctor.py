"""`zoo-runner doctor` on a real cluster: working, with each check failing, and with the documented permissions only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import WORKSPACE, applied, kubectl
from tests.site import Site
from tests.steps import write_package
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.kubernetes import smoke_test
from zoo_runner.engines.kubernetes.client import connect
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.namespace import CONTENT_LABEL, prepare_tenant
from zoo_runner.engines.kubernetes.protections import check_admission, check_network
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.engines.protocol import Check
from zoo_runner.model.errors import EngineError
from zoo_runner.model.job import Status

OWN_WORKSPACE = f"{WORKSPACE}-doctor"
NAMESPACE = f"ws-{OWN_WORKSPACE}"
_MOUNTS = '{{"automountServiceAccountToken": {}}}'
DESTINATION = "s3://results/doctor"
# what docs/kubernetes.md says that the runner's account needs in the namespace of a workspace
DOCUMENTED = (
    ("batch", "jobs", "create get list watch patch delete"),
    ("", "pods", "list watch delete deletecollection"),
    ("", "pods/log", "get"),
    ("", "secrets", "create get delete"),
    ("", "configmaps", "create get"),
    ("networking.k8s.io", "networkpolicies", "create get"),
    ("policy", "poddisruptionbudgets", "create get"),
    ("", "persistentvolumeclaims", "create get list watch patch"),
    ("", "events", "list watch"),
)


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


def examine(site: Site) -> dict[str, Check]:
    return {check.about: check for check in CalrissianEngine(site.configuration).check(DESTINATION)}


def find_bad(site: Site) -> Check:
    (bad,) = [check for check in examine(site).values() if not check.ok]
    assert bad.expected
    assert bad.remedy
    return bad


def test_a_sound_cluster(site: Site) -> None:
    found = examine(site)
    protections = ["pod security", "admission policy", "network policy", "disruption budget", "tokens", "account"]
    places = ["quota", "nodes", "kept results", "storage class", "volume"]
    pods = ["API from a pod", "DNS from a pod", "images", "smoke test", "results store"]
    assert list(found) == ["API", "login", "permissions", "namespace", *protections, *places, *pods]
    assert all(check.ok and check.found and check.expected for check in found.values())
    left = kubectl(site, "get", "jobs,pods,secrets", "-n", NAMESPACE, "-o", "name").split()
    assert not [name for name in left if name.startswith("job.batch/job-doctor")]


@pytest.mark.parametrize(
    ("variable", "value", "about", "found"),
    [
        ("ZOO_RUNNER_KUBERNETES_URL", "http://127.0.0.1:9", "API", "http://127.0.0.1:9 does not answer"),
        ("STORAGE_CLASS", "fast", "storage class", "the storage class fast does not exist"),
        (
            "ZOO_RUNNER_JOB_IMAGE",
            "docker.io/library/nojob:1",
            "smoke test",
            "library/nojob:1 of the job does",
        ),
        ("ZOO_RUNNER_DEFAULT_IMAGE", "docker.io/library/no:1", "smoke test", "library/no:1 of the job does"),
        ("POD_NODE_SELECTOR", '{"pool": "gpu"}', "nodes", "{'pool': 'gpu'}"),
        ("ZOO_RUNNER_NAMESPACE", "nobody-made-it", "namespace", 'namespaces "nobody-made-it" not found'),
        ("ZOO_RUNNER_SERVICE_ACCOUNT", "nobody", "namespace", "the service account nobody does not exist"),
        ("AWS_SECRET_ACCESS_KEY", "wrong-key", "results store", "s3://results/doctor"),
        # nobody is there under this address of the pod, whatever is there on this machine
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "results store", "s3://results/doctor"),
    ],
)
def test_a_line_that_is_broken_says_what_to_do(site: Site, variable: str, value: str, about: str, found: str) -> None:
    bad = find_bad(site.having(**{variable: value}))
    assert bad.about == about
    assert found in bad.found


def test_a_protection_that_is_missing_is_named_with_its_code(site: Site) -> None:
    assert examine(site)["namespace"].ok
    label = "pod-security.kubernetes.io/enforce"
    kubectl(site, "label", "namespace", NAMESPACE, f"{label}=privileged", "--overwrite")
    kubectl(site, "patch", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "-p", _MOUNTS.format("true"))
    meta, group = {"name": "reads-secrets", "namespace": NAMESPACE}, "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": meta,
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reads-secrets"},
        "subjects": [{"kind": "ServiceAccount", "name": "zoo-runner-job", "namespace": NAMESPACE}],
    }
    try:
        with applied(site, role, binding):
            found = examine(site.having(ZOO_RUNNER_ISOLATE_STEPS="false"))
    finally:
        kubectl(site, "label", "namespace", NAMESPACE, f"{label}=restricted", "--overwrite")
        kubectl(site, "patch", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "-p", _MOUNTS.format("false"))
    assert {check.about: check.code for check in found.values() if not check.ok} == {
        "pod security": "cluster.pod-security",
        "network policy": "cluster.network-policy",
        "tokens": "cluster.token-mounted",
        "account": "cluster.account-reads-secrets",
    }
    assert all(check.remedy for check in found.values() if not check.ok)


def test_a_network_policy_that_allows_something_is_named_and_replaced(site: Site) -> None:
    settings, cluster = site.configuration.kubernetes, connect(site.configuration.kubernetes)
    names = build_names("policy", settings, site.configuration.workspace)
    prepare_tenant(cluster, names, settings)
    changes: list[dict[str, Any]] = [
        {"egress": [{}]},
        {"ingress": [{}]},
        {"podSelector": {"matchLabels": {"of": "nobody"}}},
        {"policyTypes": ["Ingress"]},
    ]
    for change in changes:
        patch = json.dumps({"spec": change})
        kubectl(site, "patch", "networkpolicy", "zoo-runner-steps", "-n", NAMESPACE, "--type=merge", "-p", patch)
        with pytest.raises(EngineError) as caught:
            check_network(cluster, names, settings)
        assert caught.value.diagnosis.code == "cluster.network-policy"
        prepare_tenant(cluster, names, settings)
        assert check_network(cluster, names, settings)


def test_a_binding_without_its_policy_and_rules_for_another_account_are_named(site: Site) -> None:
    settings, cluster = site.configuration.kubernetes, connect(site.configuration.kubernetes)
    assert check_admission(cluster, settings) == "there"
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"{NAMESPACE}-alone"},
        "spec": {"policyName": f"{NAMESPACE}-alone", "validationActions": ["Deny"]},
    }
    with applied(site, binding), pytest.raises(EngineError) as caught:
        check_admission(cluster, settings, [f"{NAMESPACE}-alone"])
    assert caught.value.diagnosis.code == "cluster.admission-policy"
    with pytest.raises(EngineError) as caught:
        check_admission(cluster, replace(settings, service_account="jobs-of-the-site"))
    assert caught.value.diagnosis.code == "cluster.admission-policy"
    assert "jobs-of-the-site" in caught.value.diagnosis.cause


def test_what_an_earlier_release_made_is_brought_up_to_date(site: Site) -> None:
    assert examine(site)["namespace"].ok
    current = read_role_and_account(site)
    kubectl(site, "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce-")
    kubectl(site, "label", "rolebinding", "zoo-runner-job", "-n", NAMESPACE, f"{CONTENT_LABEL}-")
    kubectl(site, "patch", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "-p", _MOUNTS.format("true"))
    rules = [{"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list"]}]
    kubectl(
        site, "patch", "role", "zoo-runner-job", "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"rules": rules})
    )
    assert read_role_and_account(site) != current
    found = examine(site)
    assert all(check.ok for check in found.values()), found
    assert found["pod security"].found == "the level restricted"
    assert read_role_and_account(site) == current


def test_what_somebody_else_made_is_used_as_it_is(site: Site) -> None:
    assert examine(site)["namespace"].ok
    words = ("label", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "--overwrite")
    label = "app.kubernetes.io/managed-by"
    kubectl(site, "label", "rolebinding", "zoo-runner-job", "-n", NAMESPACE, f"{CONTENT_LABEL}=other", "--overwrite")
    kubectl(site, *words, f"{label}=site")
    kubectl(site, "patch", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "-p", _MOUNTS.format("true"))
    try:
        found = examine(site)
        assert [check.code for check in found.values() if not check.ok] == ["cluster.token-mounted"]
    finally:
        kubectl(site, "patch", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "-p", _MOUNTS.format("false"))
        kubectl(
            site, "label", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, f"{label}=zoo-runner", "--overwrite"
        )


def read_role_and_account(site: Site) -> tuple[Any, Any]:
    """What the account of jobs may do, and whether its token is mounted."""
    role = json.loads(kubectl(site, "get", "role", "zoo-runner-job", "-n", NAMESPACE, "-o", "json"))
    account = json.loads(kubectl(site, "get", "serviceaccount", "zoo-runner-job", "-n", NAMESPACE, "-o", "json"))
    return role["rules"], account["automountServiceAccountToken"]


def test_a_job_image_of_another_version(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke_test, "PROTOCOL", PROTOCOL + 1)
    bad = find_bad(site)
    assert bad.about == "smoke test"
    assert bad.found.startswith("protocol version mismatch")
    assert "ZOO_RUNNER_JOB_IMAGE" in str(bad.remedy)


def test_results_in_a_folder_of_this_machine_are_no_place_for_a_cluster(site: Site, tmp_path: Path) -> None:
    checks = list(CalrissianEngine(site.configuration).check(str(tmp_path / "results")))
    (bad,) = [check for check in checks if not check.ok]
    assert bad.about == "results store"
    assert str(tmp_path / "results") in bad.found
    assert not (tmp_path / "results").exists()


def test_a_quota_without_room(site: Site) -> None:
    assert examine(site)["namespace"].ok
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": NAMESPACE},
        "spec": {"hard": {"pods": "1"}},
    }
    with applied(site, quota):
        kubectl(site, "wait", "quota/small", "-n", NAMESPACE, "--for=jsonpath={.status.hard.pods}=1", "--timeout=60s")
        bad = examine(site)["quota small"]
    assert not bad.ok
    assert bad.found.startswith("pods: ")
    assert bad.found.endswith(" of 1 used")


def narrow(site: Site, permissions: tuple[tuple[str, str, str], ...]) -> tuple[list[dict[str, Any]], Site]:
    """An account with these permissions in the namespace and no others, and the installation that logs in as it."""
    group, meta = "rbac.authorization.k8s.io", {"name": "narrow", "namespace": NAMESPACE}
    rules = [{"apiGroups": [api], "resources": [kind], "verbs": verbs.split()} for api, kind, verbs in permissions]
    manifests: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "narrow"},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        },
    ]
    return manifests, site.having(KUBECONFIG=str(site.folder / "narrow.json"))


def log_in(site: Site) -> None:
    """Write a kubeconfig that has nothing but a token of the account."""
    config = json.loads(kubectl(site, "config", "view", "--raw", "--minify", "-o", "json"))
    token = kubectl(site, "create", "token", "narrow", "-n", NAMESPACE)
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    (site.folder / "narrow.json").write_text(json.dumps(config))


def test_the_documented_permissions_are_enough(site: Site, tmp_path: Path) -> None:
    assert examine(site)["namespace"].ok
    manifests, narrowed = narrow(site, DOCUMENTED)
    with applied(site, *manifests):
        log_in(site)
        checks = examine(narrowed)
        job = narrowed.accept(write_package(tmp_path, "echo done"), None, destination=DESTINATION)
        story = narrowed.run(job)
    assert all(check.ok for check in checks.values()), checks
    assert story.outcome.status is Status.SUCCESSFUL, story.log


def test_a_right_that_is_missing_is_named(site: Site) -> None:
    assert examine(site)["namespace"].ok
    manifests, narrowed = narrow(site, DOCUMENTED[:-2])
    with applied(site, *manifests):
        log_in(site)
        check = examine(narrowed)["permissions"]
    assert check.found == (
        "missing: create persistentvolumeclaims, get persistentvolumeclaims, list persistentvolumeclaims,"
        " watch persistentvolumeclaims, patch persistentvolumeclaims, list events, watch events"
    )
    assert "docs/kubernetes.md" in check.remedy
