"""Rules of what a job is on Kubernetes."""

import base64
import json
from pathlib import Path
from typing import cast

import pytest

from tests.unit.messages import Check
from tests.unit.packed import build_package, build_tool
from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings, load_kubernetes_settings, parse_quantity
from zoo_runner.engines.kubernetes.access import open_access
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import (
    CHUNK_BYTES,
    JOB_ACCOUNT,
    STEP_ACCOUNT,
    build_bundle_maps,
    build_claim,
    build_job,
    build_objects,
    build_pod_template,
    build_pull_secrets,
    build_secret,
    owned_by,
    without_content,
)
from zoo_runner.engines.kubernetes.names import MANAGED, Manifest, Names, build_names, dns_name
from zoo_runner.engines.kubernetes.namespace import (
    QUOTA,
    build_access,
    build_namespace,
    build_tenant,
    remove_former_quotas,
)
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Quota

USUAL = KubernetesSettings()
JOB_ID = "5d0a7d1c-8c7e-4a4f-9a3e-0d9a2b1f6c11"
_ACCESS = ("ServiceAccount", "Role", "RoleBinding")
NAMES = build_names(JOB_ID, USUAL, workspace_of())


def with_disk(**resources: object) -> Package:
    requirement = {"class": "ResourceRequirement", **resources}
    package = build_package()
    return Package(
        {**package.document, "$graph": [package.process, build_tool(requirements=[requirement])]}, "#main", "w", {}, ""
    )


def test_a_job_runs_in_the_namespace_of_its_workspace() -> None:
    assert build_names(JOB_ID, USUAL, workspace_of("alice")).namespace == "ws-alice"


def test_a_job_may_have_a_namespace_of_its_own() -> None:
    names = build_names(JOB_ID, KubernetesSettings(namespace_per="job"), workspace_of())
    assert names.namespace == f"job-{JOB_ID}"
    assert names.own_namespace


def test_the_namespace_of_a_workspace_does_not_carry_the_label_by_which_jobs_are_removed() -> None:
    assert "zoo-runner/job" not in build_namespace(NAMES, USUAL)["metadata"]["labels"]


@pytest.mark.parametrize(("user", "level"), [(1000, "restricted"), (None, "baseline")])
def test_a_namespace_that_is_created_refuses_pods_that_could_reach_the_node(user: int | None, level: str) -> None:
    labels = build_namespace(NAMES, KubernetesSettings(user=user))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == level


@pytest.mark.parametrize("text", ["A", "a_b", "x" * 200, "-", "job.1", "ÄÖ", "a-"])
def test_any_text_becomes_a_name_that_kubernetes_accepts(text: str) -> None:
    name = dns_name(text)
    assert name.strip("-") == name
    assert 0 < len(name) <= 50
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_two_ids_never_become_one_name() -> None:
    assert len({dns_name(text) for text in ("a.b", "a-b", "a_b", "A-b", "x" * 60, "x" * 61)}) == 6


def test_the_job_may_handle_pods_and_read_their_logs_and_nothing_else() -> None:
    role = next(manifest for manifest in build_access(NAMES, USUAL) if manifest["kind"] == "Role")
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"pods", "pods/log"}


def test_no_account_has_its_token_in_every_container() -> None:
    accounts = [manifest for manifest in build_access(NAMES, USUAL) if manifest["kind"] == "ServiceAccount"]
    assert {account["metadata"]["name"]: account.get("automountServiceAccountToken") for account in accounts} == {
        STEP_ACCOUNT: False,
        JOB_ACCOUNT: False,
    }


def test_a_namespace_of_the_sites_own_is_neither_made_nor_the_jobs_own() -> None:
    site = KubernetesSettings(namespace_per="job")
    names = build_names(JOB_ID, site, workspace_of(namespace="eo-processing"))
    assert (names.namespace, names.own_namespace) == ("eo-processing", False)
    assert not any(manifest["kind"] == "Namespace" for manifest in build_tenant(names, site))


def test_a_service_account_of_the_sites_own_is_used_as_it_is() -> None:
    site = KubernetesSettings(service_account="eo-runner")
    assert [manifest["metadata"]["name"] for manifest in build_access(NAMES, site)] == [STEP_ACCOUNT]
    assert build_job(NAMES, site, 1, None)["spec"]["template"]["spec"]["serviceAccountName"] == "eo-runner"


def test_credentials_for_registries_become_secrets_of_the_job_beside_existing_ones() -> None:
    configs = [{"auths": {"a.example": {"auth": "QQ=="}}}, {"auths": {"b.example": {"auth": "Qg=="}}}]
    site = load_kubernetes_settings({"IMAGE_PULL_SECRETS": "there", "ZOO_RUNNER_PULL_CREDENTIALS": json.dumps(configs)})
    secrets = build_pull_secrets(NAMES, site)
    assert {secret["type"] for secret in secrets} == {"kubernetes.io/dockerconfigjson"}
    assert [json.loads(base64.b64decode(secret["data"][".dockerconfigjson"])) for secret in secrets] == configs
    pulled = build_job(NAMES, site, 1, None)["spec"]["template"]["spec"]["imagePullSecrets"]
    assert pulled == [{"name": "there"}, {"name": f"{NAMES.job}-pull-0"}, {"name": f"{NAMES.job}-pull-1"}]
    assert "QQ==" not in json.dumps([without_content(secret) for secret in secrets])


def test_credentials_that_cannot_be_used_are_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        load_kubernetes_settings({"ZOO_RUNNER_PULL_CREDENTIALS": '{"auth": "canary"}'})
    assert caught.value.diagnosis.code == "settings.invalid"
    assert caught.value.diagnosis.cause.startswith("ZOO_RUNNER_PULL_CREDENTIALS ")
    assert "canary" not in str(caught.value)


def test_credentials_are_in_the_secret_alone() -> None:
    canary = "canary-4711"
    package = build_package()
    job = build_job(NAMES, USUAL, 1, None)
    others = [build_namespace(NAMES, USUAL), *build_access(NAMES, USUAL), job, *build_objects(NAMES, USUAL, package)]
    secret = build_secret(NAMES, {"AWS_SECRET_ACCESS_KEY": canary})
    assert base64.b64decode(secret["data"]["AWS_SECRET_ACCESS_KEY"]).decode() == canary
    assert canary not in json.dumps(others)


def test_a_manifest_that_is_shown_holds_no_secret() -> None:
    assert without_content(build_secret(NAMES, {"KEY": "value"}))["data"] == {"KEY": "*****"}


@pytest.mark.parametrize("size", [1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * 2**20])
def test_a_bundle_of_any_size_is_cut_into_config_maps_that_kubernetes_takes(size: int) -> None:
    bundle = bytes(size)
    maps = build_bundle_maps(NAMES, bundle)
    parts = {name: base64.b64decode(text) for one in maps for name, text in one["binaryData"].items()}
    assert b"".join(parts[name] for name in sorted(parts)) == bundle
    assert all(len(json.dumps(one)) < 2**20 for one in maps)


def test_the_pod_mounts_every_part_of_the_bundle() -> None:
    volumes = build_job(NAMES, USUAL, 3, None)["spec"]["template"]["spec"]["volumes"]
    (bundle,) = [volume for volume in volumes if volume["name"] == "bundle"]
    assert [part["configMap"]["name"] for part in bundle["projected"]["sources"]] == [
        f"{NAMES.job}-{n}" for n in range(3)
    ]


def test_a_volume_has_the_default_size_when_the_package_asks_for_less() -> None:
    claim = build_claim(NAMES, KubernetesSettings(volume_size="2Gi"), with_disk(tmpdirMin=100, outdirMin=100))
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"


def test_a_volume_is_as_large_as_the_package_asks_for() -> None:
    claim = build_claim(NAMES, KubernetesSettings(volume_size="1Gi"), with_disk(tmpdirMax=1500, outdirMin=700))
    assert claim["spec"]["resources"]["requests"]["storage"] == "2200Mi"


def test_an_expression_for_disk_space_counts_nothing() -> None:
    claim = build_claim(NAMES, USUAL, with_disk(tmpdirMin="$(inputs.size)"))
    assert claim["spec"]["resources"]["requests"]["storage"] == USUAL.volume_size


def test_the_container_that_evaluates_a_package_has_neither_token_nor_credentials_nor_the_whole_volume() -> None:
    spec = build_job(NAMES, USUAL, 1, None)["spec"]["template"]["spec"]
    containers = {container["name"]: container for container in spec["containers"]}
    assert spec["automountServiceAccountToken"] is False
    assert {"env", "envFrom"} & containers["cwl"].keys() == set()
    mounts = [(one["name"], one.get("subPath"), one.get("readOnly")) for one in containers["cwl"]["volumeMounts"]]
    assert mounts == [("channel", None, True), ("work", "run", None), ("work", "files", None)]
    assert {"token", "bundle", "work"} <= {one["name"] for one in containers["job"]["volumeMounts"]}


def test_two_containers_request_together_what_the_settings_say() -> None:
    site = load_kubernetes_settings({"ZOO_RUNNER_JOB_CPU": "25m", "ZOO_RUNNER_JOB_RAM": "512Mi"})
    requests = [
        one["resources"]["requests"]
        for one in build_job(NAMES, site, 1, None)["spec"]["template"]["spec"]["containers"]
    ]
    assert requests == [{"cpu": "13m", "memory": str(256 * 2**20)}] * 2


def test_kubernetes_replaces_a_pod_that_was_lost_and_none_that_has_failed() -> None:
    spec = build_job(NAMES, USUAL, 1, None)["spec"]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (USUAL.step_retries, "Never")
    assert spec["podReplacementPolicy"] == "Failed", "never two at a time"
    taken, stopped, failed = spec["podFailurePolicy"]["rules"]
    assert (taken["action"], taken["onPodConditions"][0]["type"]) == ("Count", "DisruptionTarget")
    assert stopped["action"] == "Count"
    assert stopped["onExitCodes"] == {"containerName": "job", "operator": "In", "values": [10, 137, 143]}
    assert failed == {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}}
    once = build_job(NAMES, KubernetesSettings(step_retries=0), 1, None)["spec"]
    assert once["backoffLimit"] == 0


@pytest.mark.parametrize("role", ["job", "step"])
def test_drains_and_autoscalers_leave_pods_of_jobs_alone(role: str) -> None:
    (budget,) = [manifest for manifest in build_tenant(NAMES, USUAL) if manifest["kind"] == "PodDisruptionBudget"]
    pod = build_pod_template(NAMES, USUAL, role)["metadata"]
    selector = budget["spec"]["selector"]
    assert selector["matchLabels"].items() <= pod["labels"].items()
    assert [one["key"] in pod["labels"] for one in selector["matchExpressions"]] == [True]
    stays = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
    assert pod["annotations"] == stays
    chosen = KubernetesSettings(annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"})
    assert build_pod_template(NAMES, chosen, role)["metadata"]["annotations"] == {**stays, **chosen.annotations}
    let_go = KubernetesSettings(undisturbed=False)
    assert build_pod_template(NAMES, let_go, role)["metadata"]["annotations"] == {}
    assert "PodDisruptionBudget" not in [manifest["kind"] for manifest in build_tenant(NAMES, let_go)]


def test_a_job_waits_until_all_that_it_needs_is_there() -> None:
    assert build_job(NAMES, USUAL, 1, None)["spec"]["suspend"] is True


def test_what_a_job_needs_goes_with_it() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": NAMES.job, "uid": "u1"}}
    owners = owned_by(build_secret(NAMES, {}), job)["metadata"]["ownerReferences"]
    assert owners == [{"apiVersion": "batch/v1", "kind": "Job", "name": NAMES.job, "uid": "u1"}]


def test_pods_run_as_an_ordinary_user() -> None:
    context = build_job(NAMES, USUAL, 1, None)["spec"]["template"]["spec"]["securityContext"]
    seccomp = {"type": "RuntimeDefault"}
    ids = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 1000)
    assert context == {**ids, "runAsNonRoot": True, "seccompProfile": seccomp}


def test_all_settings_of_a_site_reach_the_pod() -> None:
    site = load_kubernetes_settings(
        {
            "IMAGE_PULL_SECRETS": "one, two",
            "POD_NODE_SELECTOR": '{"pool": "eo"}',
            "POD_TOLERATIONS": '[{"key": "eo", "operator": "Exists"}]',
            "POD_PRIORITY_CLASS": "low",
            "POD_LABELS": '{"team": "a"}',
            "POD_ANNOTATIONS": '{"note": "b"}',
            "POD_VOLUMES": '[{"claim": "block-store", "path": "/data", "readOnly": true}]',
        }
    )
    template = build_job(NAMES, site, 1, None)["spec"]["template"]
    spec = template["spec"]
    assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    assert spec["nodeSelector"] == {"pool": "eo"}
    assert spec["tolerations"] == [{"key": "eo", "operator": "Exists"}]
    assert spec["priorityClassName"] == "low"
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["annotations"]["note"] == "b"
    assert {"name": "extra-0", "mountPath": "/data", "readOnly": True} in spec["containers"][1]["volumeMounts"]
    assert spec["serviceAccountName"] == JOB_ACCOUNT


def test_a_label_of_the_site_cannot_hide_a_job() -> None:
    site = KubernetesSettings(labels={"zoo-runner/job": "other"})
    assert build_job(NAMES, site, 1, None)["spec"]["template"]["metadata"]["labels"]["zoo-runner/job"] == NAMES.job


def test_a_job_with_a_namespace_of_its_own_gets_its_quota() -> None:
    site = KubernetesSettings(namespace_per="job", quota={"pods": "5"})
    objects = build_objects(build_names(JOB_ID, site, workspace_of()), site, build_package())
    assert [manifest["kind"] for manifest in objects] == ["PersistentVolumeClaim", "ResourceQuota"]


def test_a_namespace_of_the_runner_has_the_quota_of_its_workspace_and_one_of_the_site_that_of_the_site() -> None:
    quota = Quota(cores=16, memory_mib=65536, running_jobs=3)
    limits, requests = (one for one in build_tenant(NAMES, USUAL, quota) if one["metadata"]["name"] == QUOTA)
    assert requests["spec"]["hard"] == {"requests.cpu": "32", "requests.memory": "131072Mi"}
    assert limits["spec"]["limits"][0].keys() == {"type", "defaultRequest"}
    site = build_names(JOB_ID, USUAL, workspace_of(namespace="eo-processing"))
    for names, less in ((site, quota), (NAMES, Quota(running_jobs=3))):
        assert not [one for one in build_tenant(names, USUAL, less) if one["metadata"]["name"] == QUOTA]


class ClusterWithQuota:
    """A cluster whose namespace has limits with these labels, or refuses to remove them."""

    def __init__(self, labels: Manifest, status: int = 0) -> None:
        self._labels, self._status = labels, status
        self.removed: list[str] = []

    def get(self, kind: str, namespace: str, name: str) -> Manifest:
        assert (namespace, name) == (NAMES.namespace, QUOTA)
        return {"kind": kind, "metadata": {"labels": self._labels}}

    def delete(self, kind: str, namespace: str, name: str) -> None:
        if self._status:
            raise ApiError(f"deleting {kind}", self._status, "Forbidden", f"{kind} is forbidden")
        self.removed.append(kind)


@pytest.mark.parametrize(
    ("quota", "labels", "status", "removed"),
    [
        (Quota(), MANAGED, 0, ["ResourceQuota", "LimitRange"]),
        (Quota(running_jobs=3), MANAGED, 0, ["ResourceQuota", "LimitRange"]),
        (Quota(cores=2), MANAGED, 0, []),
        # of the site, which has an object of the same name
        (Quota(), {}, 0, []),
        # jobs go on without the permission
        (Quota(), MANAGED, 403, []),
    ],
)
def test_limits_of_a_quota_that_was_taken_back_are_removed(
    quota: Quota, labels: Manifest, status: int, removed: list[str]
) -> None:
    double = ClusterWithQuota(labels, status)
    remove_former_quotas(cast(Cluster, double), build_tenant(NAMES, USUAL, quota))
    assert double.removed == removed


def test_a_namespace_of_the_site_keeps_its_limits() -> None:
    double = ClusterWithQuota(MANAGED)
    site = build_names(JOB_ID, USUAL, workspace_of(namespace="eo-processing"))
    remove_former_quotas(cast(Cluster, double), build_tenant(site, USUAL))
    assert double.removed == []


def test_steps_have_no_network_unless_their_package_asks_for_it() -> None:
    (policy,) = [manifest for manifest in build_tenant(NAMES, USUAL) if manifest["kind"] == "NetworkPolicy"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & policy["spec"].keys()
    assert policy["spec"]["podSelector"]["matchExpressions"] == [
        {"key": "zoo-runner/network", "operator": "DoesNotExist"}
    ]
    without = build_tenant(NAMES, KubernetesSettings(isolated=False, undisturbed=False))
    assert [manifest["kind"] for manifest in without] == ["Namespace", "ServiceAccount", *_ACCESS]


def test_existing_names_of_settings_are_read() -> None:
    site = load_kubernetes_settings(
        {
            "STORAGE_CLASS": "nfs",
            "DEFAULT_VOLUME_SIZE": "12000",
            "DEFAULT_MAX_CORES": "8",
            "DEFAULT_MAX_RAM": "16Gi",
            "CALRISSIAN_IMAGE": "example.org/job:1",
            "KUBECONFIG": "/etc/kube",
        }
    )
    assert site == KubernetesSettings(
        storage_class="nfs",
        volume_size="12000Mi",
        max_cores=8,
        max_ram="16Gi",
        image="example.org/job:1",
        kubeconfig="/etc/kube",
    )


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DEFAULT_VOLUME_SIZE", "much"),
        ("DEFAULT_MAX_CORES", "-1"),
        ("POD_NODE_SELECTOR", "[1]"),
        ("POD_TOLERATIONS", "{}"),
        ("ZOO_RUNNER_NAMESPACE_PER", "user"),
        ("ZOO_RUNNER_ISOLATE_STEPS", "maybe"),
        ("DEFAULT_MAX_CORES", "nan"),
        ("POD_NODE_SELECTOR", "pool=gpu"),
        ("ZOO_RUNNER_KUBERNETES_URL", "localhost:8001"),
        ("ZOO_RUNNER_KUBERNETES_URL", "http://"),
        ("ZOO_RUNNER_JOB_CPU_LIMIT", "all"),
        ("POD_VOLUMES", '[{"name": "data"}]'),
        ("ZOO_RUNNER_STEP_RETRIES", "-1"),
        ("ZOO_RUNNER_RUN_AS_USER", "-5"),
        ("ZOO_RUNNER_ACCESS_MODE", "RWX"),
        ("ZOO_RUNNER_JOB_CPU", "some"),
        ("ZOO_RUNNER_PENDING_SECONDS", "inf"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_value(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_kubernetes_settings({variable: text})
    assert caught.value.diagnosis.code == "settings.invalid"
    assert f"{variable}={text!r}" in caught.value.diagnosis.cause


def test_cores_are_read_as_kubernetes_writes_them() -> None:
    assert load_kubernetes_settings({"DEFAULT_MAX_CORES": "2500m"}).max_cores == 2.5


def test_what_is_no_text_in_a_json_object_stays_as_json_writes_it() -> None:
    site = load_kubernetes_settings({"POD_ENV_VARS": '{"DEBUG": true, "LEVEL": 1.5, "NAME": "a"}'})
    assert site.step_variables == {"DEBUG": "true", "LEVEL": "1.5", "NAME": "a"}


@pytest.mark.parametrize("text", ["clusters: [", "just text", ""])
def test_a_file_that_is_not_a_kubeconfig_is_refused_with_its_name(text: str, tmp_path: Path, check: Check) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(EngineError) as caught:
        open_access(KubernetesSettings(kubeconfig=str(path)))
    check(caught.value, "cluster.access", str(path))


@pytest.mark.parametrize(
    ("text", "number"), [("100m", 0.1), ("1.5", 1.5), ("512Mi", 512 * 2**20), ("2G", 2e9), ("1Ki", 1024), ("16k", 16e3)]
)
def test_quantities_are_read_as_kubernetes_means_them(text: str, number: float) -> None:
    assert parse_quantity(text) == number


def test_no_code_deletes_a_namespace_that_is_not_the_jobs_own() -> None:
    """By construction: the one place that deletes namespaces asks first whether it was made for the job."""
    engine_files = Path(__file__).parents[2].joinpath("zoo_runner").rglob("*.py")
    places = [
        (file.name, lines[number - 1].strip())
        for file in engine_files
        for lines in [file.read_text().splitlines()]
        for number, line in enumerate(lines)
        if 'delete("Namespace"' in line
    ]
    assert places == [("namespace.py", 'if found and (found["metadata"].get("labels") or {}).get(JOB_LABEL) == name:')]


def test_names_are_computed_from_the_id_alone() -> None:
    assert build_names(JOB_ID, USUAL, workspace_of()) == Names("ws-default", f"job-{JOB_ID}")
