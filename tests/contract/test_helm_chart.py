"""What the Helm chart makes of values, by Helm itself: safe pods, secrets by reference, one source of each rule."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from tests.helm import CHART, DATABASE, EVERYTHING, find_helm, find_pods, helm, render
from tests.require import require
from tests.values import ROOT
from zoo_runner.config.server import load_server_settings
from zoo_runner.harvest.bus_settings import parse_ingest
from zoo_runner.harvest.sources import parse_harvest

MEASURED = ["harvester", "ingester", "worker"]
PARTS = {"api", "worker", "harvester", "ingester", "postgresql", "backup", "system-test"}


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """All that the chart has."""
    return render(EVERYTHING)


def find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def load_documents(path: Path) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(path.read_text()))


def test_helm_finds_nothing_to_complain_of() -> None:
    done = helm("lint", "--strict", CHART, "--values=-", given=json.dumps(EVERYTHING))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_pod_is_of_an_ordinary_user_and_writes_to_volumes_only(objects: list[dict[str, Any]]) -> None:
    pods = dict(find_pods(objects))
    assert set(pods) == PARTS
    for part, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, part
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, part
        assert pod["enableServiceLinks"] is False, part
        assert pod["serviceAccountName"] == f"hub-zoo-runner-{part}"
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, part
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), part
            assert "memory" in container["resources"]["limits"], part


def test_only_parts_that_call_the_kubernetes_api_have_a_token(objects: list[dict[str, Any]]) -> None:
    mounting = {part for part, pod in find_pods(objects) if pod["automountServiceAccountToken"]}
    assert mounting == {"api", "worker"}
    accounts = [one for one in objects if one["kind"] == "ServiceAccount"]
    assert {one["metadata"]["name"] for one in accounts} == {f"hub-zoo-runner-{part}" for part in PARTS}
    assert not any(one["automountServiceAccountToken"] for one in accounts)


def test_without_more_the_api_may_do_nothing_in_the_cluster() -> None:
    bindings = [one for one in render(DATABASE) if one["kind"].endswith("RoleBinding")]
    assert [one["kind"] for one in bindings] == ["ClusterRoleBinding"]
    assert [one["name"] for one in bindings[0]["subjects"]] == ["hub-zoo-runner-worker"]


@pytest.mark.parametrize("values", [DATABASE, EVERYTHING], ids=["least", "everything"])
def test_no_secret_is_in_the_chart_and_each_is_a_reference(values: Mapping[str, Any]) -> None:
    made = render(values)
    assert [one for one in made if one["kind"] == "Secret"] == []
    variables = [
        one for _, pod in find_pods(made) for container in pod["containers"] for one in container.get("env", [])
    ]
    assert "ZOO_RUNNER_DATABASE" in {one["name"] for one in variables}
    assert all("valueFrom" in one for one in variables if one["name"] == "PGPASSWORD")
    addresses = [one["value"] for one in variables if one["name"] == "ZOO_RUNNER_DATABASE" and "value" in one]
    assert all(urlsplit(one).password is None for one in addresses)


def test_permissions_and_policies_are_those_of_the_files_for_all_platforms(objects: list[dict[str, Any]]) -> None:
    role = find(objects, "ClusterRole", "hub-hub-zoo-runner-worker")
    argo, addresses, _ = load_documents(ROOT / "deploy/argo/access.yaml")
    workers = load_documents(ROOT / "deploy/zoo/access.yaml")[0]
    assert role["rules"] == [*workers["rules"], *argo["rules"]]
    assert find(objects, "Role", "hub-hub-zoo-runner-worker")["rules"] == addresses["rules"]
    policy = find(objects, "ConfigMap", "hub-zoo-runner-opa")["data"]
    assert policy["policy.rego"] == (ROOT / "deploy/opa/policy.rego").read_text()
    assert json.loads(policy["data.json"]) == EVERYTHING["opa"]["data"]
    for document in load_documents(ROOT / "deploy/kubernetes/admission.yaml"):
        assert find(objects, document["kind"], document["metadata"]["name"]) == document


def test_what_the_parts_read_is_what_they_understand(objects: list[dict[str, Any]]) -> None:
    settings = find(objects, "ConfigMap", "hub-zoo-runner-settings")["data"]
    server = load_server_settings(settings)
    assert server.base_url == "https://hub.example.org"
    assert set(server.hosts) >= {"hub.example.org", "hub-zoo-runner-api", "hub-zoo-runner-api.hub.svc"}
    assert server.workers == 0
    sources = find(objects, "ConfigMap", "hub-zoo-runner-harvester")["data"]["sources.yml"]
    harvest = parse_harvest(YAML(typ="safe").load(sources), Path("/etc/zoo-runner/harvester/sources.yml"))
    assert harvest.build_base("alpha") == "http://hub-zoo-runner-api:8080/api/catalogs/user/catalogs/alpha"
    assert harvest.announcement and harvest.announcement.files == "s3://catalogue"
    messages = find(objects, "ConfigMap", "hub-zoo-runner-ingester")["data"]["messages.yml"]
    ingest = parse_ingest(YAML(typ="safe").load(messages), Path("/etc/zoo-runner/ingester/messages.yml"))
    assert ingest.server == "http://hub-zoo-runner-api:8080/api/catalogs/user/catalogs/{workspace}"
    assert ingest.bus.ca_file == "/run/secrets/ingester/ca.crt"


def test_a_harvester_that_only_announces_has_no_server_and_an_ingester_may_have_another() -> None:
    announcing = {**EVERYTHING["harvester"], "deploys": False}
    elsewhere = {**EVERYTHING["ingester"]["messages"], "server": "https://zoo.example.org/{workspace}/ogc-api"}
    made = render({**EVERYTHING, "harvester": announcing, "ingester": {"enabled": True, "messages": elsewhere}})
    sources = YAML(typ="safe").load(find(made, "ConfigMap", "hub-zoo-runner-harvester")["data"]["sources.yml"])
    assert "server" not in sources
    assert parse_harvest(sources, Path("/sources.yml")).server == ""
    messages = YAML(typ="safe").load(find(made, "ConfigMap", "hub-zoo-runner-ingester")["data"]["messages.yml"])
    assert messages["server"] == "https://zoo.example.org/{workspace}/ogc-api"


def test_secrets_of_an_ingester_are_files_of_one_folder_and_its_bucket_has_credentials(
    objects: list[dict[str, Any]],
) -> None:
    pod = dict(find_pods(objects))["ingester"]
    volumes = {one["name"]: one for one in pod["volumes"]}
    sources = volumes["secrets"]["projected"]["sources"]
    assert [one["secret"]["name"] for one in sources] == ["bus-token", "bus-authority"]
    (container,) = pod["containers"]
    assert {"name": "secrets", "mountPath": "/run/secrets/ingester", "readOnly": True} in container["volumeMounts"]
    assert [one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one] == ["store"]
    # what it does not need: the database
    assert "env" not in container
    one_name = render({**EVERYTHING, "ingester": {**EVERYTHING["ingester"], "existingSecret": "bus"}})
    (volume,) = [one for one in dict(find_pods(one_name))["ingester"]["volumes"] if one["name"] == "secrets"]
    assert [one["secret"]["name"] for one in volume["projected"]["sources"]] == ["bus"]


def test_egress_is_limited_to_what_is_configured_the_api_and_name_servers(objects: list[dict[str, Any]]) -> None:
    spec = find(objects, "NetworkPolicy", "hub-zoo-runner-ingester")["spec"]
    names, api, bus = spec["egress"]
    assert (spec["policyTypes"], {one["port"] for one in names["ports"]}) == (["Ingress", "Egress"], {53})
    assert api["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "api"
    assert bus == EVERYTHING["ingester"]["egress"][0]
    free = render({**EVERYTHING, "ingester": {**EVERYTHING["ingester"], "egress": []}})
    assert find(free, "NetworkPolicy", "hub-zoo-runner-ingester")["spec"]["policyTypes"] == ["Ingress"]


def test_a_system_test_by_the_clock_asks_the_api_and_looks_at_the_backups(objects: list[dict[str, Any]]) -> None:
    (container,) = dict(find_pods(objects))["system-test"]["containers"]
    command = ["system-test", "http://hub-zoo-runner-api:8080", "--backup=/backups"]
    assert container["args"] == [*command, *EVERYTHING["systemTest"]["arguments"]]
    assert {"name": "backups", "mountPath": "/backups", "readOnly": True} in container["volumeMounts"]
    spec = find(objects, "CronJob", "hub-zoo-runner-system-test")["spec"]
    assert (spec["concurrencyPolicy"], spec["jobTemplate"]["spec"]["backoffLimit"]) == ("Forbid", 0)
    elsewhere = {"enabled": True, "url": "https://hub.example.org/forest"}
    (alone,) = dict(find_pods(render({**DATABASE, "systemTest": elsewhere})))["system-test"]["containers"]
    assert alone["args"] == ["system-test", "https://hub.example.org/forest"]
    assert [one["name"] for one in alone["volumeMounts"]] == ["tmp", "cache"]


@pytest.mark.parametrize("part", ["harvester", "ingester"])
def test_records_are_on_the_volume_or_in_a_database_by_a_role_of_their_own(part: str) -> None:
    def read(**database: Any) -> tuple[list[str], dict[str, Any], list[str], set[str]]:
        made = render({**EVERYTHING, part: {**EVERYTHING[part], "database": database}})
        pod = dict(find_pods(made))[part]
        (container,) = pod["containers"]
        words = [word for word in container["args"] if word.startswith(("--records", "--take-over"))]
        policy = find(made, "NetworkPolicy", "hub-zoo-runner-postgresql")["spec"]["ingress"]
        peers = {
            one["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for rule in policy for one in rule["from"]
        }
        variables = {one["name"]: one["valueFrom"] for one in container.get("env", [])}
        mounts = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "data"]
        assert ("data" in {one["name"] for one in pod["volumes"]}) == bool(mounts)
        return words, variables, mounts, peers

    folder = f"/var/lib/zoo-runner/jobs/.harvest/{part}"
    assert read() == ([f"--records={folder}"], {}, [folder], {"api", "worker", "backup"})
    variables = {"ZOO_RUNNER_RECORDS": {"secretKeyRef": {"name": "records", "key": "url"}}}
    peers = {"api", "worker", "backup", part}
    assert read(existingSecret="records") == ([], variables, [], peers)
    assert read(existingSecret="records", takeOver=True) == ([f"--take-over={folder}"], variables, [folder], peers)


@pytest.mark.parametrize("webhooks", [True, False])
def test_parts_of_one_pod_are_restarted_where_they_make_no_step(webhooks: bool) -> None:
    pods = dict(find_pods(render({**EVERYTHING, "harvester": {**EVERYTHING["harvester"], "webhooks": webhooks}})))
    for part in ("harvester", "ingester"):
        (container,) = pods[part]["containers"]
        assert "--probes=/tmp/probes" in container["args"]
        for probe in ("startupProbe", "livenessProbe"):
            assert "/tmp/probes/alive" in " ".join(container[probe]["exec"]["command"]), part
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
    (harvester,), (ingester,) = (pods[part]["containers"] for part in ("harvester", "ingester"))
    assert ("readinessProbe" in harvester, "readinessProbe" in ingester) == (webhooks, True)


def test_changed_messages_start_the_ingester_anew() -> None:
    def read(topic: str) -> str:
        messages = {"bus": {"url": "pulsar://bus.example.org:6650", "topic": topic}, "files": "s3://catalogue"}
        made = render({**DATABASE, "ingester": {"enabled": True, "messages": messages}})
        template = find(made, "Deployment", "hub-zoo-runner-ingester")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/messages"])

    assert read("one") != read("two")
    assert read("one") == read("one")


def test_each_network_policy_selects_pods_that_there_are(objects: list[dict[str, Any]]) -> None:
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    selected = {one["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in policies}
    assert selected == PARTS - {"backup", "system-test"}
    peers = [peer for one in policies for rule in one.get("ingress", []) for peer in rule.get("from", [])]
    named = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in peers if "podSelector" in peer
    }
    assert named == {"api", "worker", "backup", "harvester", "ingester", "system-test"}
    # nobody connects to a worker that has no figures, and the database connects to nobody
    silent = render({**EVERYTHING, "metrics": {"enabled": False}})
    spec = find(silent, "NetworkPolicy", "hub-zoo-runner-worker")["spec"]
    assert (spec["policyTypes"], "ingress" in spec) == (["Ingress"], False)
    assert find(objects, "NetworkPolicy", "hub-zoo-runner-postgresql")["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("part", MEASURED)
def test_figures_are_at_a_port_that_only_who_is_named_reaches(objects: list[dict[str, Any]], part: str) -> None:
    (container,) = dict(find_pods(objects))[part]["containers"]
    assert "--metrics=0.0.0.0:9464" in container["args"]
    assert {"name": "metrics", "containerPort": 9464} in container["ports"]
    rules = find(objects, "NetworkPolicy", f"hub-zoo-runner-{part}")["spec"]["ingress"]
    (rule,) = [one for one in rules if {"protocol": "TCP", "port": "metrics"} in one["ports"]]
    assert rule["ports"] == [{"protocol": "TCP", "port": "metrics"}]
    assert rule["from"] == EVERYTHING["metrics"]["from"]
    monitor = find(objects, "PodMonitor", f"hub-zoo-runner-{part}")
    assert monitor["spec"]["podMetricsEndpoints"] == [{"port": "metrics", "path": "/metrics", "interval": "30s"}]
    labels = find(objects, "Deployment", f"hub-zoo-runner-{part}")["spec"]["template"]["metadata"]["labels"]
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected.items() <= labels.items()
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_the_monitor_of_the_api_selects_its_service_and_a_port_that_leads_to_its_pods(
    objects: list[dict[str, Any]],
) -> None:
    monitor = find(objects, "ServiceMonitor", "hub-zoo-runner-api")["spec"]
    selected = monitor["selector"]["matchLabels"].items()
    (service,) = [one for one in objects if one["kind"] == "Service" and selected <= one["metadata"]["labels"].items()]
    assert service["metadata"]["name"] == "hub-zoo-runner-api"
    ((endpoint,), (port,)) = (monitor["endpoints"], service["spec"]["ports"])
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    pods = find(objects, "Deployment", "hub-zoo-runner-api")["spec"]["template"]
    assert service["spec"]["selector"].items() <= pods["metadata"]["labels"].items()
    named = [one["name"] for container in pods["spec"]["containers"] for one in container.get("ports", [])]
    assert port["targetPort"] in named


def test_who_reads_the_figures_may_connect_to_the_api_where_others_may_not(objects: list[dict[str, Any]]) -> None:
    def list_peers(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        (rule,) = find(made, "NetworkPolicy", "hub-zoo-runner-api")["spec"]["ingress"]
        return list(rule.get("from", []))

    named = EVERYTHING["metrics"]["from"]
    assert [peer for peer in named if peer not in list_peers(objects)] == []
    # with nobody to read them, and where everyone may connect
    silent = list_peers(render({**EVERYTHING, "serviceMonitor": {"enabled": False}}))
    assert [peer for peer in named if peer in silent] == []
    assert list_peers(render({**EVERYTHING, "networkPolicy": {"ingressFrom": []}})) == []


def test_without_being_asked_no_part_has_such_a_port() -> None:
    made = render({**EVERYTHING, "metrics": {"enabled": False}})
    assert [one["metadata"]["name"] for one in made if one["kind"] == "PodMonitor"] == []
    pods = dict(find_pods(made))
    for part in MEASURED:
        (container,) = pods[part]["containers"]
        assert not [word for word in container["args"] if word.startswith("--metrics")]
        assert "metrics" not in [one["name"] for one in container.get("ports", [])]
    # those of the api are at its own port, whoever reads the others
    assert [one["metadata"]["name"] for one in made if one["kind"] == "ServiceMonitor"] == ["hub-zoo-runner-api"]


def test_a_changed_setting_starts_the_pods_that_read_it_anew() -> None:
    def read(values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            one["metadata"]["name"]: one["spec"]["template"]["metadata"]["annotations"]
            for one in render(values)
            if one["kind"] == "Deployment"
        }

    before, after = read(DATABASE), read({**DATABASE, "settings": {"ZOO_RUNNER_LOG_LEVEL": "debug"}})
    assert all(before[name] != after[name] for name in before)
    assert read(DATABASE) == before


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"workers": {"replicas": 3}}, "workers"),
        ({"api": {"replicas": "two"}}, "replicas"),
        ({"settings": {"AWS_SECRET_ACCESS_KEY": "abc"}}, "AWS_SECRET_ACCESS_KEY"),
        ({"settings": {"ZOO_RUNNER_LEASE": 30}}, "ZOO_RUNNER_LEASE"),
        ({"engine": "local"}, "engine"),
        ({"database": {"existingSecret": ""}}, "database.existingSecret"),
        ({"settings": {"ZOO_RUNNER_RECORDS": "postgresql://me:secret@db/x"}}, "ZOO_RUNNER_RECORDS"),
        ({"ingester": {"replicas": 2}}, "replicas"),
        ({"ingester": {"existingSecret": {"token": "abc"}}}, "existingSecret"),
        ({"ingester": {"egress": [{"host": "bus.example.org"}]}}, "host"),
        ({"metrics": {"enabled": True}}, "metrics.from"),
        ({"metrics": {"from": [{"namespace": "monitoring"}]}}, "namespace"),
        ({"metrics": {"port": 80}}, "port"),
    ],
    ids=[
        *("unknown", "type", "secret", "number", "engine", "database", "records", "two-ingesters"),
        *("secret-itself", "egress"),
        *("figures-for-everyone", "peer", "low-port"),
    ],
)
def test_values_that_cannot_work_are_refused_with_their_place(values: Mapping[str, Any], place: str) -> None:
    done = helm("template", "hub", CHART, "--values=-", given=json.dumps({**DATABASE, **values}))
    assert done.returncode != 0
    assert place in done.stderr


def test_the_kustomize_overlay_changes_the_chart(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    require(kubectl is not None, "no program: kubectl")
    overlay = ROOT / "deploy" / "kustomize"
    words = ["kustomize", "--enable-helm", f"--helm-command={find_helm()}", str(overlay)]
    done = subprocess.run(
        [str(kubectl), *words], capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    made = list(YAML(typ="safe").load_all(done.stdout))
    worker = find(made, "Deployment", "zoo-runner-worker")
    assert worker["metadata"]["namespace"] == "zoo-runner"
    assert worker["spec"]["template"]["spec"]["containers"][0]["env"][-1]["name"] == "TZ"
