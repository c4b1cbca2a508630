"""What a workflow has left, and the folder that it is downloaded to."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.argo.results.folder import RECORD, ResultsFolder, Stored
from zoo_runner.engines.argo.results.listing import list_artifacts
from zoo_runner.hera.results.artifact_pod import build_artifact_reader, find_artifact_pod, find_failure
from zoo_runner.hera.results.listing import Claim, Mount, list_claims
from zoo_runner.hera.results.reader_pod import ReaderPod, Running
from zoo_runner.hera.results.volume import Volume, VolumeFile
from zoo_runner.model.errors import EngineError, SettingsError


def store(folder: ResultsFolder, path: str, data: bytes) -> Stored:
    with folder.downloading(path) as part:
        part.write(data)
        return folder.store(path, part, "here")


@pytest.mark.parametrize("path", ["../a/b", "/a/b", "a/../../b", "", "a\0b", "out/b", "link.txt"])
def test_a_path_that_leads_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(EngineError) as raised:
        store(ResultsFolder(root), path, b"x")
    assert raised.value.diagnosis.code == "results.path"
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "elsewhere.txt").exists()


@pytest.mark.parametrize("path", [RECORD, f"./{RECORD}"])
def test_a_result_with_the_name_of_the_list_is_refused(path: str, tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    store(folder, "a", b"1")
    with pytest.raises(EngineError) as raised:
        store(folder, path, b"x")
    assert raised.value.diagnosis.code == "results.path"
    store(folder, f"below/{RECORD}", b"2")
    assert ResultsFolder(tmp_path).find_stored("a", "here") is not None


def test_a_file_is_known_again_only_while_it_is_intact_and_from_the_same_source(tmp_path: Path) -> None:
    stored = store(ResultsFolder(tmp_path), "a/b.txt", b"content")
    assert stored.sha256 == hashlib.sha256(b"content").hexdigest()
    again = ResultsFolder(tmp_path)
    assert again.find_stored("a/b.txt", "here") == stored
    assert again.find_stored("a/b.txt", "elsewhere") is None
    (tmp_path / "a/b.txt").write_bytes(b"CONTENT")
    assert again.find_stored("a/b.txt", "here") is None


def test_a_record_that_a_crash_cut_off_costs_only_its_last_file(tmp_path: Path) -> None:
    first = store(ResultsFolder(tmp_path), "a", b"1")
    store(ResultsFolder(tmp_path), "b", b"2")
    record = tmp_path / RECORD
    record.write_bytes(record.read_bytes()[:-9])
    assert ResultsFolder(tmp_path).find_stored("a", "here") == first
    assert ResultsFolder(tmp_path).find_stored("b", "here") is None
    store(ResultsFolder(tmp_path), "c", b"3")
    assert ResultsFolder(tmp_path).find_stored("c", "here") is not None


def test_an_unfinished_file_of_the_same_version_is_continued_and_of_another_is_not(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    with pytest.raises(RuntimeError), folder.downloading("a/b", "first") as part:
        part.write(b"con")
        raise RuntimeError
    with folder.downloading("a/b", "second") as part:
        assert part.size == 0
    with folder.downloading("a/b", "first") as part:
        assert part.size == 3
        part.write(b"tent")
        assert folder.store("a/b", part, "here").sha256 == hashlib.sha256(b"content").hexdigest()


def test_what_fails_after_a_file_is_in_its_place_is_the_error_that_is_raised(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    with pytest.raises(RuntimeError), folder.downloading("a") as part:
        part.write(b"1")
        folder.store("a", part, "here")
        raise RuntimeError
    assert folder.find_stored("a", "here") is not None


class Answering:
    """A cluster whose pod answers with certain bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def download(self, _: str, __: str, take: Callable[[bytes], object], ___: object) -> None:
        take(self._answer)


LINE = b'{"path": "a", "size": 1, "version": "1"}\n'


def list_files(answer: bytes) -> list[VolumeFile]:
    reader = ReaderPod("ns", "claim", "image")
    return Volume(cast(Any, Answering(answer)), reader, Running("pod", "token")).list_files(".")


@pytest.mark.parametrize("answer", [b"", LINE, LINE[:9], LINE + b'{"end"', LINE + b'{"end": 2}'])
def test_a_list_of_files_that_was_cut_off_is_damaged(answer: bytes) -> None:
    with pytest.raises(EngineError) as raised:
        list_files(answer)
    assert raised.value.diagnosis.code == "results.damaged"


def test_a_list_of_files_ends_with_their_number() -> None:
    assert list_files(LINE + b'{"end": 1}\n') == [VolumeFile("a", 1, "1")]


def test_a_folder_that_cannot_be_made_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as raised:
        ResultsFolder(tmp_path / "file")
    assert raised.value.diagnosis.code == "disk.failed"


def node(name: str, kind: str, begun: str, *artifacts: dict[str, Any]) -> dict[str, Any]:
    return {"displayName": name, "type": kind, "startedAt": begun, "outputs": {"artifacts": list(artifacts)}}


def test_an_artifact_is_listed_once_at_the_pod_that_wrote_it_and_names_do_not_collide() -> None:
    one = {"name": "map", "s3": {"key": "wf/pod-1/map.tgz"}}
    other = {"name": "map", "s3": {"key": "wf/pod-2/map.tgz"}, "deleted": True}
    nodes = {
        "whole": node("wf", "Steps", "1", one),
        "pod-1": node("../x", "Pod", "2", one),
        "pod-2": node("../x", "Pod", "3", other),
    }
    found = list_artifacts({"status": {"nodes": nodes}})
    assert [(one.node_id, one.deleted) for one in found] == [("pod-1", False), ("pod-2", True)]
    assert len({one.path for one in found}) == 2
    assert all(not one.path.startswith(("/", ".")) for one in found)


def test_claims_of_spec_template_and_status_are_listed_with_their_mounts() -> None:
    def volume(name: str, claim: str) -> dict[str, Any]:
        return {"name": name, "persistentVolumeClaim": {"claimName": claim}}

    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "work", "mountPath": "/work"}]
    stored = {
        "templates": [{"container": {"volumeMounts": mounts}, "volumes": [volume("own", "claim-of-template")]}],
        "volumes": [volume("data", "shared"), {"name": "secret", "secret": {"secretName": "x"}}],
    }
    workflow = {
        "spec": {"workflowTemplateRef": {"name": "t"}},
        "status": {"storedWorkflowTemplateSpec": stored, "persistentVolumeClaims": [volume("work", "wf-work")]},
    }
    assert {one.name: tuple(mount.path for mount in one.mounts) for one in list_claims(workflow)} == {
        "shared": ("/data",),
        "wf-work": ("/work",),
        "claim-of-template": (),
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [("out/a", "out/a"), ("/mnt/a", "a"), ("/mnt", "."), ("/mnt/in/b", "inputs/b"), ("/mnt/inner", "inner")],
)
def test_a_path_as_containers_see_it_is_found_on_the_volume(asked: str, found: str) -> None:
    claim = Claim("data", (Mount("/mnt"), Mount("/mnt/in", "inputs")))
    assert claim.find_path(asked) == found


def test_a_path_in_no_mount_is_refused_with_the_mounts() -> None:
    with pytest.raises(SettingsError) as raised:
        Claim("data", (Mount("/mnt"),)).find_path("/other/a")
    assert "/mnt" in raised.value.diagnosis.remedy


def build_workflow(**more: Any) -> dict[str, Any]:
    """A workflow whose node wrote an artifact."""
    s3 = {"key": "run/model.tif", "bucket": "results"}
    written = {"name": "model", "path": "/tmp/model.tif", "archive": {"none": {}}, "artifactGC": {}, "s3": s3, **more}
    node = {"displayName": "train", "outputs": {"artifacts": [written]}, "type": "Pod"}
    repository = {"configMap": "repositories", "key": "main", "artifactRepository": {"s3": {"bucket": "results"}}}
    status = {"nodes": {"node-1": node}, "artifactRepositoryRef": repository}
    spec = {"securityContext": {"runAsUser": 1000}}
    return {"metadata": {"name": "w", "namespace": "ns"}, "spec": spec, "status": status}


def test_a_pod_gets_an_artifact_from_where_it_lies_as_it_is() -> None:
    workflow = build_workflow()
    (artifact,) = list_artifacts(workflow)
    pod = find_artifact_pod(workflow, artifact, "python:3.10")
    manifest = build_artifact_reader(pod, "reader", "canary-token")
    (template,) = manifest["spec"]["templates"]
    (given,) = template["inputs"]["artifacts"]
    assert given["s3"] == {"key": "run/model.tif", "bucket": "results"}
    assert given["archive"] == {"none": {}}
    assert manifest["spec"]["artifactRepositoryRef"] == {"configMap": "repositories", "key": "main"}
    assert manifest["spec"]["securityContext"]["runAsUser"] == 1000
    assert "canary-token" not in json.dumps(manifest)


def test_a_file_of_an_artifact_goes_where_the_server_would_put_it() -> None:
    workflow = build_workflow()
    (artifact,) = list_artifacts(workflow)
    pod = find_artifact_pod(workflow, artifact, "python:3.10")
    assert (pod.find_place("artifact"), pod.find_source("artifact", "1")) == (artifact.path, artifact.source)
    assert pod.find_place("artifact/a/b.txt") == f"{artifact.path}/a/b.txt"
    assert pod.find_source("artifact/a/b.txt", "1") == f"{artifact.source}/a/b.txt"


def test_an_artifact_that_lies_nowhere_is_refused(check: Check) -> None:
    workflow = build_workflow()
    (artifact,) = list_artifacts(workflow)
    del workflow["status"]["nodes"]["node-1"]["outputs"]["artifacts"][0]["s3"]
    with pytest.raises(EngineError) as raised:
        find_artifact_pod(workflow, artifact, "python:3.10")
    check(raised.value, "results.artifact", "model", "train")


def test_a_pod_that_argo_could_not_give_the_artifact_says_so(check: Check) -> None:
    workflow = build_workflow()
    (artifact,) = list_artifacts(workflow)
    pod = find_artifact_pod(workflow, artifact, "python:3.10")
    states = [{"name": "init", "state": {"terminated": {"exitCode": 64, "message": "a\nno such key\n"}}}]
    failure = find_failure({"status": {"initContainerStatuses": states}}, pod)
    check(failure, "results.artifact", "model", "train")
    assert failure is not None
    assert failure.diagnosis.evidence == ("a", "no such key")
    running = [{"name": "init", "state": {"running": {}}}]
    assert find_failure({"status": {"initContainerStatuses": running}}, pod) is None
