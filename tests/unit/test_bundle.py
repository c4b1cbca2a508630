"""Rules of what is sent to the job pod."""

import json
import os
import tarfile
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.unit.packed import build_package, full
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.workspace import load_storage_profile
from zoo_runner.engines.kubernetes.bundle import build_bundle, check_bundle, pack_bundle, read_job, unpack_bundle
from zoo_runner.engines.kubernetes.job_pod.pod import restore_files
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.engines.kubernetes.secrets import find_credentials
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.diagnosis import Diagnosis, Level
from zoo_runner.model.errors import EngineError, InputError, SettingsError, StageInError
from zoo_runner.model.job import Outcome, Results
from zoo_runner.model.remedies import Readers
from zoo_runner.model.workspace import MOST_LOG_BYTES, StorageProfile
from zoo_runner.model.written import read_number, write_json


def build_job(folder: Path, order: dict[str, object]) -> JobSpec:
    paths = JobPaths("water", "1", folder / "temp", folder / "record", folder / "scratch")
    return JobSpec(paths, build_package(), order, "s3://bucket/1", 60.0, log_bytes=1000, readers=Readers.API)


def pack(folder: Path, order: dict[str, object], **variables: str) -> bytes:
    storage = load_storage_profile(variables)
    return build_bundle(build_job(folder, order), {"retries": 2}, str(folder / "pod"), lambda _: None, storage)


def open_bundle(bundle: bytes, work_folder: Path, log_folder: Path) -> tuple[JobSpec, dict[str, Any]]:
    unpack_bundle(bundle, work_folder)
    return read_job(bundle, work_folder, log_folder)


def pack_content(content: dict[str, Any]) -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        written = json.dumps(content).encode()
        member = tarfile.TarInfo("job.json")
        member.size = len(written)
        archive.addfile(member, BytesIO(written))
    return packed.getvalue()


def test_the_pod_gets_the_job_as_it_was(tmp_path: Path) -> None:
    bundle = pack(tmp_path, {"threshold": 0.5, "source": {"class": "File", "location": "https://example.org/a.tif"}})
    job, steps = open_bundle(bundle, tmp_path / "pod", tmp_path / "logs")
    before = build_job(tmp_path, {})
    assert (job.id, job.workflow_id, job.destination, job.time_limit_seconds) == ("1", "water", "s3://bucket/1", 60.0)
    assert job.package.document == before.package.document
    assert job.order == {"threshold": 0.5, "source": {"class": "File", "location": "https://example.org/a.tif"}}
    assert steps == {"retries": 2}
    assert (job.log_bytes, job.readers) == (1000, Readers.API)


def test_a_job_that_was_sent_without_what_its_logs_are_like_has_the_defaults(tmp_path: Path) -> None:
    with tarfile.open(fileobj=BytesIO(pack(tmp_path, {}))) as archive:
        content = json.load(archive.extractfile("job.json") or BytesIO())
    del content["log_bytes"], content["readers"]
    job, _ = read_job(pack_content(content), tmp_path / "pod", tmp_path / "logs")
    assert (job.log_bytes, job.readers) == (MOST_LOG_BYTES, Readers.COMMANDS)


@pytest.mark.parametrize(
    ("sent", "version", "remedy"),
    [(None, 0, "Update zoo-runner"), (PROTOCOL + 1, PROTOCOL + 1, "job image")],
)
def test_a_job_of_another_version_is_refused_with_both_and_the_setting(
    tmp_path: Path, sent: int | None, version: int, remedy: str
) -> None:
    # no more of it can be relied on
    bundle = pack_content({} if sent is None else {"protocol": sent})
    with pytest.raises(EngineError) as caught:
        open_bundle(bundle, tmp_path / "pod", tmp_path / "logs")
    found = caught.value.diagnosis
    assert found.level is Level.PLATFORM
    assert found.code == "engine.protocol"
    assert f"sent with version {version}" in found.cause
    assert found.cause.endswith(f"supports {PROTOCOL}")
    assert remedy in found.remedy
    assert "ZOO_RUNNER_JOB_IMAGE (or CALRISSIAN_IMAGE)" in found.remedy


def test_what_is_sent_and_answered_is_that_of_this_version(tmp_path: Path) -> None:
    """Whoever changes one of these sees to it that `PROTOCOL` is raised where `protocol.py` says so."""
    with tarfile.open(fileobj=BytesIO(pack(tmp_path, {}))) as archive:
        sent = json.load(archive.extractfile("job.json") or BytesIO())
    job = [
        "protocol",
        "id",
        "workflow_id",
        "package",
        "order",
        "destination",
        "time_limit_seconds",
        "steps",
        "log_bytes",
        "readers",
    ]
    assert list(sent) == job
    assert list(sent["package"]) == ["document", "entry", "types", "digest"]
    assert [field.name for field in fields(Outcome)] == [
        "status",
        "results",
        "diagnosis",
        "exit_code",
        "usage",
        "published",
        "reused",
    ]
    diagnosis = ["stage", "level", "cause", "remedy", "evidence", "step", "log", "code", "problems"]
    assert [field.name for field in fields(Diagnosis)] == diagnosis
    assert [field.name for field in fields(Results)] == [
        "document",
        "collection",
        "collection_href",
        "outputs",
        "size_bytes",
    ]
    assert PROTOCOL == 7


def test_local_files_and_folders_travel_with_the_job(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deeper").mkdir(parents=True)
    (tmp_path / "folder" / "deeper" / "b.txt").write_text("b")
    (tmp_path / "note.txt").write_text("note")
    order: dict[str, object] = {
        "source": {"class": "File", "path": str(tmp_path / "note.txt")},
        "folder": {"class": "Directory", "location": (tmp_path / "folder").as_uri()},
    }
    job, _ = open_bundle(pack(tmp_path, order), tmp_path / "pod", tmp_path / "logs")
    assert Path(job.order["source"]["path"]).read_text() == "note"
    assert Path(job.order["source"]["path"]).name == "note.txt"
    assert (Path(job.order["folder"]["path"]) / "deeper" / "b.txt").read_text() == "b"
    assert Path(job.order["folder"]["path"]).is_relative_to(tmp_path / "pod")


def test_the_secondary_files_that_the_package_declares_travel_with_their_files(tmp_path: Path) -> None:
    for name in ("a.tif", "a.tif.idx", "b.tif", "b.tif.idx"):
        (tmp_path / name).write_text(name)
    files = {"type": "array", "items": "File"}
    package = build_package({"sources": full(files, secondaryFiles=[{"pattern": ".idx"}])})
    order: dict[str, object] = {
        "sources": [{"class": "File", "location": (tmp_path / name).as_uri()} for name in ("a.tif", "b.tif")]
    }
    sent = replace(build_job(tmp_path, order), package=package)
    bundle = build_bundle(sent, {}, str(tmp_path / "pod"), lambda _: None, load_storage_profile({}))
    job, _ = open_bundle(bundle, tmp_path / "pod", tmp_path / "logs")
    found = [[Path(one["path"]) for one in (file, *file["secondaryFiles"])] for file in job.order["sources"]]
    assert [[path.read_text() for path in pair] for pair in found] == [["a.tif", "a.tif.idx"], ["b.tif", "b.tif.idx"]]
    assert all(path.is_relative_to(tmp_path / "pod") for pair in found for path in pair)


def test_a_file_that_is_not_there_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(StageInError, match=r"missing\.txt"):
        pack(tmp_path, {"source": {"class": "File", "path": str(tmp_path / "missing.txt")}})


def test_no_setting_of_the_caller_is_in_the_bundle(tmp_path: Path) -> None:
    bundle = pack(tmp_path, {}, AWS_SECRET_ACCESS_KEY="canary-4711", STAGEIN_AWS_SESSION_TOKEN="canary-4711")
    with tarfile.open(fileobj=BytesIO(bundle)) as archive:
        texts = [content.read() for member in archive if (content := archive.extractfile(member))]
    assert b"canary" not in b"".join(texts)


def test_job_orders_of_many_megabytes_are_sent(tmp_path: Path) -> None:
    text = os.urandom(5 * 2**20 // 2).hex()
    job, _ = open_bundle(pack(tmp_path, {"text": text}), tmp_path / "pod", tmp_path / "logs")
    assert job.order["text"] == text


def test_what_is_too_large_for_the_api_is_refused_with_its_size() -> None:
    with pytest.raises(InputError) as caught:
        check_bundle(bytes(3 * 2**20), 2)
    found = caught.value.diagnosis
    assert (found.code, "3.0 MiB" in found.cause, "2 MiB" in found.cause) == ("inputs.too-large", True, True)
    assert "ZOO_RUNNER_BUNDLE_MAX_MIB" in caught.value.diagnosis.remedy


def test_the_job_is_read_from_the_bundle_and_not_from_the_volume_that_steps_may_write_to(tmp_path: Path) -> None:
    open_bundle(pack(tmp_path, {}), tmp_path / "pod", tmp_path / "logs")
    assert not (tmp_path / "pod" / "job.json").exists()


def test_nothing_is_unpacked_outside_the_work_folder(tmp_path: Path) -> None:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("../escaped", "/escaped", "link"):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.SYMTYPE if name == "link" else tarfile.REGTYPE
            entry.linkname = "/etc"
            archive.addfile(entry)
        content = json.dumps({"protocol": PROTOCOL}).encode()
        entry = tarfile.TarInfo("job.json")
        entry.size = len(content)
        archive.addfile(entry, BytesIO(content))
    with pytest.raises(KeyError):
        open_bundle(packed.getvalue(), tmp_path / "pod", tmp_path / "logs")
    assert list(tmp_path.rglob("*")) == []
    assert not (tmp_path / "escaped").exists()


def test_credentials_of_every_store_reach_the_pod_and_files_of_them_as_what_they_hold(tmp_path: Path) -> None:
    key_file = tmp_path / "key.json"
    key_file.write_text('{"private_key": "hidden"}')
    stores = {"AZURE_STORAGE_KEY": "hidden", "STAGEIN_STORAGE_EMULATOR_HOST": "http://gs", "all_proxy": "http://p"}
    environ = {**stores, "STAGEOUT_GOOGLE_APPLICATION_CREDENTIALS": str(key_file), "HOME": "/root"}
    picked = find_credentials(load_storage_profile(environ))
    assert picked == {**stores, "STAGEOUT_GOOGLE_APPLICATION_CREDENTIALS_CONTENT": '{"private_key": "hidden"}'}
    taken = restore_files(picked)
    assert Path(taken["STAGEOUT_GOOGLE_APPLICATION_CREDENTIALS"]).read_text() == key_file.read_text()
    assert not any(name.endswith("_CONTENT") for name in taken)


def test_a_file_of_credentials_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"STAGEIN_HOSTS_FILE=.*cannot be read"):
        find_credentials(StorageProfile({"STAGEIN_HOSTS_FILE": str(tmp_path / "none.json")}))


def test_a_link_within_a_folder_stays_one_and_others_become_what_they_lead_to(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (tmp_path / "outside.txt").write_text("outside")
    for name, aim in {
        "deep/up": "../a.txt",
        "round": "deep",
        "self": ".",
        "away": "../outside.txt",
        "absolute": str(folder / "a.txt"),
        "by-name": "../folder/a.txt",
    }.items():
        (folder / name).symlink_to(aim)
    (tmp_path / "alias").symlink_to(folder)
    order: dict[str, object] = {"folder": {"class": "Directory", "path": str(tmp_path / "alias")}}
    job, _ = open_bundle(pack(tmp_path, order), tmp_path / "pod", tmp_path / "logs")
    there = Path(job.order["folder"]["path"])
    assert {path.name: str(path.readlink()) for path in there.rglob("*") if path.is_symlink()} == {
        "up": "../a.txt",
        "round": "deep",
        "self": ".",
    }
    assert [(there / name).read_text() for name in ("deep/up", "round/up", "away", "absolute", "by-name")] == [
        "a",
        "a",
        "outside",
        "a",
        "a",
    ]


def test_a_link_that_leads_nowhere_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "lost").symlink_to("/nowhere/at/all")
    with pytest.raises(StageInError, match="lost"):
        pack(tmp_path, {"folder": {"class": "Directory", "path": str(tmp_path / "folder")}})


def pack_with_file(tmp_path: Path, **variables: str) -> bytes:
    (tmp_path / "beside").mkdir(exist_ok=True)
    (tmp_path / "beside" / "a.csv").write_text("1,2")
    package = build_package()
    tool = package.document["$graph"][1]
    location = (tmp_path / "beside" / "a.csv").as_uri()
    tool["inputs"] = [{"id": "#tool/x", "type": "File", "default": {"class": "File", "location": location}}]
    storage = load_storage_profile(variables)
    job = replace(build_job(tmp_path, {}), package=package)
    return build_bundle(job, {}, str(tmp_path / "pod"), lambda _: None, storage)


def test_a_file_of_this_machine_that_the_package_refers_to_goes_with_the_job(tmp_path: Path) -> None:
    job, _ = open_bundle(pack_with_file(tmp_path), tmp_path / "pod", tmp_path / "logs")
    assert job.order == {}
    default = job.package.document["$graph"][1]["inputs"][0]["default"]
    assert Path(default["path"]).read_text() == "1,2"
    assert Path(default["path"]).is_relative_to(tmp_path / "pod")


def test_such_a_file_lies_in_the_folders_that_inputs_may_come_from(tmp_path: Path) -> None:
    with pytest.raises(StageInError) as caught:
        pack_with_file(tmp_path, STAGEIN_ALLOWED_ROOTS=str(tmp_path / "other"))
    assert caught.value.diagnosis.code == "source.refused"


def test_what_is_published_later_needs_no_file_of_this_machine(tmp_path: Path) -> None:
    gone = {"class": "File", "location": (tmp_path / "gone.csv").as_uri()}
    package = build_package()
    package.document["$graph"][1]["inputs"] = [{"id": "#tool/x", "type": "File", "default": gone}]
    bundle = pack_bundle(replace(build_job(tmp_path, {}), package=package), {}, {})
    job, _ = read_job(bundle, tmp_path / "pod", tmp_path / "logs")
    assert (job.id, job.destination) == ("1", "s3://bucket/1")


def test_numbers_reach_the_pod_as_they_were_written(tmp_path: Path) -> None:
    bundle = pack(tmp_path, {"threshold": read_number("10.50"), "many": [read_number("1e21"), 0.5]})
    job, _ = open_bundle(bundle, tmp_path / "pod", tmp_path / "logs")
    assert write_json(job.order) == '{"threshold": 10.50, "many": [1e21, 0.5]}'
