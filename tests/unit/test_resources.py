"""What packages ask of a machine."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.engines.cwl_process.resources import Asked, Machine, ensure_granted, ensure_resources, find_asked
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

MACHINE = Machine(cores=4, memory_mib=8000, disk_mib=50000)


def asking(**wanted: Any) -> dict[str, Any]:
    return {"requirements": [{"class": "ResourceRequirement", **wanted}]}


@pytest.mark.parametrize(
    ("wanted", "facts"),
    [
        ({"ramMin": 900000}, ("900000 MiB", "memory", "'water'", "8000")),
        ({"ramMax": 9000}, ("9000 MiB", "memory", "'water'", "8000")),
        ({"coresMin": 4.5}, ("5 cores", "'water'", "4")),
        ({"tmpdirMin": 60000}, ("60000 MiB", "disk", "'water'", "50000")),
    ],
)
def test_more_than_there_is_is_refused_with_both_numbers(wanted: dict[str, Any], facts: tuple[str, ...]) -> None:
    with pytest.raises(EngineError) as raised:
        ensure_resources(small_package(**asking(**wanted)), MACHINE)
    assert (raised.value.diagnosis.code, raised.value.diagnosis.level) == ("resources.insufficient", Level.USER)
    assert all(fact in raised.value.diagnosis.cause for fact in facts)


@pytest.mark.parametrize("wanted", [{"ramMin": 8000, "ramMax": 16000}, {"ramMin": "$(inputs.size)"}, {"coresMin": 4}])
def test_what_fits_or_is_known_later_is_let_through(wanted: dict[str, Any]) -> None:
    ensure_resources(small_package(**asking(**wanted)), MACHINE)
    assert all(one.amount <= 8000 for one in find_asked(small_package(**asking(**wanted))))


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
