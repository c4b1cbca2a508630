"""What packages ask of a machine."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.config.settings import Settings
from zoo_runner.engines.cwl_process.resources import (
    Asked,
    Machine,
    ensure_granted,
    ensure_resources,
    find_asked,
    grant_by_settings,
)
from zoo_runner.engines.local.step_resources import lower_maximum
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

MACHINE = Machine(cores=4, memory_mib=8000, disk_mib=50000)


def asking(**wanted: Any) -> dict[str, Any]:
    return {"requirements": [{"class": "ResourceRequirement", **wanted}]}


@pytest.mark.parametrize(
    ("wanted", "facts"),
    [
        ({"ramMin": 900000}, ("900000 MiB", "memory", "'water'", "8000")),
        ({"ramMin": 9000, "ramMax": 12000}, ("9000 MiB", "memory", "'water'", "8000")),
        ({"coresMin": 4.5}, ("5 cores", "'water'", "4")),
        ({"tmpdirMin": 60000}, ("60000 MiB", "disk", "'water'", "50000")),
    ],
)
def test_more_than_there_is_is_refused_with_both_numbers(wanted: dict[str, Any], facts: tuple[str, ...]) -> None:
    with pytest.raises(EngineError) as raised:
        ensure_resources(small_package(**asking(**wanted)), MACHINE)
    assert (raised.value.diagnosis.code, raised.value.diagnosis.level) == ("resources.insufficient", Level.USER)
    assert all(fact in raised.value.diagnosis.cause for fact in facts)


@pytest.mark.parametrize(
    "wanted",
    [
        {"ramMin": 8000, "ramMax": 16000},
        {"ramMin": "$(inputs.size)"},
        {"coresMin": 4},
        {"coresMax": 64},
        {"ramMax": 900000},
        {"tmpdirMax": 10**9, "outdirMax": 10**9},
    ],
)
def test_a_minimum_that_fits_or_is_known_later_and_any_maximum_are_let_through(wanted: dict[str, Any]) -> None:
    ensure_resources(small_package(**asking(**wanted)), MACHINE)


@pytest.mark.parametrize(
    ("wanted", "setting", "given"),
    [
        ({"coresMin": 8}, "ZOO_RUNNER_CORES", {"cores": 8}),
        ({"ramMin": 9000}, "ZOO_RUNNER_MEMORY_MIB", {"memory_mib": 9000}),
    ],
)
def test_the_setting_that_a_refusal_names_lets_the_package_run(
    wanted: dict[str, Any], setting: str, given: dict[str, Any]
) -> None:
    package = small_package(**asking(**wanted))
    with pytest.raises(EngineError) as raised:
        ensure_resources(package, grant_by_settings(MACHINE, Settings()))
    assert setting in raised.value.diagnosis.remedy
    ensure_resources(package, grant_by_settings(MACHINE, Settings(**given)))


def test_a_cluster_reserves_a_maximum_without_a_minimum() -> None:
    asked = find_asked(small_package(**asking(coresMax=4, ramMin=10, ramMax=20)))
    assert {one.kind: one.amount for one in asked} == {"cores": 4, "ram": 10}


@pytest.mark.parametrize(
    ("wanted", "reserved", "expected"),
    [
        ({"coresMax": 64}, {"cores": 64, "ram": 256}, {"cores": 2, "ram": 256}),
        ({"coresMin": 0, "coresMax": 64}, {"cores": 64, "ram": 256}, {"cores": 2, "ram": 256}),
        ({"ramMax": 9000}, {"cores": 1, "ram": 9000}, {"cores": 1, "ram": 4000}),
        ({"coresMin": 64}, {"cores": 64, "ram": 256}, {"cores": 64, "ram": 256}),
        ({}, {"cores": 1, "ram": 256, "tmpdirSize": 1024}, {"cores": 1, "ram": 256, "tmpdirSize": 1024}),
        ({"coresMin": 0.5}, {"cores": 0.5, "ram": 256}, {"cores": 1, "ram": 256}),
    ],
)
def test_a_step_with_a_maximum_alone_gets_what_the_machine_has(
    wanted: dict[str, Any], reserved: dict[str, float], expected: dict[str, float]
) -> None:
    assert lower_maximum(reserved, wanted, {"cores": 2, "ram": 4000}) == expected


@pytest.mark.parametrize(("there", "expected"), [(0.5, 1), (1.5, 1), (2.9, 2)])
def test_a_step_gets_whole_cores_and_at_least_one(there: float, expected: int) -> None:
    granted = lower_maximum({"cores": 4, "ram": 256}, {"coresMax": 4}, {"cores": there, "ram": 4000})
    assert granted["cores"] == expected


def test_of_several_requirements_of_a_class_the_last_one_applies() -> None:
    first, last = ({"class": "ResourceRequirement", "ramMin": mib} for mib in (10, 20))
    asked = find_asked(small_package(requirements=[first, last]))
    assert [one.amount for one in asked] == [20]


def test_requirements_come_before_hints() -> None:
    package = small_package(**asking(ramMin=10), hints=[{"class": "ResourceRequirement", "ramMin": 900000}])
    assert [one.amount for one in find_asked(package)] == [10]


@pytest.mark.parametrize(
    ("kind", "amount", "facts", "setting"),
    [
        ("ram", 4097, ("'a'", "4097 MiB", "4096"), "DEFAULT_MAX_RAM"),
        ("cores", 2.5, ("'a'", "2.5 cores", "2"), "DEFAULT_MAX_CORES"),
    ],
)
def test_more_than_a_cluster_grants_is_refused_with_the_setting_to_raise(
    kind: str, amount: float, facts: tuple[str, ...], setting: str
) -> None:
    with pytest.raises(EngineError) as refused:
        ensure_granted([Asked("good", kind, 1), Asked("a", kind, amount)], cores=2, memory_mib=4096)
    found = refused.value.diagnosis
    assert (found.code, found.level, found.step) == ("resources.limit", Level.USER, "a")
    assert all(fact in found.cause for fact in (*facts, setting))
    assert setting in found.remedy


def test_what_a_cluster_grants_is_not_refused() -> None:
    ensure_granted([Asked("a", "ram", 4096), Asked("a", "cores", 2), Asked("a", "tmpdir", 1e9)], 2, 4096)
