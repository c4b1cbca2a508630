"""What packages ask of a machine."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.engines.cwl_process.javascript import find_javascript
from zoo_runner.engines.cwl_process.resources import Asked, Machine, ensure_granted, ensure_resources, find_asked
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

MACHINE = Machine(cores=4, memory_mib=8000, disk_mib=50000)


def asking(**wanted: Any) -> dict[str, Any]:
    return {"requirements": [{"class": "ResourceRequirement", **wanted}]}


@pytest.mark.parametrize(
    ("wanted", "cause"),
    [
        (
            {"ramMin": 900000},
            "the package asks for 900000 MiB of memory for its step 'water' and this machine has 8000",
        ),
        ({"ramMax": 9000}, "the package asks for 9000 MiB of memory for its step 'water' and this machine has 8000"),
        ({"coresMin": 4.5}, "the package asks for 5 cores for its step 'water' and this machine has 4"),
        (
            {"tmpdirMin": 60000},
            "the package asks for 60000 MiB of temporary disk for its step 'water' and this machine has 50000",
        ),
    ],
)
def test_more_than_there_is_is_refused_with_both_numbers(wanted: dict[str, Any], cause: str) -> None:
    with pytest.raises(EngineError) as raised:
        ensure_resources(small_package(**asking(**wanted)), MACHINE)
    assert raised.value.diagnosis.cause == cause


@pytest.mark.parametrize("wanted", [{"ramMin": 8000, "ramMax": 16000}, {"ramMin": "$(inputs.size)"}, {"coresMin": 4}])
def test_what_fits_or_is_known_later_is_let_through(wanted: dict[str, Any]) -> None:
    ensure_resources(small_package(**asking(**wanted)), MACHINE)
    assert all(one.amount <= 8000 for one in find_asked(small_package(**asking(**wanted))))


def test_requirements_come_before_hints() -> None:
    package = small_package(**asking(ramMin=10), hints=[{"class": "ResourceRequirement", "ramMin": 900000}])
    assert [one.amount for one in find_asked(package)] == [10]


JAVASCRIPT = [{"class": "InlineJavascriptRequirement"}]


@pytest.mark.parametrize("argument", ["$(inputs.a)", "$(inputs.a[0].b['c'])-$(runtime.cores)", "plain", r"\$(date)"])
def test_parameter_references_need_no_node(argument: str) -> None:
    assert find_javascript(small_package(arguments=[argument], requirements=JAVASCRIPT)) is None


@pytest.mark.parametrize("argument", ["$(inputs.a + 1)", "${ return 1; }", "x$(inputs.a.join(','))"])
def test_javascript_is_found_where_it_is_declared(argument: str) -> None:
    assert find_javascript(small_package(arguments=[argument], requirements=JAVASCRIPT)) == argument
    assert find_javascript(small_package(arguments=[argument])) is None


@pytest.mark.parametrize(
    ("kind", "amount", "cause", "setting"),
    [
        ("ram", 4097, "step 'a' asks for 4097 MiB of memory; a job's steps get 4096 at most", "DEFAULT_MAX_RAM"),
        ("cores", 2.5, "step 'a' asks for 2.5 cores; a job's steps get 2 at most", "DEFAULT_MAX_CORES"),
    ],
)
def test_more_than_a_cluster_grants_is_refused_with_the_setting_to_raise(
    kind: str, amount: float, cause: str, setting: str
) -> None:
    with pytest.raises(EngineError) as refused:
        ensure_granted([Asked("good", kind, 1), Asked("a", kind, amount)], cores=2, memory_mib=4096)
    found = refused.value.diagnosis
    assert (found.cause, found.level, found.step) == (f"{cause} ({setting})", Level.USER, "a")
    assert f"have {setting} raised" in found.remedy


def test_what_a_cluster_grants_is_not_refused() -> None:
    ensure_granted([Asked("a", "ram", 4096), Asked("a", "cores", 2), Asked("a", "tmpdir", 1e9)], 2, 4096)
