"""What a registry's refusal means does not hang on the digits of its port or of a digest."""

import pytest

from zoo_runner.engines.image_errors import is_denied, is_missing


@pytest.mark.parametrize(
    ("said", "denied", "missing"),
    [
        ("unexpected status code 401", True, False),
        ("unexpected status: 403 Forbidden", True, False),
        ("StatusCode: 404, ", False, True),
        ("404: no such thing", False, True),
        ("pinging container registry 127.0.0.1:40312: EOF", False, False),
        ("http://10.240.0.1:401/v2/: EOF", False, False),
        ("tool@sha256:404a1f403: EOF", False, False),
        ("example.org/404/tool:403-1: EOF", False, False),
        ("read tcp 10.0.0.1:55->10.0.0.2:404: connection reset", False, False),
    ],
)
def test_a_status_is_a_number_by_itself(said: str, denied: bool, missing: bool) -> None:
    assert (is_denied(said), is_missing(said)) == (denied, missing)
