"""The parts of the Helm chart that speak to a message bus, with a real Apache Pulsar, on a real cluster."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster import NODE_ADDRESS
from tests.live.test_helm_chart import GATE, NAME, START_SECONDS, Release, install, release
from tests.pulsar_bus import Broker, find_broker
from tests.servers import S3Server
from tests.serving import Server
from tests.waiting import wait_for

__all__ = ["release"]
DEPLOYMENT = f"{NAME}-zoo-runner-ingester"
KEYS = "git-harvester/forest/"


@pytest.fixture
def broker() -> Broker:
    """The bus, with topics of this test."""
    return find_broker()


def follow(release: Release, broker: Broker, s3: S3Server) -> tuple[Release, Server]:
    """Install a release whose harvester announces what it finds, and whose ingester deploys that."""
    write_secret(release, broker, "admin")
    small = release.values["harvester"]["resources"]
    bus = {"url": broker.pods_url, "topic": broker.topic}
    (source,) = release.values["harvester"]["sources"]["sources"]
    store = urlsplit(str(s3.options.endpoint)).port
    harvester = {
        **release.values["harvester"],
        "deploys": False,
        "existingSecret": "bus",
        "environmentSecrets": ["store"],
        "sources": {
            "sources": [{**source, "workspace": "forest"}],
            "bus": name_files("harvester", bus),
            "files": "s3://results",
            "keys": "git-harvester/{workspace}/",
        },
    }
    ingester = {
        "enabled": True,
        "existingSecret": ["bus"],
        "environmentSecrets": ["store"],
        "messages": {
            "bus": name_files("ingester", {**bus, "dead-letters": broker.dead_letters, "attempts": 50}),
            "files": "s3://results",
            "keys": "git-harvester/{workspace}/",
            "workspaces": ["forest"],
        },
        "egress": [
            {
                "to": [{"ipBlock": {"cidr": f"{NODE_ADDRESS}/32"}}],
                "ports": [{"port": urlsplit(broker.pods_url).port}, {"port": store}],
            }
        ],
        "resources": small,
    }
    values = {**release.values, "harvester": harvester, "ingester": ingester, "opa": {"enabled": False}}
    return install(Release(release.site, {**values, "backup": {"enabled": False}}, release.source))


def name_files(part: str, bus: Mapping[str, Any]) -> dict[str, Any]:
    folder = f"/run/secrets/{part}"
    return {**bus, "token-file": f"{folder}/token", "ca-file": f"{folder}/ca.crt"}


def write_secret(release: Release, broker: Broker, account: str) -> None:
    """Have the token of an account, and the authority of the bus, in the Secret that the values name."""
    release.kubectl("delete", "secret", "bus", "--ignore-not-found")
    files = {"token": f"{account}.token", "ca.crt": "tls.pem"}
    given = (f"--from-file={name}={broker.folder / file}" for name, file in files.items())
    release.kubectl("create", "secret", "generic", "bus", *given)


def build_workflow(name: str, doc: str) -> bytes:
    return json.dumps({**GATE, "id": name, "doc": doc}).encode()


def announce(broker: Broker, *keys: str) -> None:
    """Send a message as other harvesters of data hubs write it."""
    sent = {"workspace": "forest", "bucket_name": "results", "source": "https://git.example.org/w", "added_keys": keys}
    broker.send(json.dumps(sent).encode())


def read_log(release: Release) -> str:
    return release.kubectl("logs", f"deployment/{DEPLOYMENT}")


def find_pod(release: Release) -> dict[str, Any]:
    """The one pod of the ingester; an empty object while there is none, or two."""
    pods = release.list_pods("ingester")
    if len(pods) != 1:
        return {}
    found: dict[str, Any] = json.loads(
        release.kubectl("get", "pod", pods[0], "-o", "json", "--ignore-not-found") or "{}"
    )
    return found


def wait_for_process(server: Server, name: str, doc: str) -> None:
    def is_there() -> bool:
        answer = server.request("GET", f"/processes/{name}")
        return answer.status == 200 and answer.json["description"] == doc

    wait_for(is_there, START_SECONDS)


def test_what_is_announced_is_deployed_and_a_killed_pod_loses_no_message(
    release: Release, broker: Broker, s3: S3Server
) -> None:
    release, server = follow(release, broker, s3)
    # from git, by the harvester, bucket, bus and ingester of the release
    wait_for(lambda: server.request("GET", "/processes/gate").status == 200, START_SECONDS)

    # a message that waits for its file, and its pod is killed
    announce(broker, f"{KEYS}late.cwl")
    wait_for(lambda: "bus.absent" in read_log(release), START_SECONDS)
    (pod,) = release.list_pods("ingester")
    release.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
    # one that comes while there is none
    s3.put("results", f"{KEYS}meanwhile.cwl", build_workflow("meanwhile", "one"))
    announce(broker, f"{KEYS}meanwhile.cwl")
    s3.put("results", f"{KEYS}late.cwl", build_workflow("late", "one"))
    wait_for_process(server, "late", "one")
    wait_for_process(server, "meanwhile", "one")
    assert release.list_pods("ingester") != [pod]

    # a restart of its own, with a message that comes during it
    s3.put("results", f"{KEYS}late.cwl", build_workflow("late", "two"))
    release.kubectl("rollout", "restart", f"deployment/{DEPLOYMENT}")
    announce(broker, f"{KEYS}late.cwl")
    release.kubectl("rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={START_SECONDS}s")
    wait_for_process(server, "late", "two")
    listed = {one["id"] for one in server.request("GET", "/processes").json["processes"]}
    assert {"gate", "late", "meanwhile"} <= listed
    release.kubectl("scale", "--replicas=0", f"deployment/{DEPLOYMENT}")
    wait_for(lambda: not release.list_pods("ingester"), START_SECONDS)
    wait_for(lambda: broker.count_left() == 0, START_SECONDS)


def test_a_wrong_token_is_in_the_log_and_the_part_is_not_ready(release: Release, broker: Broker, s3: S3Server) -> None:
    release, server = follow(release, broker, s3)
    wait_for(lambda: server.request("GET", "/processes/gate").status == 200, START_SECONDS)
    write_secret(release, broker, "reader")
    release.kubectl("delete", "pod", *release.list_pods("ingester"))

    def find_end() -> dict[str, Any]:
        states = find_pod(release).get("status", {}).get("containerStatuses", [])
        ends = [one["lastState"].get("terminated") or one["state"].get("terminated") for one in states]
        return next((one for one in ends if one), {})

    wait_for(find_end, START_SECONDS)
    end, log = find_end(), read_log(release)
    # what `kubectl describe pod` shows is the end of the log
    for said in (end["message"], log):
        assert "bus.refused" in said
        assert broker.topic in said
        assert (broker.folder / "reader.token").read_text() not in said
    assert end["exitCode"] == 7
    (status,) = find_pod(release)["status"]["containerStatuses"]
    assert status["ready"] is False
    deployed = json.loads(release.kubectl("get", f"deployment/{DEPLOYMENT}", "-o", "json"))["status"]
    assert deployed.get("readyReplicas", 0) == 0
    # the other parts work
    assert server.request("GET", "/health/ready").status == 200

    announce(broker, f"{KEYS}after.cwl")
    s3.put("results", f"{KEYS}after.cwl", build_workflow("after", "one"))
    write_secret(release, broker, "admin")
    release.kubectl("rollout", "restart", f"deployment/{DEPLOYMENT}")
    release.kubectl("rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={START_SECONDS}s")
    wait_for_process(server, "after", "one")
