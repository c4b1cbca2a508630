"""Small mistakes in a package that runs: each ends with results or a diagnosis of its own, never with a fallback."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.site import Site
from zoo_runner.model.errors import RunnerError

FALLBACKS = ("runner.defect", "engine.failed")
QUICK, LONG = 8, 200

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
)


def _walk(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from _walk(member, (*path, key))


def _mutate(path: tuple[Any, ...], value: Any) -> Any:
    """Put a value in place of another; a value that is ... removes it."""
    changed: Any = copy.deepcopy(PACKAGE)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def _choose(count: int, seed: int) -> list[Any]:
    places = [path for path in _walk(PACKAGE) if len(path) > 2]
    cases = [(path, value) for path in places for value in (*VALUES, ...)]
    chosen = random.Random(seed).sample(cases, count)
    return [pytest.param(*case, id=f"{'.'.join(map(str, case[0]))}={case[1]!r}"[:80]) for case in chosen]


def _run(site: Site, document: Any) -> str | None:
    """Run a package; return the code of its diagnosis, None with results."""
    work = site.folder / "work"
    work.mkdir()
    (work / "a.txt").write_text("content\n")
    (work / "package.cwl").write_text(json.dumps(document))
    try:
        story = site.run(site.accept(f"{work}/package.cwl#main", None, f"file={work}/a.txt"))
    except RunnerError as error:
        return error.diagnosis.code
    return story.outcome.diagnosis.code if story.outcome.diagnosis else None


def test_the_package_runs_as_it_is(site: Site) -> None:
    assert _run(site, PACKAGE) is None


@pytest.mark.parametrize(("path", "value"), _choose(QUICK, seed=13))
def test_a_small_mistake_has_a_diagnosis_of_its_own(site: Site, path: tuple[Any, ...], value: Any) -> None:
    assert _run(site, _mutate(path, value)) not in FALLBACKS


@pytest.mark.long
@pytest.mark.parametrize(("path", "value"), _choose(LONG, seed=2025))
def test_many_small_mistakes_have_a_diagnosis_of_their_own(site: Site, path: tuple[Any, ...], value: Any) -> None:
    assert _run(site, _mutate(path, value)) not in FALLBACKS
