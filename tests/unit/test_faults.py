"""What the CWL loader says, in plain words."""

import pytest

from tests.unit.messages import Check
from zoo_runner.package.packing import explain


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        (
            "Field 'class' contains undefined reference to 'file:///a/b/NetworkAccess'",
            ("NetworkAccess", "v1.0", "v1.1", "v1.2"),
        ),
        (
            "Field 'class' contains undefined reference to 'file:///a/ResourceRequirment'",
            ("'ResourceRequirment'", "hints"),
        ),
        (
            "Expected class 'org.w3id.cwl.cwl.DockerRequirement' but this is 'https://example.org/a#DaskRequirement'",
            ("'https://example.org/a#DaskRequirement'", "hints"),
        ),
        (
            "Field 'items' references unknown identifier 'integer', tried file:///a/b.cwl#integer",
            ("'integer'", "'int'"),
        ),
    ],
)
def test_a_message_of_the_loader_that_is_unclear_is_explained(said: str, facts: tuple[str, ...], check: Check) -> None:
    assert explain(said) != said
    check.words(explain(said), *facts)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "Field 'source' references unknown identifier 'level', tried file:///a.cwl#main/level file:///a.cwl#level",
            "Field 'source' references unknown identifier 'level'",
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
def test_a_message_of_the_loader_is_shown_without_its_own_names(said: str, shown: str) -> None:
    assert explain(said) == shown
