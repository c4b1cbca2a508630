"""Secondary files of local inputs, which lie beside their files."""

import json
import re
from typing import Any

import pytest

from tests.site import Site, Story
from zoo_runner.model.errors import InputError

SCRIPT = "cat $0 $0.idx > all.txt; test ! -e $0.ovr || cat $0.ovr >> all.txt"
OUTPUTS = {"result": {"type": "File", "outputBinding": {"glob": "all.txt"}}}
DECLARED = [{"pattern": ".idx"}, {"pattern": ".ovr", "required": False}, {"pattern": "^/../up", "required": False}]
RECORD = {"type": "record", "fields": {"scene": {"type": "File", "secondaryFiles": DECLARED}}}
FORMS: dict[str, tuple[Any, str, Any]] = {
    "a file": ({"type": "File", "secondaryFiles": DECLARED}, "$(inputs.x.path)", lambda file: file),
    "an array": ({"type": "File[]", "secondaryFiles": DECLARED}, "$(inputs.x[0].path)", lambda file: [file]),
    "a record": ({"type": RECORD}, "$(inputs.x.scene.path)", lambda file: {"scene": file}),
}
TOOL = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "tool", "baseCommand": "true", "outputs": []}
POINTERS = {"a file": "/x", "an array": "/x/0", "a record": "/x/scene"}
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


@pytest.mark.parametrize("form", FORMS)
def test_without_a_required_one_nothing_starts(site: Site, form: str) -> None:
    with pytest.raises(InputError) as raised:
        run(site, form, ".ovr")
    (problem,) = raised.value.diagnosis.problems
    assert (problem.code, problem.pointer) == ("inputs.missing", f"{POINTERS[form]}/secondaryFiles")
    assert f"{NAME}.idx" in problem.message
    assert str(site.folder / "data") in problem.message
    assert not site.state.exists()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("$(self.basename).idx", "a scene.tif.idx"),
        ("$(self.nameroot)_b2$(self.nameext)", "a scene_b2.tif"),
        ("^.idx", "a scene.idx"),
        ("^^.idx", "a scene.idx"),
    ],
)
@pytest.mark.parametrize("version", ["v1.0", "v1.2"])
def test_names_are_built_as_cwl_says(site: Site, version: str, pattern: str, name: str) -> None:
    def look() -> None:
        site.accept(tool, None, f"x={site.folder / NAME}")

    tool = site.folder / "tool.cwl"
    declared = {"type": "File", "secondaryFiles": [pattern] if version == "v1.0" else [{"pattern": pattern}]}
    tool.write_text(json.dumps({**TOOL, "cwlVersion": version, "inputs": {"x": declared}}))
    (site.folder / NAME).write_text("")
    with pytest.raises(InputError, match=re.escape(name)):
        look()
    (site.folder / name).mkdir()  # a folder may belong to a file
    look()


def test_all_that_are_missing_are_reported_at_once(site: Site) -> None:
    (site.folder / "tool.cwl").write_text(
        json.dumps(
            {**TOOL, "inputs": {"x": {"type": "File[]", "secondaryFiles": [{"pattern": ".a"}, {"pattern": ".b"}]}}}
        )
    )
    for name in ("1", "2"):
        (site.folder / name).write_text("")
    files = [{"class": "File", "path": name} for name in ("1", "2")]
    (site.folder / "job.json").write_text(json.dumps({"x": files}))
    with pytest.raises(InputError) as raised:
        site.accept(site.folder / "tool.cwl", site.folder / "job.json")
    assert [problem.pointer for problem in raised.value.diagnosis.problems] == [
        *["/x/0/secondaryFiles"] * 2,
        *["/x/1/secondaryFiles"] * 2,
    ]


def test_what_lies_beside_a_file_out_of_the_roots_stays_unknown(site: Site) -> None:
    (site.folder / "data").mkdir()
    (site.folder / NAME).write_text("")
    (site.folder / "tool.cwl").write_text(
        json.dumps({**TOOL, "inputs": {"x": {"type": "File", "secondaryFiles": [{"pattern": ".idx"}]}}})
    )
    confined = site.having(STAGEIN_ALLOWED_ROOTS=str(site.folder / "data"))
    confined.accept(site.folder / "tool.cwl", None, f"x={site.folder / NAME}")


def test_one_that_leads_out_of_the_roots_is_refused(site: Site) -> None:
    (site.folder / "secret").write_text("secret")
    (site.folder / "data").mkdir()
    (site.folder / "data" / f"{NAME}.ovr").symlink_to(site.folder / "secret")
    confined = site.having(STAGEIN_ALLOWED_ROOTS=str(site.folder / "data"))
    diagnosis = run(confined, "a file", ".idx").outcome.diagnosis
    assert diagnosis is not None
    assert diagnosis.code == "source.refused"
