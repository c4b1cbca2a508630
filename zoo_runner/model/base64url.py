"""Base64 in the alphabet of addresses, without padding (RFC 4648, section 5; RFC 7515, appendix C)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    """Write bytes as a text that needs no quoting in an address or a cookie."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Read the bytes of such a text; raises `ValueError`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
