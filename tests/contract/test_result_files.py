"""The files of results in a folder and in a bucket of a real server of S3: the same answers, within the same limits."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.stores import build_job
from tests.servers import S3Server
from zoo_runner.model.job import Job
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.result_bucket import Begin, BucketFiles
from zoo_runner.server.result_files import FolderFiles, ResultFiles

LONG = "".join(f"line {number}\n" for number in range(20_000)).encode()


def build_stored(s3: S3Server, name: str) -> tuple[Job, StorageProfile, Path]:
    """A job whose results lie in a bucket, how the bucket is reached, and the folder that it has for them."""
    (folder := s3.folder / "files" / name).mkdir(parents=True)
    variables = {
        "AWS_ENDPOINT_URL": str(s3.options.endpoint),
        "AWS_ACCESS_KEY_ID": str(s3.options.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(s3.options.secret_access_key),
    }
    return build_job(destination=f"s3://files/{name}"), StorageProfile(variables), folder


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_the_begins_of_files_are_read(s3: S3Server, tmp_path: Path, kind: str) -> None:
    job, storage, folder = build_stored(s3, f"begins-{kind}")
    folder = folder if kind == "bucket" else tmp_path
    for name, content in (("long.txt", LONG), ("a b.csv", b"x,y\n1,2\n"), ("empty.txt", b""), ("exact.bin", b"12345")):
        (folder / name).write_bytes(content)
    files: ResultFiles = BucketFiles.open(job, storage)
    if kind == "folder":
        files = FolderFiles(replace(job, destination=str(tmp_path)))
    assert files.read(["long.txt", "a b.csv", "empty.txt", "exact.bin", "none.txt"], 5) == [
        Begin(LONG[:5], len(LONG)),
        Begin(b"x,y\n1", 8),
        Begin(b"", 0),
        Begin(b"12345", 5),
        None,
    ]
    assert [one.is_cut for one in files.read(["long.txt", "exact.bin"], 5) if one] == [True, False]
    assert files.find("a b.csv") == "a b.csv"
    assert [files.find(path) for path in ("../a b.csv", "x/../../y", "/etc/passwd")] == [None] * 3
    assert files.read([], 5) == []


def test_a_bucket_that_is_too_slow_or_refuses_gives_nothing(s3: S3Server) -> None:
    job, storage, folder = build_stored(s3, "slow")
    (folder / "a.txt").write_text("x")
    assert replace(BucketFiles.open(job, storage), until=0.0).read(["a.txt"], 5) == [None]
    refused = StorageProfile({**storage.variables, "AWS_SECRET_ACCESS_KEY": "another"})
    assert BucketFiles.open(job, refused).read(["a.txt"], 5) == [None]
    assert BucketFiles(job, None).read(["a.txt"], 5) == [None]
