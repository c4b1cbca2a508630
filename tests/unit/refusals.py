"""Asserts what is wrong with inputs by code, place and facts, whatever the words."""

from collections.abc import Callable
from typing import Any

import pytest

from zoo_runner.model.errors import InputError

Expected = tuple[str, ...]
"""Code and path of a problem, then the facts that its message has to state."""


def assert_refused(give: Callable[[], Any], *expected: Expected) -> InputError:
    """Assert that the inputs are refused with exactly these problems, in this order."""
    with pytest.raises(InputError) as caught:
        give()
    problems = caught.value.diagnosis.problems
    assert [(problem.code, problem.path) for problem in problems] == [(code, path) for code, path, *_ in expected]
    for problem, (_, _, *facts) in zip(problems, expected, strict=True):
        assert [fact for fact in facts if fact not in problem.message] == [], problem.message
    assert caught.value.diagnosis.evidence == tuple(map(str, problems))
    return caught.value
