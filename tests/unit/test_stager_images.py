"""The stagers' images and the CWL tools that run in them fit together."""

import pytest
from ruamel.yaml import YAML

from tests.values import ROOT


@pytest.mark.parametrize("stager", ["stagein", "stageout"])
def test_a_tool_names_the_command_that_its_image_leaves_to_the_caller(stager: str) -> None:
    tool = YAML(typ="safe").load(ROOT / stager / f"{stager}.cwl")
    image = (ROOT / "deploy/stager/Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert tool["baseCommand"] == stager
    assert "\nENTRYPOINT" not in image
    assert "\nCMD" in image
