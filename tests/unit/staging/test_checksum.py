import hashlib

import pytest

from zoo_staging.checksum import parse_cwl_checksum, parse_multihash

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("prefix", "algorithm"),
    [
        ("1114", "sha1"),
        ("1220", "sha256"),
        ("1340", "sha512"),
        ("1620", "sha3_256"),
        ("d50110", "md5"),
        ("2030", "sha384"),
        ("c0e40240", "blake2b"),
    ],
)
def test_a_multihash_names_its_algorithm_and_digest(prefix: str, algorithm: str) -> None:
    digest = hashlib.new(algorithm, b"pixels").hexdigest()
    checksum = parse_multihash(prefix + digest)
    assert checksum is not None
    assert (checksum.algorithm, checksum.digest_hex) == (algorithm, digest)


@pytest.mark.parametrize("text", ["", "zz", "12", "1220ab", "7f20" + "00" * 32, "ff" * 20, None, 7, "1204deadbeef"])
def test_what_cannot_be_verified_is_not_a_checksum(text: object) -> None:
    assert parse_multihash(text) is None


def test_a_real_catalogues_checksum_is_read() -> None:
    found = parse_multihash("122068e82c96900a6768b73098b5a0299fd4ac123e4b87116e9ace906ea8a082c510")
    assert found is not None
    assert found.algorithm == "sha256"


def test_a_cwl_checksum_is_read() -> None:
    found = parse_cwl_checksum("sha1$A9993E364706816ABA3E25717850C26C9CD0D89D")
    assert found is not None
    assert (found.algorithm, found.digest_hex) == ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert parse_cwl_checksum("crc$00") is None
    assert parse_cwl_checksum(None) is None
