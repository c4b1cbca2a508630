"""What a test needs of the machine that it runs on."""

import pytest


def require(condition: bool, why: str) -> None:
    """Skip the test with the reason where it cannot run; under `CI=true` tests/conftest.py makes that a failure."""
    if not condition:
        pytest.skip(why)
