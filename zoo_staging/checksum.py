"""Checksums of files as STAC and CWL write them, checked while bytes stream by."""

import hashlib
import re
from dataclasses import dataclass

# multihash codes (https://github.com/multiformats/multicodec, table.csv, tag "multihash") that hashlib knows
ALGORITHMS = {
    0x11: "sha1",
    0x12: "sha256",
    0x13: "sha512",
    0x14: "sha3_512",
    0x15: "sha3_384",
    0x16: "sha3_256",
    0x17: "sha3_224",
    0x20: "sha384",
    0xD5: "md5",
    0x1013: "sha224",
    0xB240: "blake2b",
    0xB260: "blake2s",
}
# these two codes are the longest digest of their family; shorter digests have other codes
CWL_ALGORITHMS = frozenset({"md5", "sha1", "sha256", "sha512"})


@dataclass(frozen=True)
class Checksum:
    """Expected digest of a file: an algorithm of `hashlib` and the digest in lower-case hex."""

    algorithm: str
    digest_hex: str

    def start(self) -> "hashlib._Hash":
        """Begin a digest to be fed with the file's bytes."""
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def compute(self, data: bytes | bytearray) -> str:
        """Compute the digest of all of a file's bytes, in lower-case hex."""
        return hashlib.new(self.algorithm, data, usedforsecurity=False).hexdigest()


def parse_multihash(text: object) -> Checksum | None:
    """Read STAC's `file:checksum` (file extension 2.1: a multihash in lower-case hex).

    None when it is not a multihash or its algorithm is not supported: the file is then not verified.
    """
    if not isinstance(text, str) or not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return None
    code, rest = _read_varint(bytes.fromhex(text))
    length, digest = _read_varint(rest)
    algorithm = ALGORITHMS.get(code)
    if algorithm is None or length != len(digest):
        return None
    checksum = Checksum(algorithm, digest.hex())
    return checksum if checksum.start().digest_size == length else None


def parse_cwl_checksum(text: object) -> Checksum | None:
    """Read the `checksum` of a CWL File (`sha1$` and hex, CWL v1.2, section File); None as above."""
    if not isinstance(text, str):
        return None
    algorithm, _, digest = text.partition("$")
    if algorithm not in CWL_ALGORITHMS or not re.fullmatch(r"[0-9a-fA-F]+", digest):
        return None
    return Checksum(algorithm, digest.lower())


def _read_varint(data: bytes) -> tuple[int, bytes]:
    """Read an unsigned varint (multiformats/unsigned-varint): at most nine bytes, low ones first."""
    value = 0
    for index, byte in enumerate(data[:9]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, data[index + 1 :]
    return -1, b""
