"""Checks of destination addresses; pure, so that they run before anything is created."""

from urllib.parse import SplitResult, unquote, urlsplit

from zoo_staging.errors import Kind, StagingError

FOLDERS = ("", "file")
CLOUDS = ("gs", "az")
STORES = ("s3", *CLOUDS)


def is_object_storage(href: str) -> bool:
    """Whether an address is in an object store; a folder is on one machine only."""
    return href.startswith(tuple(f"{scheme}://" for scheme in STORES))


def read_scheme(destination: str) -> str:
    """Return the scheme of a destination, empty for a path; raises StagingError if results cannot be stored there."""
    parts = _split(destination)
    if parts is None or parts.scheme not in (*FOLDERS, *STORES):
        scheme = parts.scheme if parts else destination.partition(":")[0]
        raise StagingError(
            Kind.UNSUPPORTED,
            destination or "destination",
            f"unsupported scheme {scheme!r} of a destination" if scheme else "empty destination",
            "Give the path of a folder, file://<path>, or s3://<bucket>/<prefix> (also gs: and az:).",
        )
    if parts.scheme in STORES and not _is_prefix(parts):
        raise StagingError(
            Kind.UNSUPPORTED,
            destination,
            f"not of the form {parts.scheme}://<bucket>/<prefix>",
            "Write a bucket and a prefix only; put keys in STAGEOUT_AWS_ACCESS_KEY_ID and the like.",
        )
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        remedy = "Write file:///<path>, with three slashes."
        raise StagingError(Kind.UNSUPPORTED, destination, f"{parts.netloc} is not this machine", remedy)
    return parts.scheme


def _split(destination: str) -> SplitResult | None:
    """Split an address into its parts; None if it cannot be split."""
    try:
        return urlsplit(destination) if destination else None
    except ValueError:  # s3://[bucket
        return None


def _is_prefix(parts: SplitResult) -> bool:
    """Whether it consists of a bucket and optionally a prefix only."""
    prefix = unquote(parts.path).strip("/")
    plain = parts.netloc and "@" not in parts.netloc and not parts.query
    return bool(plain) and (not prefix or all(step not in ("", ".", "..") for step in prefix.split("/")))
