"""Which volume claims of a ConfigMap have to be that of the configuration."""

import pytest

from zoo_runner.hera.preflight import judge_named_claims
from zoo_runner.model.errors import EngineError


def test_one_claim_of_another_name_is_refused_with_both_names() -> None:
    with pytest.raises(EngineError) as caught:
        judge_named_claims({"PVC_NAME": "other"}, "data", "environment")
    found = caught.value.diagnosis
    assert (found.code, "'other' (PVC_NAME)" in found.cause, "'data'" in found.cause) == ("cluster.volume", True, True)


@pytest.mark.parametrize(
    ("named", "wanted", "shown"),
    [
        ({"CACHE_PVC": "cache", "PVC_NAME": "data"}, "data", ""),
        ({"PVC_NAME": "data", "VOLUME_CLAIM": "data"}, "data", ""),
        ({}, "data", ""),
        ({"PVC_NAME": "other"}, "", ""),
        (
            {"CACHE_PVC": "c", "PVC_NAME": "other"},
            "data",
            "data",
        ),
    ],
)
def test_several_claims_are_a_working_site(named: dict[str, str], wanted: str, shown: str) -> None:
    note = judge_named_claims(named, wanted, "environment")
    assert (bool(note), shown in note) == (bool(shown), True)
