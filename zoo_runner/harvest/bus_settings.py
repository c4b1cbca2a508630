"""How a message bus is reached, what is read from it and what is announced there: parts of an operator's files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from zoo_runner.access_documents import WORKSPACE
from zoo_runner.harvest.operator_file import build_invalid, check_names, find_file, parse_fields, read_document

MARK = "{workspace}"
SCHEMES = ("pulsar", "pulsar+ssl")
_KEYS = f"zoo-runner/{MARK}/"
_NAMES = {"server", "token-file", "bus", "files", "keys", "workspaces", "workspace", "include", "exclude"}


@dataclass(frozen=True)
class BusSettings:
    """A topic of an Apache Pulsar: `pulsar://host:6650`, or with TLS `pulsar+ssl://host:6651`.

    The token is in a file, which is read at each connection. `ca_file` has the certificates that are trusted, empty:
    those that all trust. With `certificate_file` and `key_file` the client shows a certificate of its own. The other
    fields are for who reads: messages that cannot be carried out are sent to the topic `dead_letters`, empty:
    `dead-letter-<subscription>`, after so many `attempts`.
    """

    url: str
    topic: str
    subscription: str = "zoo-runner"
    token_file: str = field(default="", repr=False)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = field(default="", repr=False)
    dead_letters: str = ""
    attempts: int = 6

    @property
    def refused_topic(self) -> str:
        """The topic of messages that could not be carried out."""
        return self.dead_letters or f"dead-letter-{self.subscription}"


@dataclass(frozen=True)
class Announcement:
    """Where changed workflows are put and announced: the bus, and the bucket in which others read them.

    `keys` is what the key of each begins with; `{workspace}` in it is that of the source.
    """

    bus: BusSettings
    files: str
    keys: str = _KEYS

    @property
    def place(self) -> tuple[str, ...]:
        """Which topic and which bucket."""
        return (self.bus.url, self.bus.topic, self.files, self.keys)


@dataclass(frozen=True)
class Ingest:
    """Which messages are followed, and where workflows are deployed for them.

    A message names a workspace, else it is of `workspace`; with `workspaces` only of those. Its bucket is that of
    `files`, its keys begin with `keys`, and those that match the patterns are workflows.
    """

    server: str
    bus: BusSettings
    files: str
    keys: str = ""
    workspaces: tuple[str, ...] = ()
    workspace: str = ""
    include: tuple[str, ...] = ("*.cwl",)
    exclude: tuple[str, ...] = ()
    token_file: str = field(default="", repr=False)

    @property
    def bucket(self) -> str:
        """The name of the bucket, as messages have it."""
        return name_bucket(self.files)


def name_bucket(files: str) -> str:
    """Return the name of a bucket by its address; that of a folder is its last part."""
    parts = urlsplit(files)
    return parts.netloc or parts.path.rstrip("/").rpartition("/")[2]


def load_ingest(path: Path, url: str = "") -> Ingest:
    """Read a file of messages; files that it names are relative to it, `url` is another bus. Raises `SettingsError`."""
    return parse_ingest(read_document(path, "server, bus and files"), path, url)


def parse_ingest(document: Mapping[str, Any], path: Path, url: str = "") -> Ingest:
    """Read the content of a file of messages; pure. Raises `SettingsError`."""
    check_names(path, document, _NAMES, "")
    server = document.get("server")
    if not isinstance(server, str) or urlsplit(server).scheme not in ("http", "https"):
        raise build_invalid(path, f"server is {server!r}; expected the http or https address of an API")
    given = document.get("bus", {})
    bus = _parse_bus(path, {**given, "url": url} if url and isinstance(given, Mapping) else given)
    files = _parse_files(path, document.get("files"))
    rest = {name: one for name, one in document.items() if name not in ("bus", "server", "files")}
    values = parse_fields(path, Ingest, rest, "")
    values["token_file"] = find_file(path, values.get("token_file", ""))
    names = (*values.get("workspaces", ()), *filter(None, [values.get("workspace", "")]))
    for name in names:
        if not WORKSPACE.fullmatch(name):
            raise build_invalid(path, f"{name!r} cannot be a workspace")
    if MARK not in server and not (len(names) == 1 or len(set(names)) == 1):
        raise build_invalid(path, f"server has no {MARK}, and workspaces does not name the one that it is of")
    return Ingest(server, bus, files, **values)


def parse_announcement(path: Path, document: Mapping[str, Any]) -> Announcement | None:
    """Read where a file of sources has changes announced, None: nowhere. Raises `SettingsError`."""
    if "bus" not in document:
        if strange := next((name for name in ("files", "keys") if name in document), None):
            raise build_invalid(path, f"{strange} is set, and there is no bus")
        return None
    keys = document.get("keys", _KEYS)
    if not isinstance(keys, str) or keys.startswith("/") or not keys.endswith("/") or MARK not in keys:
        raise build_invalid(path, f"keys is {keys!r}; expected what keys begin with, such as {_KEYS!r}")
    return Announcement(_parse_bus(path, document["bus"]), _parse_files(path, document.get("files")), keys)


def _parse_bus(path: Path, given: Any) -> BusSettings:
    if not isinstance(given, Mapping):
        raise build_invalid(path, "bus is not an object with url and topic")
    values = parse_fields(path, BusSettings, given, "bus.")
    for name in ("url", "topic"):
        if not values.get(name):
            raise build_invalid(path, f"bus.{name} is missing")
    url = urlsplit(values["url"])
    if url.scheme not in SCHEMES or not url.netloc:
        raise build_invalid(path, f"bus.url has not the form {' or '.join(f'{one}://host:port' for one in SCHEMES)}")
    _check_login(path, url, values)
    for name in ("token_file", "ca_file", "certificate_file", "key_file"):
        values[name] = find_file(path, values.get(name, ""))
    return BusSettings(**values)


def _check_login(path: Path, url: SplitResult, values: Mapping[str, Any]) -> None:
    if "@" in url.netloc:
        raise build_invalid(
            path, "bus.url holds a user or password; write a token into a file, and name that in token-file"
        )
    if url.scheme == "pulsar" and (values.get("ca_file") or values.get("certificate_file")):
        raise build_invalid(path, "bus has files of certificates, and its url is not one of pulsar+ssl")
    if bool(values.get("certificate_file")) != bool(values.get("key_file")):
        raise build_invalid(path, "bus.certificate-file and bus.key-file belong together")


def _parse_files(path: Path, given: Any) -> str:
    if not isinstance(given, str) or not name_bucket(given):
        raise build_invalid(path, f"files is {given!r}; expected the address of a bucket, such as 's3://catalogue'")
    return given.rstrip("/")
