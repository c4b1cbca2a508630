"""The NetworkPolicies of jobs and of the chart, while a network plug-in enforces them: they let through what is needed.

The parts of the chart are played by pods with the labels and the ports of its own, which answer to whoever gets there.
"""

import http.server
import json
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import JOB_IMAGE, NODE_ADDRESS, WORKSPACE, applied, find_argo, find_kubeconfig, kubectl
from tests.helm import EVERYTHING, find_pods, render
from tests.netpol import enforcing
from tests.servers import S3Server
from tests.site import Site
from tests.steps import DEBIAN
from tests.waiting import wait_for
from zoo_runner.model.job import Status

API = {"the Kubernetes API": "10.96.0.1:443", "its server": f"{NODE_ADDRESS}:6443"}
METADATA = "169.254.169.254"
PODS = "10.244.0.0/24"
OTHERS, RELEASE, MONITORING, GATEWAY = (
    f"{name}-{WORKSPACE}" for name in ("others", "release", "monitoring", "gateway")
)
SETTLED_SECONDS = 60
PORT = 8000
# tries each address once; the first is tried until it is closed, or for longer than any plug-in takes
TRY = """
connects() { timeout 3 bash -c "exec 3<>/dev/tcp/${1%:*}/${1##*:}" 2>/dev/null; }
for n in $(seq 40); do connects $FIRST || break; sleep 0.5; done
for address in $ADDRESSES; do (connects $address && echo "$address open" || echo "$address closed") & done
wait
"""


@pytest.fixture(scope="module", autouse=True)
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Policies are enforced, on the whole node."""
    with enforcing(find_kubeconfig(), tmp_path_factory.mktemp("plug-in")):
        yield


@pytest.fixture(scope="module")
def outside(plug_in: None) -> Iterator[Mapping[str, str]]:
    """Addresses of servers beyond the cluster's own: that of a machine's metadata, and the node's in its network."""
    with (
        http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.BaseHTTPRequestHandler) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
        serving_metadata(),
    ):
        # sends nothing
        probe.connect(("192.0.2.1", 9))
        node = probe.getsockname()[0]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.server_address[1]
        yield {"metadata": f"{METADATA}:{PORT}", "the node": f"{node}:{port}", "a server": f"{NODE_ADDRESS}:{port}"}
        server.shutdown()


@contextmanager
def serving_metadata() -> Iterator[None]:
    """Serve the address of metadata to pods alone: programs of this machine find there what they did."""
    space, here, there = "zoo-metadata", "10.250.169.1", "10.250.169.2"
    rule = f"from {PODS} to {METADATA}/32 lookup 169"
    # of a run that was killed
    run_ip(f"netns del {space}", check=False)
    run_ip(f"rule del {rule}", check=False)
    run_ip(f"netns add {space}")
    try:
        run_ip(f"link add zoo-metadata0 type veth peer name eth0 netns {space}")
        for words in (f"addr add {here}/30 dev zoo-metadata0", "link set zoo-metadata0 up"):
            run_ip(words)
        for words in (f"addr add {there}/30 dev eth0", f"addr add {METADATA}/32 dev lo", "link set eth0 up"):
            run_ip(f"-n {space} {words}")
        for words in ("link set lo up", f"route add default via {here}"):
            run_ip(f"-n {space} {words}")
        run_ip(f"route add {METADATA}/32 via {there} table 169")
        run_ip(f"rule add {rule}")
        command = ["ip", "netns", "exec", space, sys.executable, "-m", "http.server", str(PORT)]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/dev/shm")
        try:
            yield
        finally:
            server.kill()
            server.wait()
            run_ip(f"rule del {rule}")
    finally:
        # takes the link and the route with it
        run_ip(f"netns del {space}")


def run_ip(words: str, *, check: bool = True) -> None:
    subprocess.run(["ip", *words.split()], check=check, capture_output=True, timeout=30)


def build_pod(name: str, namespace: str, ports: Mapping[str, int], labels: Mapping[str, str]) -> dict[str, Any]:
    """Build a pod that answers at its ports, and from which addresses can be tried."""
    listens = "".join(f"/opt/calrissian/bin/python -m http.server {port} -d /opt & " for port in ports.values())
    container = {
        "name": "main",
        "image": JOB_IMAGE,
        "command": ["sh", "-c", f"{listens}exec sleep 100000"],
        "ports": [{"name": one, "containerPort": port} for one, port in ports.items()],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def find_addresses(anywhere: Site, namespace: str) -> dict[str, str]:
    """Return the address of each pod of a namespace, once all listen."""
    kubectl(anywhere, "wait", "--for=condition=Ready", "pod", "--all", "-n", namespace, "--timeout=120s")
    pods = json.loads(kubectl(anywhere, "get", "pods", "-n", namespace, "-o", "json"))["items"]
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods}


def read_tries(text: str, names: Mapping[str, str]) -> dict[str, bool]:
    """Return whether each address of these names was open, from what `TRY` has printed."""
    found = dict(line.split() for line in text.splitlines())
    return {name: found[address] == "open" for name, address in names.items()}


@pytest.fixture(scope="module")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("anywhere")
    return Site(folder, folder, {"KUBECONFIG": find_kubeconfig()})


@pytest.fixture(scope="module")
def neighbour(anywhere: Site) -> Iterator[str]:
    """The address of a pod of somebody else."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHERS}}
    with applied(anywhere, namespace, build_pod("neighbour", OTHERS, {"http": PORT}, {})):
        yield f"{find_addresses(anywhere, OTHERS)['neighbour']}:{PORT}"


def run_step(site: Site, s3: S3Server, folder: Path, tried: Mapping[str, str], *, asks: bool) -> str:
    """Run a job that reads a file of the store, tries addresses, and writes both into a result there."""
    given = s3.folder / "results" / "given" / "said.txt"
    given.parent.mkdir(exist_ok=True)
    given.write_text("from the store\n")
    # with the network, there is nothing to wait for
    first = "127.0.0.1:1" if asks else tried["a server"]
    script = f"FIRST={first}; ADDRESSES={shlex.quote(' '.join(tried.values()))}; {TRY}\ncat $0"
    requirements: list[dict[str, Any]] = [
        {"class": "DockerRequirement", "dockerPull": DEBIAN},
        {"class": "ResourceRequirement", "coresMin": 0.1, "ramMin": 32},
    ]
    if asks:
        requirements.append({"class": "NetworkAccess", "networkAccess": True})
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "try",
        "requirements": requirements,
        "baseCommand": ["bash", "-c", script],
        "inputs": {"said": {"type": "File", "inputBinding": {"position": 1}}},
        "stdout": "tried.txt",
        "outputs": {"tried": "stdout"},
    }
    package, order = folder / "try.cwl", folder / "order.json"
    package.write_text(json.dumps(tool))
    order.write_text(json.dumps({"said": {"class": "File", "path": "s3://results/given/said.txt"}}))
    story = site.run(site.accept(package, order, destination="s3://results/enforced"))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert story.outcome.results
    href = str(story.outcome.results.document["tried"]["href"])
    text = (s3.folder / href.removeprefix("s3://")).read_text()
    assert text.endswith("from the store\n")
    return text.removesuffix("from the store\n")


@pytest.mark.parametrize("engine", ["calrissian", "argo", "argo-native"])
def test_a_job_reads_and_writes_its_store_and_its_step_reaches_nothing(
    engine: str, site: Site, s3: S3Server, neighbour: str, outside: Mapping[str, str], tmp_path: Path
) -> None:
    if engine != "calrissian":
        find_argo()
    store = str(s3.options.endpoint).removeprefix("http://")
    tried = {**outside, **API, "another pod": neighbour, "the store": store}
    text = run_step(site.having(ZOO_RUNNER_ENGINE=engine), s3, tmp_path, tried, asks=False)
    # Argo's executor is in the pod of each step, and reports there
    reached = dict.fromkeys(API, True) if engine == "argo-native" else {}
    assert read_tries(text, tried) == {**dict.fromkeys(tried, False), **reached}


def test_a_step_that_asks_for_the_network_has_it(
    site: Site, s3: S3Server, neighbour: str, outside: Mapping[str, str], tmp_path: Path
) -> None:
    tried = {**outside, **API, "another pod": neighbour}
    assert read_tries(run_step(site, s3, tmp_path, tried, asks=True), tried) == dict.fromkeys(tried, True)


@dataclass(frozen=True)
class Chart:
    """Pods that play the parts of a release, under the policies of its chart; `tried` are the addresses by name."""

    anywhere: Site
    places: Mapping[str, tuple[str, str]]
    """Namespace and pod of each who connects."""
    tried: Mapping[str, str]

    def look(self, who: str) -> set[str]:
        """Return the names of what somebody reaches, but itself."""
        namespace, pod = self.places[who]
        script = f"FIRST=127.0.0.1:1; ADDRESSES={shlex.quote(' '.join(self.tried.values()))}; {TRY}"
        text = kubectl(self.anywhere, "exec", pod, "-n", namespace, "--", "bash", "-c", script)
        return {
            name for name, is_open in read_tries(text, self.tried).items() if is_open and not name.startswith(f"{who} ")
        }


@pytest.fixture(scope="module")
def chart(anywhere: Site, outside: Mapping[str, str]) -> Iterator[Chart]:
    """The chart with all that it has, whose harvester may connect to one server."""
    address, port = outside["a server"].split(":")
    named = "kubernetes.io/metadata.name"
    values = {
        **EVERYTHING,
        "networkPolicy": {"ingressFrom": [{"namespaceSelector": {"matchLabels": {named: GATEWAY}}}]},
        "metrics": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {named: MONITORING}}}]},
        "harvester": {
            **EVERYTHING["harvester"],
            "egress": [{"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"port": int(port)}]}],
        },
    }
    objects = render(values)
    policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
    for one in policies:
        one["metadata"]["namespace"] = RELEASE
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (RELEASE, MONITORING, GATEWAY)
    ]
    parts = dict(find_pods(objects))
    ports = {
        part: {
            one["name"]: one["containerPort"] for container in spec["containers"] for one in container.get("ports", [])
        }
        for part, spec in parts.items()
    }
    pods = [build_pod(part, RELEASE, ports[part], read_labels(objects, part)) for part in parts]
    pods += [build_pod("prometheus", MONITORING, {}, {}), build_pod("ingress", GATEWAY, {}, {})]
    with applied(anywhere, *namespaces, *policies, *pods):
        found = find_addresses(anywhere, RELEASE)
        for namespace in (MONITORING, GATEWAY):
            find_addresses(anywhere, namespace)
        tried = {f"{part} {name}": f"{found[part]}:{port}" for part in parts for name, port in ports[part].items()}
        places = {part: (RELEASE, part) for part in parts}
        places |= {"prometheus": (MONITORING, "prometheus"), "ingress": (GATEWAY, "ingress")}
        yield Chart(anywhere, places, {**tried, **outside, **API})


def read_labels(objects: list[dict[str, Any]], part: str) -> dict[str, str]:
    """Return the labels of the pods of a part."""
    for one in objects:
        spec = one.get("spec", {})
        labels = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("metadata", {}).get("labels", {})
        if labels.get("app.kubernetes.io/component") == part:
            return dict(labels)
    raise AssertionError(part)


BEYOND = {"metadata", "the node", "a server", *API}
REACHED = {
    "api": {"postgresql postgresql", *BEYOND},
    "worker": {"postgresql postgresql", *BEYOND},
    # with `egress`: what that names, and the api; the Kubernetes API is for others
    "harvester": {"api http", "a server"},
    "ingester": {"api http"},
    "postgresql": set[str](),
    "backup": {"postgresql postgresql", *BEYOND},
    "system-test": {"api http", *BEYOND},
    "prometheus": {"api http", "worker metrics", "harvester metrics", "ingester metrics", *BEYOND},
    "ingress": {"api http", "harvester webhooks", *BEYOND},
}


@pytest.mark.parametrize("who", REACHED)
def test_a_part_of_the_chart_reaches_what_it_needs_and_nothing_else(chart: Chart, who: str) -> None:
    found: list[set[str]] = []

    def look() -> bool:
        found[:] = [chart.look(who)]
        return found[0] == REACHED[who]

    with suppress(AssertionError):
        wait_for(look, SETTLED_SECONDS)
    assert found[0] == REACHED[who]
