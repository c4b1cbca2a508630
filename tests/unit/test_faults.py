"""The loader's words made plain."""

import pytest

from zoo_runner.package.packing import explain


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
        (
            "Expected class 'org.w3id.cwl.cwl.DockerRequirement' but this is 'https://example.org/a#DaskRequirement'",
            "CWL has no requirement 'https://example.org/a#DaskRequirement': "
            "correct its name, or move it to hints if it is an extension",
        ),
        (
            "Field 'items' references unknown identifier 'integer', tried file:///a/b.cwl#integer",
            "CWL has no type 'integer': did you mean 'int'?",
        ),
        (
            "Field 'source' references unknown identifier 'level', tried file:///a.cwl#main/level file:///a.cwl#level",
            "Field 'source' references unknown identifier 'level'",
        ),
        (
            "original_cwlVersion is set (v1.2) but cwlVersion is 'v1.2', expected 'v1.3.0-dev1'",
            "original_cwlVersion is a leftover of packing: remove the line from the document",
        ),
        ("value is a CommentedMap, expected string", "value is a mapping, expected string"),
        ("value is a NoneType but expected a string", "value is a null but expected a string"),
        (
            'Source \'a\' of type {"type": "enum", "symbols": ["file:///x/b.cwl#main/a/yes"]} is incompatible',
            'Source \'a\' of type {"type": "enum", "symbols": ["yes"]} is incompatible',
        ),
        ("invalid field 'baseComand'", "invalid field 'baseComand'"),
        (
            "invalid field 'baseComand', expected one of: 'id', 'baseCommand'",
            "invalid field 'baseComand': did you mean 'baseCommand'?",
        ),
        ("invalid field 'x', expected one of: 'id', 'class'", "invalid field 'x': known: id, class"),
    ],
)
def test_what_the_loader_says_of_an_unknown_class_is_told_plainly(said: str, meant: str) -> None:
    assert explain(said) == meant
