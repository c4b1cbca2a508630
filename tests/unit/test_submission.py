"""Two callers, two stores, one id: the second neither takes over the job of the first nor removes it."""

from typing import Any, cast

import pytest

from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.manifests import build_bundle_maps, build_job, without_content
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.namespace import build_namespace, remove_namespace
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.engines.kubernetes.submission import ensure_same, fill_in, mark_job, remove_job
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

SITE = KubernetesSettings(namespace_per="job")
NAMES = build_names("tour", SITE, workspace_of())
OURS, THEIRS = (mark_job(build_job(NAMES, SITE, 1, None), uid) for uid in ("ours", "theirs"))


class Recorder:
    """A cluster that has one object and remembers what is deleted."""

    def __init__(self, **there: Any) -> None:
        self.there, self.deleted = there, list[str]()

    def get(self, kind: str, namespace: str, name: str) -> Any:
        return self.there.get(kind)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.deleted.append(kind)

    def delete_labelled(self, kind: str, *_: object) -> None:
        self.deleted.append(kind)


def remove(**there: Any) -> list[str]:
    recorder = Recorder(**there)
    cluster = cast(Cluster, recorder)
    remove_job(ClusterJob(cluster, NAMES, ClusterRoot(cluster, "Job", NAMES, {})), "ours")
    return recorder.deleted


def test_a_job_of_somebody_else_with_the_same_id_is_refused() -> None:
    with pytest.raises(EngineError, match="tour") as refused:
        ensure_same(THEIRS, "ours", "tour")
    assert (refused.value.diagnosis.level, refused.value.diagnosis.code) == (Level.USER, "job.exists")
    ensure_same(OURS, "ours", "tour")


def test_a_job_of_somebody_else_is_not_removed() -> None:
    assert remove(Job=THEIRS) == []
    assert remove(Job=OURS) == ["Secret", "Job", "Pod"]
    assert remove() == ["Secret", "Job", "Pod"]


def test_a_namespace_that_was_not_made_for_the_job_stays() -> None:
    theirs = {"metadata": {"name": NAMES.namespace, "labels": {"team": "theirs"}}}
    recorder = Recorder(Namespace=theirs)
    remove_namespace(cast(Cluster, recorder), NAMES.namespace)
    assert recorder.deleted == []
    assert remove(Job=OURS, Namespace=build_namespace(NAMES, SITE)) == ["Namespace", "Secret", "Job", "Pod"]


def test_what_is_planned_is_submitted_with_its_content_filled_in() -> None:
    maps = build_bundle_maps(NAMES, bytes(1_500_000))
    quota = {"kind": "ResourceQuota", "metadata": {"name": "q"}}
    planned = [OURS, without_content(maps[0]), quota]
    job, *others = fill_in(planned, maps)
    assert others == [quota, *maps]
    [bundle] = [volume for volume in job["spec"]["template"]["spec"]["volumes"] if volume["name"] == "bundle"]
    assert bundle["projected"]["sources"] == [{"configMap": {"name": f"job-tour-{number}"}} for number in range(3)]
    assert fill_in(planned, maps[:1]) == [OURS, quota, maps[0]]
