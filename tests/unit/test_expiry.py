"""When a token ends, and which one is refused."""

import base64
import json
import time
from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.kubernetes.expiry import check_expiry, read_expiry
from zoo_runner.model.errors import EngineError


def build_token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{body}.signature"


def test_a_token_that_is_valid_for_long_is_described_by_its_hours() -> None:
    assert "5.0 h" in check_expiry(build_token(exp=time.time() + 18000), "cluster.login", "Log in.")


@pytest.mark.parametrize(("seconds", "fact"), [(600, "10 min"), (-3600, "60 min")])
def test_a_token_that_ends_soon_or_has_ended_is_refused(seconds: float, fact: str, check: Check) -> None:
    with pytest.raises(EngineError) as caught:
        check_expiry(build_token(exp=time.time() + seconds), "cluster.login", "Log in.")
    check(caught.value, "cluster.login", fact, remedy="Log in.")


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.e30.c", build_token(exp="soon"), build_token(exp=None)])
def test_a_token_that_says_nothing_of_its_end_is_taken_as_it_is(token: str) -> None:
    assert read_expiry(token) is None
    assert check_expiry(token, "cluster.login", "Log in.")
