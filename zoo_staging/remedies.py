"""The names of the settings that lead to an object store, for remedies; pure."""

_ADDRESSES = {"s3": "AWS_SERVICEURL", "gs": "STORAGE_EMULATOR_HOST", "az": "AZURE_STORAGE_ENDPOINT"}
# without the stager's name before it, it is the one that all programs of S3 read
_PLAIN_ADDRESSES = {"s3": "AWS_ENDPOINT_URL"}
_KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "az": ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"),
}


def name_address(prefix: str, scheme: str) -> str:
    """The setting with the address of the service; `prefix` is the stager's, `scheme` one of `s3`, `gs`, `az`."""
    return f"{prefix}_{_ADDRESSES[scheme]} (or {_PLAIN_ADDRESSES.get(scheme, _ADDRESSES[scheme])})"


def name_keys(prefix: str, scheme: str) -> str:
    """The settings with the credentials for the service, enumerated."""
    *others, last = (f"{prefix}_{key}" for key in _KEYS[scheme])
    enumerated = f"{', '.join(others)} and {last}" if others else last
    return f"{enumerated} (or the same without {prefix}_)"
