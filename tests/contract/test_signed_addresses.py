"""Files that others read by signed addresses, on a real S3 server that refuses what is not signed."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from stageout.model import StageOutOptions
from stageout.signed import put_signed, remove_signed
from tests.servers import serve_s3
from tests.values import small_package
from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.argo.template.inputs import remove_artifacts, stage_artifacts
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.workspace import StorageProfile


def read_status(address: str) -> int:
    with pytest.raises(HTTPError) as refused:
        urlopen(address)
    with refused.value as answer:
        return answer.code


def test_a_signed_address_gives_its_file_alone_until_that_is_removed(tmp_path: Path) -> None:
    (tmp_path / "s3" / "results").mkdir(parents=True)
    file = tmp_path / "scene ü.tif"
    file.write_bytes(b"x" * (6 << 20))
    with serve_s3(tmp_path / "s3", secret_access_key="signing-secret") as server:
        options = StageOutOptions(job_id="j1", s3=server.options)
        addresses = put_signed({"scene": file, "other": file}, "s3://results/job/.inputs", options)
        with urlopen(addresses["scene"]) as answer:
            assert answer.read() == file.read_bytes()
        assert "signing-secret" not in addresses["scene"]
        unsigned, others = addresses["scene"].partition("?")[0], addresses["scene"].replace("scene?", "other?")
        assert read_status(unsigned) in (400, 403)
        assert read_status(others) == 403
        remove_signed(["scene", "other", "nothing"], "s3://results/job/.inputs", options)
        assert read_status(addresses["scene"]) == 404


def test_jobs_with_one_destination_keep_their_inputs_apart_and_a_removal_without_access_fails_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "s3" / "results").mkdir(parents=True)
    with serve_s3(tmp_path / "s3") as server:
        keys = {"ACCESS_KEY_ID": server.options.access_key_id, "SECRET_ACCESS_KEY": server.options.secret_access_key}
        variables = {f"STAGEOUT_AWS_{name}": str(value) for name, value in keys.items()}
        storage = StorageProfile({**variables, "STAGEOUT_AWS_SERVICEURL": str(server.options.endpoint)})
        addresses = {}
        for job_id in ("a", "b"):
            (tmp_path / f"{job_id}.txt").write_text(job_id)
            paths = JobPaths("ndvi", job_id, tmp_path, tmp_path / "record", tmp_path / "scratch" / job_id)
            order = {"scene": {"class": "File", "path": str(tmp_path / f"{job_id}.txt")}}
            job = JobSpec(paths, small_package(), order, "s3://results/maps")
            addresses[job_id] = stage_artifacts(job, order, storage, lambda event: None, Cancellation())["scene"]
            assert not paths.scratch.exists()
        remove_artifacts(["scene"], "s3://results/maps", storage, "b")
        with urlopen(addresses["a"]) as answer:
            assert answer.read() == b"a"
        assert read_status(addresses["b"]) == 404
        wrong = StorageProfile({**storage.variables, "STAGEOUT_AWS_ACCESS_KEY_ID": "another"})
        remove_artifacts(["scene"], "s3://results/maps", wrong, "a")
        assert "s3://results/maps/.inputs/a" in caplog.text
