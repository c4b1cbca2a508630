"""Files that others read by signed addresses, on a real S3 server that refuses what is not signed."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from stageout.model import StageOutOptions
from stageout.signed import put_signed, remove_signed
from tests.servers import serve_s3


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
