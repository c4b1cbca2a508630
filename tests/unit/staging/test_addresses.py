import pytest

from tests.unit.messages import Check
from zoo_staging.addresses import find_refusal

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "[fd00:ec2::254]",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
        "168.63.129.16",
    ],
)
def test_link_local_and_metadata_addresses_are_always_refused(host: str, check: Check) -> None:
    for allow_private in (True, False):
        check.words(str(find_refusal(host, allow_private)), host, "metadata")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "0.0.0.0", "fd12::1", "100.64.1.1"])
def test_private_networks_are_refused_unless_allowed(host: str, check: Check) -> None:
    assert find_refusal(host, True) is None
    check.words(str(find_refusal(host, False)), host, "private")


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_may_be_asked(host: str) -> None:
    assert find_refusal(host, False) is None
