"""The pod that publishes the results on the volume of a job, as plain data."""

import base64
from typing import Any, cast

import pytest

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import CHUNK_BYTES
from zoo_runner.engines.kubernetes.names import Manifest, Names, name_job
from zoo_runner.engines.kubernetes.publisher import Publication, build_publisher, clean_up
from zoo_runner.model.events import EngineLine, Event

LONGEST = Names("ws-a", name_job("x" * 200))
ATTEMPT = 1234567


def build(bundle: bytes = b"bundle", credential: str = "canary") -> list[Manifest]:
    return build_publisher(LONGEST, ATTEMPT, KubernetesSettings(), Publication(bundle, {"AWS_SECRET": credential}))


def test_its_pod_is_one_of_the_job_with_its_volume_and_its_secret() -> None:
    job, secret, *parts = build()
    spec = job["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert job["spec"]["template"]["metadata"]["labels"]["zoo-runner/job"] == LONGEST.job
    assert volumes["work"]["persistentVolumeClaim"] == {"claimName": LONGEST.claim}
    assert spec["containers"][0]["envFrom"] == [{"secretRef": {"name": LONGEST.secret}}]
    assert [secret["metadata"]["name"], *(part["metadata"]["labels"] for part in parts)] == [
        LONGEST.secret,
        LONGEST.labels,
    ]


def test_it_evaluates_nothing_and_has_no_token() -> None:
    spec = build()[0]["spec"]["template"]["spec"]
    assert [container["name"] for container in spec["containers"]] == ["job"]
    assert {volume["name"] for volume in spec["volumes"]} == {"work", "bundle"}
    assert {mount["name"] for mount in spec["containers"][0]["volumeMounts"]} == {"work", "bundle"}
    assert spec["automountServiceAccountToken"] is False


def test_its_names_fit_kubernetes_and_differ_from_those_of_the_job() -> None:
    job, _, *parts = build(b"x" * (CHUNK_BYTES + 1))
    assert len(job["metadata"]["name"]) <= 63
    assert job["metadata"]["name"] != LONGEST.job
    assert [part["metadata"]["name"] for part in parts] == [f"{LONGEST.job}-1234567", f"{LONGEST.job}-1234568"]
    bundle = next(volume for volume in job["spec"]["template"]["spec"]["volumes"] if volume["name"] == "bundle")
    named = [source["configMap"]["name"] for source in bundle["projected"]["sources"]]
    assert named == [part["metadata"]["name"] for part in parts]


def test_credentials_are_in_its_secret_alone() -> None:
    job, secret, *parts = build()
    assert base64.b64decode(secret["data"]["AWS_SECRET"]) == b"canary"
    assert "canary" not in f"{job}{parts}"
    assert base64.b64encode(b"canary").decode() not in f"{job}{parts}"


def test_a_job_whose_caller_is_lost_ends_and_goes_by_itself() -> None:
    settings = KubernetesSettings(kept_hours=2)
    spec = build_publisher(LONGEST, ATTEMPT, settings, Publication(b"", {}))[0]["spec"]
    assert 2 * 3600 <= spec["activeDeadlineSeconds"] <= 2 * 3600 + 60
    assert spec["ttlSecondsAfterFinished"] == 600


class RefusingCluster:
    """A cluster that deletes nothing."""

    def delete(self, *_: Any) -> None:
        raise ApiError("deleting", 403, "Forbidden", "no")


def test_what_cannot_be_removed_is_a_warning_where_the_results_are_stored_and_else_an_error() -> None:
    cluster, events = cast(Cluster, RefusingCluster()), list[Event]()
    clean_up(cluster, LONGEST, KubernetesSettings(), events.append)
    (event,) = events
    assert isinstance(event, EngineLine)
    assert (event.severity, "403" in event.text or "no" in event.text) == ("warning", True)
    with pytest.raises(ApiError):
        clean_up(cluster, LONGEST, KubernetesSettings(), None)
