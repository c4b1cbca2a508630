"""When a token ends, as it says itself."""

import base64
import json

import pytest

from zoo_runner.hera.preflight import read_end


def build(claims: object) -> str:
    return f"x.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.y"


@pytest.mark.parametrize(
    ("token", "ends"),
    [
        (build({"exp": 1700000000}), 1700000000.0),
        (build({"exp": 1700000000, "a": "ü" * 5}), 1700000000.0),
        (build({}), None),
        (build([1]), None),
        ("v2:abc", None),
        ("a.b.c", None),
        ("", None),
    ],
)
def test_the_end_of_a_token_is_read_from_it(token: str, ends: float | None) -> None:
    assert read_end(token) == ends
