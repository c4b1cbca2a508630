"""Results that lie in a bucket, in a real browser: on the map, as chart, picture and text, downloaded and shared."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.chromium import PYTHON, find_axe
from tests.servers import serve_s3
from tests.serving import serving
from tests.site import Site
from tests.values import ROOT

JOURNEY = "tests.live.use_browser_of_bucket"
PACKAGES = ROOT / "tests" / "data" / "pages"
AREA = {"bbox": [10.2, 46.1, 11.4, 46.9]}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    axe, folder = find_axe(), tmp_path_factory.mktemp("bucket")
    with serve_s3(folder / "s3") as s3:
        yield _visit(folder, axe, str(s3.options.endpoint), str(s3.options.secret_access_key), s3.folder)


def _visit(folder: Path, axe: Path, endpoint: str, secret: str, buckets: Path) -> dict[str, Any]:
    (buckets / "page-results").mkdir(parents=True)
    site = Site(folder, folder / "cache").having(
        STAGEOUT_OUTPUT="s3://page-results/here",
        ZOO_RUNNER_LINK_SECRET="only-for-tests-0123456789abcdef0123",
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="test-access-key",
        AWS_SECRET_ACCESS_KEY=secret,
        AWS_REGION="us-east-1",
    )
    with serving(site.environ, folder) as server:
        jobs = []
        for name, inputs in (("survey", {"area": AREA}), ("kinds", {})):
            server.deploy(PACKAGES / f"{name}.cwl")
            job = server.execute(name, inputs)
            server.wait(job, "successful")
            jobs.append(job)
        words = [str(PYTHON), "-m", JOURNEY, server.url, str(axe), *jobs]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return {**found, "secret": secret}


def test_rasters_and_vectors_in_a_bucket_lie_on_the_map(seen: dict[str, Any]) -> None:
    assert seen["map"] == {"pictures": 1, "items": 1, "vectors": 1, "chart": 1}


def test_a_picture_and_a_text_in_a_bucket_are_shown(seen: dict[str, Any]) -> None:
    assert seen["kinds"] == {"picture": 1, "note": True, "vectors": 1, "lines": 3}


def test_columns_are_chosen_without_scripts(seen: dict[str, Any]) -> None:
    assert seen["chosen"] == {"lines": 2, "axis": "Row: 1 to 30"}


def test_a_result_in_a_bucket_is_downloaded_and_shared(seen: dict[str, Any]) -> None:
    assert seen["download"].startswith("station,day,level")
    assert seen["shared"] == [200, "<script>alert(1)</script> seen at noon\n"]


def test_the_browser_asks_this_server_alone_and_learns_no_credentials(seen: dict[str, Any]) -> None:
    assert seen["hosts"] == [seen["host"]]
    assert seen["secret"] not in json.dumps(seen["bodies"])
    assert len(seen["bodies"]) > 3


def test_no_page_of_a_bucket_has_a_barrier_or_an_error(seen: dict[str, Any]) -> None:
    assert (seen["errors"], seen["barriers"], seen["too wide"]) == ([], {}, [])
