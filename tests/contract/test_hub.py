"""What the logs of a data hub's users hold: one package that works, and goes wrong in the ways that hubs have met.

The ways are those of EO-DataHub/ades-workflow-examples, whose README says which log each has to yield.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.scenes import PICTURE, Done, Scene, build_item
from tests.servers import FileServer, S3Server
from tests.site import Site
from tests.values import PACKAGES

HUB = PACKAGES / "hub" / "hub.cwl"
CALL = "convert: resize --url "


@dataclass(frozen=True)
class Case:
    """What goes wrong, how the job ends, and of each log that there must be a text that it must hold."""

    wrong: str
    exit_code: int
    logs: dict[str, str]
    words: tuple[str, ...] = ()


CASES = (
    Case("nothing", 0, {"convert.log": CALL, "node_stage_out.log": "3/4 file://"}),
    Case("sleep 0.1", 0, {"convert.log": "SLEEP: DONE", "node_stage_out.log": "3/4 file://"}),
    Case("application error", 6, {"convert.log": "Random error raised"}),
    Case("nothing", 6, {"convert.log": CALL}, ("glob=*.txt",)),
    Case("invalid STAC", 8, {"convert.log": CALL, "node_stage_out.log": "catalog.json: not STAC"}),
    # an item without a catalog gets one
    Case("no catalog", 0, {"convert.log": CALL, "node_stage_out.log": "3/4 file://"}),
    Case("no items", 8, {"convert.log": CALL, "node_stage_out.log": "the item 'small.json' is"}),
    Case("no outputs", 8, {"convert.log": CALL, "node_stage_out.log": "converted_image: "}),
)


@pytest.fixture
def scene(site: Site, web: FileServer, s3: S3Server) -> Scene:
    return Scene(site, web, s3)


def read_logs(site: Site) -> dict[str, str]:
    (folder,) = [path for path in site.temp.iterdir() if path.is_dir()]
    return {path.name: path.read_text() for path in folder.glob("*.log")}


def check_logs(site: Site, wanted: dict[str, str]) -> None:
    logs = read_logs(site)
    assert logs.keys() == wanted.keys()
    for name, text in wanted.items():
        assert text in logs[name]
    (story,) = site.temp.glob("*_error.log")
    assert "Traceback" not in "".join([story.read_text(), *logs.values()])


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join((case.wrong, *case.words)).replace(" ", "-"))
def test_each_way_to_go_wrong_yields_its_logs(case: Case, scene: Scene) -> None:
    done = scene.run_hub(case.wrong, *case.words)
    assert done.returncode == case.exit_code, done.stderr
    check_logs(scene.site, case.logs)
    diagnosis = json.loads(done.stdout)["diagnosis"]
    assert (diagnosis is None) == (case.exit_code == 0)


def run_stac(scene: Scene, href: str) -> Done:
    given = f'stac={{"class": "Directory", "location": "{href}"}}'
    return scene.run(f"{HUB}#convert-stac", "-i", given, "-o", scene.site.results)


def test_a_picture_given_as_stac_is_staged_in_and_converted(scene: Scene) -> None:
    scene.web.put("picture.pgm", PICTURE)
    item = build_item({"href": "picture.pgm", "type": "image/x-portable-graymap"})
    done = run_stac(scene, scene.web.put("scene.json", json.dumps(item).encode()))
    assert done.returncode == 0, done.stderr
    check_logs(
        scene.site, {"node_stage_in.log": "picture.pgm", "convert.log": "--stac", "node_stage_out.log": "3/4 file://"}
    )
    small = next(Path(scene.site.results).rglob("small.pgm"))
    assert small.read_bytes() == b"P5 2 1 255\nAC"


def test_stac_that_cannot_be_read_is_reported_in_the_log_of_stage_in(scene: Scene) -> None:
    done = run_stac(scene, "https://raw.incorrecturl.invalid/scene.json")
    assert done.returncode == 5
    check_logs(scene.site, {"node_stage_in.log": "'raw.incorrecturl.invalid'"})
