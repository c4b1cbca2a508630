"""Settings of stage-in, read once."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from staging.errors import Kind, StagingError
from staging.settings import S3Options, load_s3_options

T = TypeVar("T")


@dataclass(frozen=True)
class StageInOptions:
    """How stage-in works.

    `buckets` overrides `s3` for single buckets. `allow_private`: hosts in private networks, this machine
    included, may be asked (link-local and cloud metadata addresses never). `allowed_roots`: folders that
    local inputs must lie in (None: anywhere). `max_items` bounds what one catalog may bring (its documents
    too), `max_bytes` what one job may (None: no bound). Of an item, only the assets are downloaded that
    match each of `asset_keys`, `asset_roles` and `asset_media_types` that is not empty; the others keep
    their remote address.
    """

    s3: S3Options = field(default_factory=S3Options)
    buckets: Mapping[str, S3Options] = field(default_factory=dict)
    allow_private: bool = True
    allowed_roots: tuple[Path, ...] | None = None
    concurrency: int = 8
    retries: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0
    max_items: int = 1000
    max_bytes: int | None = None
    asset_keys: frozenset[str] = frozenset()
    asset_roles: frozenset[str] = frozenset()
    asset_media_types: frozenset[str] = frozenset()


def load_options(environ: Mapping[str, str] | None = None) -> StageInOptions:
    """Read the options from the environment (or the mapping given).

    S3: `STAGEIN_AWS_SERVICEURL`, `STAGEIN_AWS_ACCESS_KEY_ID`, `STAGEIN_AWS_SECRET_ACCESS_KEY`,
    `STAGEIN_AWS_SESSION_TOKEN`, `STAGEIN_AWS_REGION`, each falling back to `AWS_…`;
    `STAGEIN_BUCKETS_FILE`, a JSON file `{"<bucket>": {"endpoint": …, "region": …, "access_key_id": …,
    "secret_access_key": …, "session_token": …}}`. Others: `STAGEIN_<OPTION>` in capitals; lists are separated
    by commas, `STAGEIN_ALLOWED_ROOTS` as `PATH` is. Raises `StagingError` naming the setting that is wrong.
    """
    source = os.environ if environ is None else environ  # noqa: TID251 - this is the settings module

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        text = source.get(f"STAGEIN_{name}", "")
        return _parse(f"STAGEIN_{name}", text, parse) if text else default

    usual = StageInOptions()
    return StageInOptions(
        s3=load_s3_options(source, "STAGEIN"),
        buckets=read("BUCKETS_FILE", _read_buckets, {}),
        allow_private=read("ALLOW_PRIVATE", _parse_bool, usual.allow_private),
        allowed_roots=read("ALLOWED_ROOTS", _parse_roots, usual.allowed_roots),
        concurrency=read("CONCURRENCY", _parse_positive, usual.concurrency),
        retries=read("RETRIES", _parse_count, usual.retries),
        first_wait_seconds=read("FIRST_WAIT_SECONDS", _parse_seconds, usual.first_wait_seconds),
        longest_wait_seconds=read("LONGEST_WAIT_SECONDS", _parse_seconds, usual.longest_wait_seconds),
        connect_timeout_seconds=read("CONNECT_TIMEOUT_SECONDS", _parse_seconds, usual.connect_timeout_seconds),
        read_timeout_seconds=read("READ_TIMEOUT_SECONDS", _parse_seconds, usual.read_timeout_seconds),
        max_items=read("MAX_ITEMS", _parse_positive, usual.max_items),
        max_bytes=read("MAX_BYTES", _parse_positive, usual.max_bytes),
        asset_keys=read("ASSET_KEYS", _parse_words, usual.asset_keys),
        asset_roles=read("ASSET_ROLES", _parse_words, usual.asset_roles),
        asset_media_types=read("ASSET_MEDIA_TYPES", _parse_words, usual.asset_media_types),
    )


def _parse(name: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except (ValueError, OSError) as error:
        raise StagingError(
            Kind.SETTINGS, name, f"is {text!r}: {error}", "Correct this environment variable or unset it."
        ) from error


def _parse_bool(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError("it must be true or false")
    return words[text.lower()]


def _parse_count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("it must be a whole number, not negative")
    return int(text)


def _parse_positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("it must be a whole number above zero")
    return int(text)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise ValueError("it must be a number of seconds above zero")
    return seconds


def _parse_words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def _parse_roots(text: str) -> tuple[Path, ...]:
    roots = tuple(Path(root) for root in text.split(os.pathsep) if root)
    if not all(root.is_absolute() for root in roots):
        raise ValueError("its folders must be absolute paths")
    return roots


def _read_buckets(text: str) -> dict[str, S3Options]:
    content = json.loads(Path(text).read_text(encoding="utf-8"))
    known = {one.name for one in fields(S3Options)}
    if not isinstance(content, dict) or not all(
        isinstance(value, dict) and value.keys() <= known for value in content.values()
    ):
        raise ValueError(f"the file must hold an object of bucket names, each with some of {sorted(known)}")
    return {bucket: S3Options(**value) for bucket, value in content.items()}
