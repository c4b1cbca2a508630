"""Property tests of this tier are short; tests/contract/test_fuzz.py looks longer. Messages have one snapshot."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.messages import Check, Messages

# how busy the machine is says nothing of the code
settings.register_profile("unit", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture(scope="session")
def messages(request: pytest.FixtureRequest) -> Iterator[Messages]:
    """The snapshot of messages; written at the end where that is asked for."""
    messages = Messages.read()
    yield messages
    if request.config.getoption("--write-messages"):
        messages.write()


@pytest.fixture
def check(request: pytest.FixtureRequest, messages: Messages) -> Check:
    """Assert what an error says, and hold its words in the snapshot."""
    test = f"{request.node.path.stem}.{request.node.originalname}"
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    return Check(test, messages, request.config.getoption("--write-messages"), folder)
