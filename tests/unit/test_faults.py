"""The loader's words made plain."""

import pytest

from zoo_runner.package.faults import explain


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "Field 'class' contains undefined reference to 'file:///a/b/NetworkAccess'",
            "NetworkAccess is not in CWL v1.0: write cwlVersion v1.1 or v1.2, or move it to hints",
        ),
        (
            "Field 'class' contains undefined reference to 'file:///a/ResourceRequirment'",
            "CWL has no requirement 'ResourceRequirment': correct its name, or move it to hints if it is an extension",
        ),
        ("invalid field 'baseComand'", "invalid field 'baseComand'"),
        (
            "invalid field 'baseComand', expected one of: 'id', 'baseCommand'",
            "invalid field 'baseComand': did you mean 'baseCommand'?",
        ),
        ("invalid field 'x', expected one of: 'id', 'class'", "invalid field 'x': one of id, class"),
    ],
)
def test_what_the_loader_says_of_an_unknown_class_is_told_plainly(said: str, meant: str) -> None:
    assert explain(said) == meant
