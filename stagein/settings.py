"""Settings of stage-in, read once, each with its variable, default and meaning in one place."""

import base64
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from zoo_staging.addresses import parse_hosts
from zoo_staging.errors import Kind, StagingError
from zoo_staging.proxies import NO_PROXIES, Proxies, load_proxies
from zoo_staging.settings import (
    CloudOptions,
    S3Options,
    Setting,
    build_cloud_settings,
    build_s3_settings,
    load_cloud_options,
    load_s3_options,
    parse_bool,
)

PREFIX = "STAGEIN"


BOX = "west, south, east and north in degrees"


def is_box(box: Sequence[float]) -> bool:
    """Whether these are the four sides of a box in degrees; west > east crosses the antimeridian (RFC 7946)."""
    return len(box) == 4 and all(-180 <= longitude <= 180 for longitude in box[::2]) and -90 <= box[1] <= box[3] <= 90


def strip_parameters(media_type: str) -> str:
    """Return a media type without its parameters: `image/tiff; application=geotiff` is `image/tiff`."""
    return media_type.partition(";")[0].strip()


def _setting(name: str, default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    metadata = {"variable": f"{PREFIX}_{name}", "parse": parse, "meaning": meaning}
    if default == {}:  # content that is read from a separate file may be secret
        return field(default_factory=dict, repr=False, metadata=metadata)
    return field(default=default, metadata=metadata)


def _parse_count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("must be a whole number, 0 or more")
    return int(text)


def _parse_positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("must be a whole number above zero")
    return int(text)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise ValueError("must be a number of seconds above zero")
    return seconds


def _parse_words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def _parse_media_types(text: str) -> frozenset[str]:
    return frozenset(map(strip_parameters, _parse_words(text)))


def _parse_bbox(text: str) -> tuple[float, ...]:
    try:
        box = tuple(map(float, text.split(",")))
    except ValueError:
        box = ()
    if not is_box(box):
        raise ValueError(f"must be {BOX}")
    return box


def _parse_order(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _parse_roots(text: str) -> tuple[Path, ...]:
    roots = tuple(Path(root) for root in text.split(os.pathsep) if root)
    if not all(root.is_absolute() for root in roots):
        raise ValueError("folders must be absolute paths")
    return roots


def _read_buckets(text: str) -> dict[str, S3Options]:
    content = json.loads(Path(text).read_text(encoding="utf-8"))
    known = {one.name for one in fields(S3Options)}
    if not isinstance(content, dict) or not all(
        isinstance(value, dict) and value.keys() <= known for value in content.values()
    ):
        raise ValueError(f"the file must contain an object of bucket names, each with some of {sorted(known)}")
    return {bucket: S3Options(**value) for bucket, value in content.items()}


def _read_hosts(text: str) -> dict[str, str]:
    content = json.loads(Path(text).read_text(encoding="utf-8"))
    if isinstance(content, dict):
        return {origin.lower(): _build_authorization(origin, value) for origin, value in content.items()}
    raise ValueError("the file must contain an object of origins, each with its credentials")


def _build_authorization(origin: str, value: object) -> str:
    if not re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d+)?", origin):
        raise ValueError(f"{origin!r} is not of the form https://host or https://host:port")
    match value:
        case {"bearer_token": str(token), **others} if token and not others:
            return f"Bearer {token}"
        case {"username": str(username), "password": str(password), **others} if not others:
            return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
    raise ValueError(f"{origin!r} needs either bearer_token, or username and password")


@dataclass(frozen=True)
class StageInOptions:
    """How stage-in works.

    `buckets` overrides `s3` for single buckets; `hosts` has the `Authorization` header of single web origins.
    Link-local and cloud metadata addresses are refused whatever `allow_private` says. `max_items` bounds the
    documents of a catalog too. Of its items, those are taken that touch `bbox`. Of an item, only the assets are
    downloaded that match each of `asset_keys`, `asset_roles`, `asset_media_types` and `asset_bands` that is not empty;
    the others keep their remote address. Of assets with alternate addresses, the first that matches
    `asset_alternates` is used. `proxies` are those of web servers.
    """

    s3: S3Options = field(default_factory=S3Options)
    clouds: CloudOptions = field(default_factory=CloudOptions)
    buckets: Mapping[str, S3Options] = _setting(
        "BUCKETS_FILE",
        {},
        _read_buckets,
        "JSON file with S3 settings for single buckets: {bucket: {endpoint, region, access_key_id, "
        "secret_access_key, session_token, request_payer}}.",
    )
    hosts: Mapping[str, str] = _setting(
        "HOSTS_FILE",
        {},
        _read_hosts,
        "JSON file with credentials of single web hosts: {https://host[:port]: {bearer_token} or {username, "
        "password}}; no other host gets them, whatever redirects there are.",
    )
    allow_private: bool = _setting(
        "ALLOW_PRIVATE",
        True,
        parse_bool,
        "Whether web hosts in private networks, this machine included, may be connected to.",
    )
    private_hosts: tuple[str, ...] = _setting(
        "PRIVATE_HOSTS",
        (),
        parse_hosts,
        "Where they may not: names, addresses and networks (10.1.0.0/16) that may all the same, comma-separated.",
    )
    allowed_roots: tuple[Path, ...] | None = _setting(
        "ALLOWED_ROOTS",
        None,
        _parse_roots,
        "Folders that local inputs must lie in, separated as in PATH; unset: anywhere.",
    )
    concurrency: int = _setting("CONCURRENCY", 8, _parse_positive, "Streams at the same time.")
    small_concurrency: int = _setting(
        "SMALL_CONCURRENCY",
        256,
        _parse_positive,
        "Streams at the same time while files have at most 1 MiB and the server takes 20 ms or more to answer: so many "
        "are reached step by step, and half of them are left when it fails.",
    )
    retries: int = _setting("RETRIES", 4, _parse_count, "How often to try again after a temporary failure.")
    first_wait_seconds: float = _setting(
        "FIRST_WAIT_SECONDS", 0.5, _parse_seconds, "Longest wait before the first new try; it doubles each time."
    )
    longest_wait_seconds: float = _setting(
        "LONGEST_WAIT_SECONDS",
        60.0,
        _parse_seconds,
        "Longest wait before any new try; a server that asks for a longer wait is an error.",
    )
    connect_timeout_seconds: float = _setting(
        "CONNECT_TIMEOUT_SECONDS", 10.0, _parse_seconds, "Longest wait for a connection."
    )
    read_timeout_seconds: float = _setting("READ_TIMEOUT_SECONDS", 60.0, _parse_seconds, "Longest wait for bytes.")
    max_items: int = _setting("MAX_ITEMS", 1000, _parse_positive, "Most items of one catalog.")
    max_bytes: int | None = _setting("MAX_BYTES", None, _parse_positive, "Most bytes of one job; unset: no limit.")
    max_document_bytes: int | None = _setting(
        "MAX_DOCUMENT_BYTES",
        None,
        _parse_positive,
        "Most bytes of the STAC documents of one job, which stay in memory; unset: 64 MiB, and 256 KiB for each "
        "reference and each of STAGEIN_MAX_ITEMS.",
    )
    max_files: int | None = _setting(
        "MAX_FILES", None, _parse_positive, "Most files of one job, assets included; unset: no limit."
    )
    asset_keys: frozenset[str] = _setting(
        "ASSET_KEYS",
        frozenset(),
        _parse_words,
        "Download only assets with these keys, comma-separated; unset: all.",
    )
    asset_roles: frozenset[str] = _setting(
        "ASSET_ROLES", frozenset(), _parse_words, "Download only assets with one of these roles; unset: all."
    )
    asset_media_types: frozenset[str] = _setting(
        "ASSET_MEDIA_TYPES", frozenset(), _parse_media_types, "Download only assets of these media types; unset: all."
    )
    asset_bands: frozenset[str] = _setting(
        "ASSET_BANDS",
        frozenset(),
        _parse_words,
        "Download only assets with one of these bands, by name or common name; unset: all.",
    )
    bbox: tuple[float, ...] | None = _setting(
        "BBOX",
        None,
        _parse_bbox,
        "Take only items of a catalog that touch this box: west,south,east,north in degrees; unset: all.",
    )
    asset_alternates: tuple[str, ...] = _setting(
        "ASSET_ALTERNATES",
        (),
        _parse_order,
        "Preferred addresses of assets that have alternates: names or schemes, in order, such as s3,https.",
    )
    proxies: Proxies = NO_PROXIES

    @property
    def most_streams(self) -> int:
        """The most streams that there may be at once, of files of any size."""
        return max(self.concurrency, self.small_concurrency)

    @property
    def documents_at_once(self) -> int:
        """How many documents are read at once: a quarter of the small files, because they come all of a sudden."""
        return max(self.concurrency, self.small_concurrency // 4)


SETTINGS: tuple[Setting, ...] = (
    *build_s3_settings(PREFIX),
    *build_cloud_settings(PREFIX),
    *(
        Setting(one.metadata["variable"], None if one.default is MISSING else one.default, one.metadata["meaning"])
        for one in fields(StageInOptions)
        if one.metadata
    ),
)
"""The documented settings, in order."""


def load_options(environ: Mapping[str, str] | None = None) -> StageInOptions:
    """Read the options, as `SETTINGS` lists them, from the environment or the mapping given.

    An empty value counts as unset. Raises `StagingError` naming the setting that is wrong.
    """
    source = os.environ if environ is None else environ  # noqa: TID251 - this is the settings module
    values = {
        one.name: _parse(one.metadata["variable"], text, one.metadata["parse"])
        for one in fields(StageInOptions)
        if one.metadata and (text := source.get(one.metadata["variable"]))
    }
    return StageInOptions(
        s3=load_s3_options(source, PREFIX),
        clouds=load_cloud_options(source, PREFIX),
        proxies=load_proxies(source),
        **values,
    )


def _parse(name: str, text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except (ValueError, TypeError, OSError) as error:
        raise StagingError(
            Kind.SETTINGS, name, f"invalid value {text!r}: {error}", "Correct this environment variable or unset it."
        ) from error
