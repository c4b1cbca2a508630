"""Secondary files of local inputs, which lie beside their files."""

import json
from typing import Any

import pytest

from tests.site import Site, Story

SCRIPT = "cat $0 $0.idx > all.txt; test ! -e $0.ovr || cat $0.ovr >> all.txt"
OUTPUTS = {"result": {"type": "File", "outputBinding": {"glob": "all.txt"}}}
DECLARED = [{"pattern": ".idx"}, {"pattern": ".ovr", "required": False}, {"pattern": "^/../up", "required": False}]
RECORD = {"type": "record", "fields": {"scene": {"type": "File", "secondaryFiles": DECLARED}}}
FORMS: dict[str, tuple[Any, str, Any]] = {
    "a file": ({"type": "File", "secondaryFiles": DECLARED}, "$(inputs.x.path)", lambda file: file),
    "an array": ({"type": "File[]", "secondaryFiles": DECLARED}, "$(inputs.x[0].path)", lambda file: [file]),
    "a record": ({"type": RECORD}, "$(inputs.x.scene.path)", lambda file: {"scene": file}),
}
NAME = "a scene.tif"


def run(site: Site, form: str, *beside: str) -> Story:
    declared, path, wrap = FORMS[form]
    folder = site.folder / "data"
    folder.mkdir(exist_ok=True)
    for name in (NAME, *(f"{NAME}{end}" for end in beside)):
        (folder / name).write_text(f"{name}\n")
    document = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "tool",
        "inputs": {"x": declared},
        "baseCommand": ["sh", "-c"],
        "arguments": [SCRIPT.replace("$0", '"$0"'), path],
        "outputs": OUTPUTS,
    }
    (site.folder / "tool.cwl").write_text(json.dumps(document))
    job_file = site.folder / "job.json"
    job_file.write_text(json.dumps({"x": wrap({"class": "File", "path": str(folder / NAME)})}))
    return site.run(site.accept(site.folder / "tool.cwl", job_file))


@pytest.mark.parametrize("roots", [False, True])
@pytest.mark.parametrize("beside", [(".idx",), (".idx", ".ovr")])
@pytest.mark.parametrize("form", FORMS)
def test_those_that_exist_are_given_to_the_step(site: Site, form: str, beside: tuple[str, ...], roots: bool) -> None:
    confined = site.having(STAGEIN_ALLOWED_ROOTS=str(site.folder)) if roots else site
    story = run(confined, form, *beside)
    assert story.outcome.diagnosis is None
    assert next(site.results.rglob("all.txt")).read_text().split("\n")[:-1] == [f"{NAME}{end}" for end in ("", *beside)]


def test_a_required_one_that_is_absent_fails_the_step(site: Site) -> None:
    diagnosis = run(site, "a file", ".ovr").outcome.diagnosis
    assert diagnosis is not None
    assert diagnosis.code != "step.outside"
    assert f"{NAME}.idx" in str(diagnosis)


def test_one_that_leads_out_of_the_roots_is_refused(site: Site) -> None:
    (site.folder / "secret").write_text("secret")
    (site.folder / "data").mkdir()
    (site.folder / "data" / f"{NAME}.ovr").symlink_to(site.folder / "secret")
    confined = site.having(STAGEIN_ALLOWED_ROOTS=str(site.folder / "data"))
    diagnosis = run(confined, "a file", ".idx").outcome.diagnosis
    assert diagnosis is not None
    assert diagnosis.code == "source.refused"
