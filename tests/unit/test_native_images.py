"""Images of steps count by what their names stand for."""

from pathlib import Path
from typing import Any

import pytest

from tests.values import configuration_in
from zoo_runner.engines.argo.native.dag import identify_tools
from zoo_runner.engines.argo.native.images import IMAGES, SeenImages, list_movable, mark_images
from zoo_runner.engines.kubernetes.pods import read_digest
from zoo_runner.package.loading import load_package

FLOW = """
cwlVersion: v1.2
$graph:
- class: Workflow
  id: main
  inputs: {x: string}
  outputs: {}
  steps:
    one: {run: "#tool", in: {x: x}, out: []}
    two: {run: "#plain", in: {x: x}, out: []}
- class: CommandLineTool
  id: tool
  hints: {DockerRequirement: {dockerPull: "registry.example/tool:1"}}
  baseCommand: echo
  inputs: {x: string}
  outputs: {}
- {class: CommandLineTool, id: plain, baseCommand: echo, inputs: {x: string}, outputs: {}}
"""


def build_pod(image: str, shown: str) -> dict[str, Any]:
    statuses = [{"name": "tool", "imageID": shown}, {"name": "wait", "imageID": "x@sha256:other"}]
    return {"spec": {"containers": [{"name": "tool", "image": image}]}, "status": {"containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("shown", "digest"),
    [
        ("docker.io/library/busybox@sha256:1f", "sha256:1f"),
        ("docker-pullable://busybox@sha256:1f", "sha256:1f"),
        ("docker://sha256:1f", "sha256:1f"),
        ("", ""),
    ],
)
def test_the_digest_of_an_image_is_read_in_each_form_of_runtimes(shown: str, digest: str) -> None:
    assert read_digest(build_pod("busybox", shown), "tool") == digest


def test_a_name_that_stood_for_two_images_in_a_run_says_nothing() -> None:
    seen = SeenImages()
    for image, shown in (("a:1", "a@sha256:1"), ("a:1", "a@sha256:1"), ("b:1", "b@sha256:1"), ("b:1", "b@sha256:2")):
        seen.add(build_pod(image, shown), "tool")
    seen.add(build_pod("c:1", ""), "tool")
    assert seen.describe() == {IMAGES: '{"a:1": "sha256:1"}'}
    assert SeenImages().describe() == {}


def test_only_the_steps_whose_image_has_moved_are_others(tmp_path: Path) -> None:
    path = tmp_path / "package.cwl"
    path.write_text(FLOW)
    package = load_package(str(path), configuration_in(tmp_path).settings)
    before = identify_tools(package, "site/step:1")
    images = list_movable(["registry.example/tool:1", "site/step:1", "registry.example/pinned@sha256:0"])
    assert images == ["registry.example/tool:1", "site/step:1"]
    first = {"registry.example/tool:1": "sha256:1", "site/step:1": "sha256:2"}
    assert identify_tools(package, "site/step:1", marks=mark_images(first, first)) == before
    moved = mark_images(first, {**first, "registry.example/tool:1": "sha256:3"})
    after = identify_tools(package, "site/step:1", marks=moved)
    assert {step for step in before if before[step] != after[step]} == {"one"}
    # back to what the first run had
    assert identify_tools(package, "site/step:1", marks=mark_images(first, first)) == before
    unknown = identify_tools(package, "site/step:1", marks=mark_images({}, first))
    assert all(before[step] != unknown[step] for step in before)
