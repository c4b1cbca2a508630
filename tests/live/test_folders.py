"""Products that are folders (zarr, SAFE) and files with others beside them go through every engine as they are."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from tests.cluster import find_argo, find_kubeconfig, join_cluster, list_jobs
from tests.servers import S3Server
from tests.site import Site
from tests.steps import DEBIAN

PACKAGE = f"""
cwlVersion: v1.2
class: CommandLineTool
id: copy
hints: {{DockerRequirement: {{dockerPull: "{DEBIAN}"}}, ResourceRequirement: {{coresMin: 0.1, ramMin: 64}}}}
baseCommand: [sh, -c, 'mkdir out && cp -r "$0"/scene/. out/']
inputs: {{scene: {{type: Directory, inputBinding: {{position: 1}}}}}}
outputs: {{product: {{type: Directory, outputBinding: {{glob: out}}}}}}
"""
FILES = {
    "cube.zarr/.zgroup": "{}",
    "cube.zarr/B02/.zarray": "{}",
    "cube.zarr/B02/0.0": "chunk 0",
    "cube.zarr/B02/0.1": "chunk 1",
    "S1A.SAFE/manifest.safe": "manifest",
    "S1A.SAFE/annotation/iw-vv.xml": "<vv/>",
    "S1A.SAFE/measurement/iw 1.tiff": "pixels",
    "points.copc.laz": "points",
    "points.copc.laz.aux.xml": "<aux/>",
}
ASSETS = {
    "cube": {"href": "./cube.zarr", "type": "application/vnd.zarr"},
    "safe": {"href": "./S1A.SAFE/", "roles": ["data"]},
    "points": {"href": "./points.copc.laz", "type": "application/vnd.laszip+copc"},
    "aux": {"href": "./points.copc.laz.aux.xml", "type": "application/xml", "roles": ["metadata"]},
}
# both ways; where each file took a second it would be hours
SECONDS_FOR_TEN_THOUSAND = 180
ITEM: Mapping[str, object] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "scene",
    "geometry": None,
    "properties": {"datetime": "2024-05-01T10:00:00Z"},
    "links": [],
    "assets": ASSETS,
}


@pytest.fixture(params=["local", "calrissian", "argo"])
def site(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server, started_jobs: set[str]) -> Iterator[Site]:
    """An installation whose sources and results are in one store."""
    if request.param == "argo":
        find_argo()
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3)
    joined = joined.having(ZOO_RUNNER_ENGINE=request.param, ZOO_RUNNER_CONTAINERS="none")
    yield joined
    started_jobs |= list_jobs(joined)


def write_scene(folder: Path, item: Mapping[str, object]) -> None:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "scene.json").write_text(json.dumps(item))


def read_scene(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text() for name in FILES}


def test_a_product_of_folders_goes_through_an_engine_and_comes_back_as_it_left(
    site: Site, s3: S3Server, tmp_path: Path
) -> None:
    engine = site.settings.engine
    write_scene(s3.folder / "results" / "source" / engine, ITEM)
    package = tmp_path / "copy.cwl"
    package.write_text(PACKAGE)
    scene = {"class": "Directory", "location": f"s3://results/source/{engine}/scene.json"}
    place = f"s3://results/products/{engine}"
    story = site.run(site.accept(package, None, f"scene={json.dumps(scene)}", destination=place))
    assert story.outcome.results, story.outcome.diagnosis
    product = s3.folder / "results" / "products" / engine / "product"
    assert read_scene(product) == FILES
    # what was published is a source like any other
    result = story.outcome.results.document["product"]["href"]
    staged = stage_in(
        {"again": {"class": "Directory", "location": result}}, tmp_path / "again", StageInOptions(s3=s3.options)
    )
    [back] = Path(staged["again"]["path"]).rglob("cube.zarr")
    assert read_scene(back.parent) == FILES


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_store_of_ten_thousand_chunks_goes_through_an_engine_within_three_minutes(
    site: Site, s3: S3Server, tmp_path: Path
) -> None:
    engine = site.settings.engine
    source = s3.folder / "results" / "many" / engine
    write_scene(source, {**ITEM, "assets": {"cube": ASSETS["cube"]}})
    for row in range(100):
        folder = source / "cube.zarr" / "B02" / "c" / str(row)  # as zarr 3 names chunks
        folder.mkdir(parents=True)
        for column in range(100):
            (folder / str(column)).write_bytes(b"c" * 1024)
    package = tmp_path / "copy.cwl"
    package.write_text(PACKAGE)
    scene = {"class": "Directory", "location": f"s3://results/many/{engine}/scene.json"}
    spec = site.accept(package, None, f"scene={json.dumps(scene)}", destination=f"s3://results/copied/{engine}")
    started = time.monotonic()
    story = site.run(spec)
    took = time.monotonic() - started
    assert story.outcome.results, story.outcome.diagnosis
    chunks = s3.folder / "results" / "copied" / engine / "product" / "cube.zarr" / "B02" / "c"
    assert len(list(chunks.glob("*/*"))) == 10_000
    assert took < SECONDS_FOR_TEN_THOUSAND
