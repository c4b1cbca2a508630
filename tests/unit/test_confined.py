"""Where the files of a step may be put."""

from typing import Any

import pytest
from cwltool.errors import WorkflowException

from zoo_runner.engines.cwl_process.confined import REFUSED, ConfinedMapper
from zoo_staging.boundary import Boundary

pytestmark = pytest.mark.unit
STEP = "/step"


def literal(name: str, **more: Any) -> dict[str, Any]:
    return {"class": "File", "location": f"_:{name}", "basename": name, "contents": "", **more}


def folder(*listing: Any, **more: Any) -> dict[str, Any]:
    return {"class": "Directory", "location": "_:folder", "basename": "folder", "listing": list(listing), **more}


def put(value: dict[str, Any], *, any_target: bool) -> set[str]:
    mapper = ConfinedMapper(Boundary(()), [value], "/", STEP, False, any_target=any_target)
    return {entry.target for _, entry in mapper.items()}


@pytest.mark.parametrize("any_target", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        literal("a", dirname=f"{STEP}/.."),
        literal("a", dirname=f"{STEP}/x/../y"),
        folder(folder(location="_:inner", dirname=f"{STEP}/../../host")),
        literal("a", secondaryFiles=[literal("b", secondaryFiles=[literal("c", dirname=f"{STEP}/../host")])]),
    ],
)
def test_a_folder_with_a_step_up_is_refused(value: dict[str, Any], any_target: bool) -> None:
    with pytest.raises(WorkflowException, match=REFUSED):
        put(value, any_target=any_target)


def test_a_place_in_the_container_is_for_containers() -> None:
    value = literal("a", dirname="/etc/tool")
    assert put(value, any_target=True) == {"/etc/tool/a"}
    with pytest.raises(WorkflowException, match=REFUSED):
        put(value, any_target=False)


def test_names_with_two_dots_are_names() -> None:
    assert put(literal("a..b", dirname=f"{STEP}/..x"), any_target=False) == {f"{STEP}/..x/a..b"}
