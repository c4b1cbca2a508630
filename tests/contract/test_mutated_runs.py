"""Small mistakes in packages and inputs that run: each ends with results or a diagnosis of its own, not a fallback."""

import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from tests.site import Site
from zoo_runner.model.errors import RunnerError

FALLBACKS = ("runner.defect", "engine.failed")
QUICK, LONG = 60, 200

TOOL = {
    "class": "CommandLineTool",
    "id": "tool",
    "baseCommand": ["sh", "-c", 'cat "$0"; echo "$1"'],
    "inputs": [
        {"id": "file", "type": "File", "inputBinding": {"position": 1}},
        {"id": "count", "type": "int", "inputBinding": {"position": 2, "valueFrom": "$(self)"}},
    ],
    "outputs": [
        {"id": "text", "type": "File", "outputBinding": {"glob": "out.txt", "outputEval": "$(self[0])"}},
        {"id": "size", "type": "long", "outputBinding": {"glob": "out.txt", "outputEval": "$(self[0].size)"}},
    ],
    "stdout": "out.txt",
    "requirements": [
        {"class": "InlineJavascriptRequirement"},
        {"class": "InitialWorkDirRequirement", "listing": [{"entryname": "note.txt", "entry": "n $(inputs.count)"}]},
        {"class": "EnvVarRequirement", "envDef": [{"envName": "COUNT", "envValue": "n$(inputs.count)"}]},
        {"class": "ResourceRequirement", "ramMin": 64, "coresMin": 1},
    ],
}
WORKFLOW = {
    "class": "Workflow",
    "id": "main",
    "inputs": [{"id": "file", "type": "File"}, {"id": "counts", "type": "int[]", "default": [1, 2]}],
    "outputs": [{"id": "texts", "type": "File[]", "outputSource": "each/text"}],
    "steps": [
        {
            "id": "each",
            "run": "#tool",
            "scatter": "count",
            "in": [{"id": "file", "source": "file"}, {"id": "count", "source": "counts"}],
            "out": ["text", "size"],
        }
    ],
    "requirements": [{"class": "ScatterFeatureRequirement"}],
}
PACKAGE = {"cwlVersion": "v1.2", "$graph": [WORKFLOW, TOOL]}
CHOOSING = {
    "class": "Workflow",
    "id": "main",
    "inputs": [
        {"id": "scene", "type": "File", "secondaryFiles": [{"pattern": ".idx"}], "loadContents": True},
        {"id": "way", "type": {"type": "enum", "symbols": ["fast", "slow"]}},
        {
            "id": "options",
            "type": {
                "type": "record",
                "fields": [{"name": "title", "type": "string"}, {"name": "levels", "type": "int[]?"}],
            },
        },
        {"id": "folder", "type": ["null", "Directory"]},
    ],
    "outputs": [
        {
            "id": "chosen",
            "type": "File",
            "outputSource": ["copy/made", "scene"],
            "pickValue": "first_non_null",
        },
        {"id": "title", "type": "string", "outputSource": "inner/title"},
        {"id": "folders", "type": "Directory[]", "outputSource": ["copy/whole"], "linkMerge": "merge_nested"},
    ],
    "steps": [
        {
            "id": "copy",
            "run": "#copy",
            "when": "$(inputs.way == 'fast')",
            "in": [
                {"id": "scene", "source": "scene"},
                {"id": "way", "source": "way"},
                {"id": "length", "source": "scene", "valueFrom": "$(self.contents.length)"},
            ],
            "out": ["made", "whole"],
        },
        {
            "id": "inner",
            "run": {
                "class": "Workflow",
                "id": "within",
                "inputs": [{"id": "options", "type": "Any"}],
                "outputs": [{"id": "title", "type": "string", "outputSource": "name/title"}],
                "steps": [
                    {"id": "name", "run": "#name", "in": [{"id": "options", "source": "options"}], "out": ["title"]}
                ],
            },
            "in": [{"id": "options", "source": "options"}],
            "out": ["title"],
        },
    ],
    "requirements": [
        {"class": "InlineJavascriptRequirement", "expressionLib": ["function up(t) { return t.toUpperCase(); }"]},
        {"class": "StepInputExpressionRequirement"},
        {"class": "MultipleInputFeatureRequirement"},
        {"class": "SubworkflowFeatureRequirement"},
    ],
}
COPY = {
    "class": "CommandLineTool",
    "id": "copy",
    "baseCommand": ["sh", "-c"],
    "arguments": [
        {"position": 0, "valueFrom": 'mkdir out; cp "$0" out/scene.txt; cp "$0.idx" out/scene.txt.idx; echo done >&2'},
        {"position": 1, "valueFrom": "$(inputs.scene.path)"},
        {"position": 2, "prefix": "--length=", "separate": False, "valueFrom": "$(inputs.length + 1)"},
    ],
    "inputs": [
        {"id": "scene", "type": "File", "secondaryFiles": [".idx"], "format": "http://formats.example/text"},
        {"id": "length", "type": "long", "default": 3},
    ],
    "outputs": [
        {
            "id": "made",
            "type": "File",
            "secondaryFiles": ["$(self.basename).idx"],
            "format": "$(inputs.scene.format)",
            "outputBinding": {"glob": "out/*.txt"},
        },
        {"id": "whole", "type": "Directory", "outputBinding": {"glob": "$('out')", "loadListing": "shallow_listing"}},
    ],
    "stderr": "log.txt",
    "successCodes": [0],
    "requirements": [
        {"class": "ToolTimeLimit", "timelimit": 60},
        {"class": "WorkReuse", "enableReuse": False},
        {"class": "NetworkAccess", "networkAccess": False},
    ],
}
NAME = {
    "class": "ExpressionTool",
    "id": "name",
    "inputs": [{"id": "options", "type": "Any"}],
    "outputs": [{"id": "title", "type": "string"}],
    "expression": "${return {title: up(inputs.options.title)};}",
}


@dataclass(frozen=True)
class Subject:
    """A package that runs, which of its processes, and its inputs."""

    document: Any
    entry: str
    inputs: Mapping[str, Any]


SCENE = {"class": "File", "path": "a.txt", "format": "http://formats.example/text"}
SUBJECTS = {
    "scatter": Subject(PACKAGE, "main", {"file": {"class": "File", "path": "a.txt"}, "counts": [1, 2]}),
    "tool": Subject(PACKAGE, "tool", {"file": {"class": "File", "path": "a.txt"}, "count": 1}),
    "choosing": Subject(
        {"cwlVersion": "v1.2", "$graph": [CHOOSING, COPY, NAME]},
        "main",
        {
            "scene": SCENE,
            "way": "fast",
            "options": {"title": "a", "levels": [1]},
            "folder": {"class": "Directory", "path": "."},
        },
    ),
}
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 3.5, "", "a", "a/b", "../a", "/nowhere", "File", "int", "#main", "file", "none.txt"),
    *(
        "$(",
        "$(inputs.none)",
        "$(inputs.none.path)",
        "$(inputs.file)",
        "${return 3;}",
        "${return {};}",
        "${throw 'x';}",
    ),
    *([], {}, [None], ["a"], {"class": "File"}, {"class": "File", "path": "none.txt"}, {"a": "b"}),
    *("\x7f", "ü 🛰", "https://none.invalid/x", {"class": "Directory", "listing": [{"class": "File", "basename": "a"}]}),
)
LIVE = frozenset(
    {
        *("arguments", "baseCommand", "default", "entry", "entryname", "envValue", "expression", "expressionLib"),
        *("format", "glob", "listing", "outputEval", "pattern", "position", "prefix", "ramMin", "coresMin", "separate"),
        *("secondaryFiles", "stderr", "stdout", "successCodes", "timelimit", "valueFrom", "when", "networkAccess"),
        *("pickValue", "linkMerge", "loadContents", "loadListing", "scatter", "outputSource", "source"),
    }
)


@dataclass(frozen=True)
class Change:
    """A place of a package, or of inputs, and the value that is put there; ... removes it."""

    subject: str
    part: Literal["document", "inputs"]
    path: tuple[Any, ...]
    value: Any

    def __str__(self) -> str:
        return f"{self.subject}.{'.'.join(map(str, self.path))}={self.value!r}"[:80]

    def apply(self, subject: Subject) -> Subject:
        """Make the subject with this mistake."""
        changed: Any = copy.deepcopy({"document": subject.document, "inputs": subject.inputs})
        holder = changed[self.part]
        for key in self.path[:-1]:
            holder = holder[key]
        if self.value is ...:
            del holder[self.path[-1]]
        else:
            holder[self.path[-1]] = self.value
        return Subject(changed["document"], subject.entry, changed["inputs"])


def _walk(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from _walk(member, (*path, key))


def _list_changes() -> Iterator[Change]:
    for name, subject in SUBJECTS.items():
        for path in (path for path in _walk(subject.document) if len(path) > 2):
            yield from (Change(name, "document", path, value) for value in (*VALUES, ...))
        for path in _walk(subject.inputs):
            yield from (Change(name, "inputs", path, value) for value in (*VALUES, ...))


def _is_live(change: Change) -> bool:
    """Whether nobody reads the value before the package runs."""
    return change.part == "inputs" or not LIVE.isdisjoint(change.path)


def _choose(count: int, seed: int) -> list[Change]:
    """Choose changes, two thirds of them at places that nobody reads before the package runs."""
    chance, changes = random.Random(seed), list(_list_changes())
    live = chance.sample([change for change in changes if _is_live(change)], count * 2 // 3)
    return live + chance.sample([change for change in changes if not _is_live(change)], count - len(live))


def _run(site: Site, subject: Subject) -> str | None:
    """Run a package; return the code of its diagnosis, None with results."""
    work = site.folder / "work"
    work.mkdir()
    (work / "a.txt").write_text("content\n")
    (work / "a.txt.idx").write_text("index\n")
    (work / "package.cwl").write_text(json.dumps(subject.document))
    (work / "job.json").write_text(json.dumps(subject.inputs))
    try:
        story = site.run(site.accept(f"{work}/package.cwl#{subject.entry}", work / "job.json"))
    except RunnerError as error:
        return error.diagnosis.code
    return story.outcome.diagnosis.code if story.outcome.diagnosis else None


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_package_runs_as_it_is(name: str, site: Site) -> None:
    assert _run(site, SUBJECTS[name]) is None


@pytest.mark.parametrize("change", _choose(QUICK, seed=13), ids=str)
def test_a_small_mistake_has_a_diagnosis_of_its_own(site: Site, change: Change) -> None:
    assert _run(site, change.apply(SUBJECTS[change.subject])) not in FALLBACKS


@pytest.mark.long
@pytest.mark.parametrize("change", _choose(LONG, seed=2025), ids=str)
def test_many_small_mistakes_have_a_diagnosis_of_their_own(site: Site, change: Change) -> None:
    assert _run(site, change.apply(SUBJECTS[change.subject])) not in FALLBACKS
