import pytest

from tests.unit.messages import Check
from zoo_staging.addresses import PRIVATE, Reach, find_refusal

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


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "0", "::127.0.0.1"])
def test_other_forms_of_an_address_are_the_address(host: str) -> None:
    assert find_refusal(host, True) is None
    assert str(find_refusal(host, False)).endswith(PRIVATE)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost"])
def test_a_name_of_this_machine_is_refused_before_it_is_resolved(host: str) -> None:
    assert Reach(private=False).refuse_host(host)
    assert Reach(private=True).refuse_host(host) is None


def test_the_operator_allows_hosts_by_name_address_and_network() -> None:
    reach = Reach(False, ("store.internal", "10.1.0.0/16", "fd12::/48", "192.168.1.7"))
    assert reach.refuse_address("10.9.9.9", "Store.Internal.") is None
    assert reach.refuse_address("10.1.2.3", "any.example") is None
    assert reach.refuse_address("::ffff:10.1.2.3", "any.example") is None
    assert reach.refuse_address("fd12::1", "any.example") is None
    assert reach.refuse_address("192.168.1.7", "any.example") is None
    assert reach.refuse_address("10.2.0.1", "any.example")
    assert reach.refuse_address("169.254.169.254", "store.internal")


def test_where_hosts_are_listed_no_other_is_asked() -> None:
    reach = Reach(only=("cwl.example",))
    assert reach.refuse_host("CWL.example") is None
    assert "other.example" in str(reach.refuse_host("other.example"))
