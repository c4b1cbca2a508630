"""Job orders with long arrays: the same values reach the tool and come back, however many there are."""

import json
from pathlib import Path

import pytest

from tests.site import Site
from zoo_runner.model.job import Status

pytestmark = pytest.mark.contract

# one array on the command line, one in an expression, one in a record, one of a union, one of arrays
PACKAGE = """
cwlVersion: v1.2
class: CommandLineTool
id: arrays
requirements: {InlineJavascriptRequirement: {}}
baseCommand: [echo, -n]
stdout: out.txt
inputs:
  bound: {type: "int[]", inputBinding: {prefix: --bound, itemSeparator: ","}}
  each: {type: {type: array, items: string, inputBinding: {prefix: --each}}, inputBinding: {position: 1}}
  plain: "double[]"
  nested: {type: {type: array, items: {type: array, items: int}}}
  maybe: ["null", {type: array, items: long}]
  record:
    type: {type: record, fields: {numbers: "int[]", words: {type: "string[]", inputBinding: {prefix: --words}}}}
    inputBinding: {position: 2}
arguments:
  - {position: 9, valueFrom: '$(inputs.plain.length) $(inputs.plain[1]) $(inputs.nested[1][0]) $(inputs.maybe[0])'}
outputs:
  text: {type: string, outputBinding: {glob: out.txt, loadContents: true, outputEval: "$(self[0].contents)"}}
"""
ORDER = {
    "bound": [1, 2, 3],
    "each": ["a", "b c"],
    "plain": [0.5, 1.5],
    "nested": [[1], [2, 3]],
    "maybe": [2**40],
    "record": {"numbers": [7, 8], "words": ["x", "y"]},
}
LINE = "--bound 1,2,3 --each a --each b c --words x y 2 1.5 2 1099511627776"


@pytest.fixture
def site(tmp_path: Path, package_cache: Path) -> Site:
    return Site(tmp_path, package_cache)


def write(folder: Path, package: str, order: object) -> tuple[Path, Path]:
    (folder / "package.cwl").write_text(package)
    (folder / "order.json").write_text(json.dumps(order))
    return folder / "package.cwl", folder / "order.json"


def test_arrays_are_bound_as_cwl_says(site: Site, tmp_path: Path) -> None:
    story = site.run(site.accept(*write(tmp_path, PACKAGE, ORDER)))
    assert story.outcome.results, story.outcome.diagnosis
    assert story.outcome.results.document["text"] == LINE


def test_long_inputs_are_stored_once_and_read_again(site: Site, tmp_path: Path) -> None:
    package = PACKAGE.replace("stdout: out.txt", "stdout: out.txt", 1)
    order = {**ORDER, "plain": [index / 2 for index in range(200_000)]}
    story = site.run(site.accept(*write(tmp_path, package, order)))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert story.outcome.results and story.outcome.results.document["text"].startswith("--bound 1,2,3")
    assert " 200000 0.5 2 " in story.outcome.results.document["text"]
    record = story.job.paths.record
    assert (record / "job.json").stat().st_size < 64 << 10
    assert json.loads((record / "inputs.json").read_bytes())["plain"] == order["plain"]
    # as another process reads it
    assert site.load_job(story.job.id).inputs["plain"] == order["plain"]


def test_one_wrong_value_among_many_is_named(site: Site, tmp_path: Path) -> None:
    order = {**ORDER, "plain": [0.5] * 5000 + ["six"]}
    done = site.command("run", *write(tmp_path, PACKAGE, order), "--containers", "none", "--format", "json")
    problems = json.loads(done.stdout)["diagnosis"]["problems"]
    assert [(problem["code"], problem["path"]) for problem in problems] == [("inputs.type", "plain[5000]")]
