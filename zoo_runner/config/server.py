"""Settings of the HTTP server and its workers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from pathlib import Path

from zoo_runner.config.settings import read_fields, setting
from zoo_runner.model.errors import SettingsError
from zoo_staging.addresses import parse_hosts

_SHORTEST_SECRET = 32
_DATABASE = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:", re.ASCII)
LOG_FORMATS, LOG_LEVELS = ("auto", "json", "text"), ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class ServerSettings:
    """How this installation serves; how it runs jobs is in `Settings`, for which tenant in `Workspace`."""

    database: str = setting(
        "ZOO_RUNNER_DATABASE",
        "",
        "Where jobs and processes are kept: sqlite:////path/to/file or postgresql://user@host/name; unset: runner.db"
        " in the folder of ZOO_RUNNER_STATE.",
    )
    records: str = setting(
        "ZOO_RUNNER_RECORDS",
        "",
        "Where `harvest` and `ingest` keep what they have deployed: a folder, or a database as in ZOO_RUNNER_DATABASE,"
        " which may be the same; unset: `.harvest` in the folder of ZOO_RUNNER_STATE.",
    )
    results: Path = setting(
        "ZOO_RUNNER_RESULTS_FOLDER",
        Path("~/.local/state/zoo-runner/results"),
        "Folder of results where STAGEOUT_OUTPUT names no destination; the server offers its files.",
    )
    base_url: str = setting(
        "ZOO_RUNNER_BASE_URL", "", "Address of the server as clients see it; unset: taken from each request."
    )
    workspace_prefix: str = setting(
        "ZOO_RUNNER_WORKSPACE_PREFIX",
        "",
        "Path under which each workspace has an API of its own, at <prefix>/<workspace>/processes; unset: none has.",
    )
    workspaces: Path | None = setting(
        "ZOO_RUNNER_WORKSPACES",
        None,
        "File with profiles of workspaces: namespace, place of results, credentials by reference. It is read"
        " again when it changes. Unset: all have those of the installation.",
    )
    workers: int = setting(
        "ZOO_RUNNER_WORKERS",
        1,
        "Worker processes that the server starts; each runs one job, or follows many on a cluster.",
    )
    remote_jobs: int = setting("ZOO_RUNNER_REMOTE_JOBS", 200, "Most jobs on a cluster that one worker follows at once.")
    jobs_per_workspace: int | None = setting(
        "ZOO_RUNNER_JOBS_PER_WORKSPACE", None, "Most jobs of one workspace that run at once; unset: no limit."
    )
    queue_seconds: float | None = setting(
        "ZOO_RUNNER_QUEUE_LIMIT",
        None,
        "Longest time that a job waits for a worker, in seconds; it has failed then. Unset: no limit.",
    )
    worker_jobs: int | None = setting(
        "ZOO_RUNNER_WORKER_JOBS", 1000, "A worker starts anew after so many jobs, so that what libraries leave is gone."
    )
    worker_mib: float | None = setting(
        "ZOO_RUNNER_WORKER_MAX_MIB", 1024.0, "A worker starts anew when it takes more memory than this, in MiB."
    )
    alive_file: Path | None = setting(
        "ZOO_RUNNER_ALIVE_FILE",
        None,
        "File whose time a worker sets at least every third of a lease, for the probes of what restarts it. Unset:"
        " none.",
    )
    lease_seconds: float = setting(
        "ZOO_RUNNER_LEASE", 30.0, "A job whose worker gave no sign of life for so long goes to another one, in seconds."
    )
    sync_seconds: float = setting(
        "ZOO_RUNNER_SYNC_LIMIT",
        60.0,
        "Longest time that a synchronous execution is answered with its results, in seconds; later it goes on as an"
        " asynchronous one.",
    )
    dismiss_seconds: float = setting(
        "ZOO_RUNNER_DISMISS_WAIT",
        5.0,
        "Longest time that the answer to a dismissal waits for the running job to stop, in seconds.",
    )
    shutdown_seconds: float = setting(
        "ZOO_RUNNER_SHUTDOWN_LIMIT",
        30.0,
        "Time that running jobs and open requests get to end when the server is stopped, in seconds; it begins for all"
        " of them with the signal.",
    )
    body_seconds: float = setting(
        "ZOO_RUNNER_BODY_TIMEOUT",
        30.0,
        "Longest time that the next piece of a request's body may take to arrive, in seconds; then the request is"
        " refused.",
    )
    max_body_mib: float = setting("ZOO_RUNNER_MAX_BODY_MIB", 16.0, "Largest body of a request, in MiB.")
    unstarted_max_mib: float = setting(
        "ZOO_RUNNER_UNSTARTED_MAX_MIB",
        64.0,
        "Most that all jobs of a workspace take that were created and not started, in MiB.",
    )
    unstarted_hours: float = setting(
        "ZOO_RUNNER_UNSTARTED_HOURS",
        168.0,
        "Hours after which created jobs are removed, if they were not started or changed since.",
    )
    version_days: float | None = setting(
        "ZOO_RUNNER_VERSION_RETENTION_DAYS",
        None,
        "Days after its deployment after which the server removes a version of a process that was replaced or"
        " undeployed, with its package, once no job that is kept has run it; unset: never.",
    )
    echo: bool = setting(
        "ZOO_RUNNER_ECHO",
        False,
        "Whether the server deploys EchoProcess, which returns its inputs: for tests of conformance.",
    )
    max_upload_mib: float = setting(
        "ZOO_RUNNER_MAX_UPLOAD_MIB", 1024.0, "Most that one request may send to /files, in MiB."
    )
    uploads_max_mib: float = setting(
        "ZOO_RUNNER_UPLOADS_MAX_MIB", 10240.0, "Most that the files sent to /files take of one workspace, in MiB."
    )
    upload_hours: float = setting(
        "ZOO_RUNNER_UPLOAD_HOURS",
        24.0,
        "Hours after which files sent to /files expire; they are removed once no job needs them.",
    )
    log_format: str = setting(
        "ZOO_RUNNER_LOG_FORMAT",
        "auto",
        "Lines that servers and workers log: json, text, or auto (text on a terminal, else json).",
    )
    log_level: str = setting(
        "ZOO_RUNNER_LOG_LEVEL", "info", "Least level that is logged: debug (every request), info, warning or error."
    )
    catalogs: tuple[str, ...] = setting(
        "ZOO_RUNNER_CATALOGS",
        (),
        "Addresses of STAC APIs or catalogs that pages offer to search, separated by commas; people may name others.",
    )
    callback_hosts: tuple[str, ...] = setting(
        "ZOO_RUNNER_CALLBACK_HOSTS",
        (),
        "Hosts and networks in private networks that callbacks may go to, separated by commas; public ones always.",
    )
    callback_secret: str = setting(
        "ZOO_RUNNER_CALLBACK_SECRET",
        "",
        "Secret by which callbacks are signed (HMAC-SHA256, as Standard Webhooks have it). Unset: they are not.",
    )
    link_secret: str = setting(
        "ZOO_RUNNER_LINK_SECRET",
        "",
        "Secret of 32 characters or more by which links to results are signed (HMAC-SHA256). Another one ends all links"
        " that were made. Unset: none can be made.",
    )
    link_days: float = setting("ZOO_RUNNER_LINK_DAYS", 30.0, "Longest time that links to results hold, in days.")
    encryption_keys_file: Path | None = setting(
        "ZOO_RUNNER_ENCRYPTION_KEYS_FILE",
        None,
        "File with the Fernet keys by which secrets of workspaces are encrypted, one a line: the first encrypts, all"
        " decrypt. Servers and workers need it. Unset: workspaces have no secrets of their own.",
    )
    encryption_keys: tuple[str, ...] = setting(
        "ZOO_RUNNER_ENCRYPTION_KEYS", (), "The same keys, separated by commas, after those of the file."
    )
    downloads: int = setting(
        "ZOO_RUNNER_DOWNLOADS",
        100,
        "Most files of results that are sent from buckets at once, half of them to one workspace; as many more wait.",
    )
    rate_limit: str = setting(
        "ZOO_RUNNER_RATE_LIMIT",
        "",
        "Most requests from one address, such as 50/second; more are answered with 429. Unset: no limit.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        "ZOO_RUNNER_TRUSTED_PROXIES",
        ("127.0.0.1",),
        "Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto say who sends a request and how;"
        " separated by commas. Those of others are ignored.",
    )
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "Collector to which spans of requests and jobs are sent by OTLP over HTTP, such as http://collector:4318; needs"
        " zoo-runner[otel]. The other variables of the OpenTelemetry SDK apply too. Unset: no traces.",
    )
    trace_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "The same, as the whole address of traces: …/v1/traces."
    )
    trace_disabled: bool = setting("OTEL_SDK_DISABLED", False, "Whether no traces are sent all the same.")
    hosts: tuple[str, ...] = setting(
        "ZOO_RUNNER_HOSTS",
        (),
        "Names by which clients reach the server, such as eo.example.org or *.example.org, separated by commas; *: any."
        " Requests to other names are refused. Unset: that of ZOO_RUNNER_BASE_URL, or of this machine; localhost; the"
        " address of --host. IP addresses always.",
    )
    cors_origins: tuple[str, ...] = setting(
        "ZOO_RUNNER_CORS_ORIGINS",
        (),
        "Origins whose pages may use the API (https://maps.example.org), or *; separated by commas. Unset: none.",
    )


SERVER_SETTINGS = fields(ServerSettings)


def is_database(place: str) -> bool:
    """Whether a place of records is the address of a database, and no folder."""
    return _DATABASE.match(place) is not None


"""The documented settings of the server, in order; `metadata` has `variable` and `meaning`."""


def load_server_settings(environ: Mapping[str, str]) -> ServerSettings:
    """Read the settings from an environment; an empty value counts as unset. Raises `SettingsError`."""
    settings = ServerSettings(**read_fields(SERVER_SETTINGS, environ))
    try:
        parse_hosts(",".join(settings.callback_hosts))
    except ValueError as error:
        raise SettingsError(f"ZOO_RUNNER_CALLBACK_HOSTS is invalid: {error}", "Write names and networks.") from error
    if 0 < len(settings.link_secret) < _SHORTEST_SECRET:
        raise SettingsError(
            f"ZOO_RUNNER_LINK_SECRET has {len(settings.link_secret)} characters, which could be guessed",
            f"Set {_SHORTEST_SECRET} random characters or more, such as those of `openssl rand -hex 32`.",
        )
    if settings.downloads < 1:
        raise SettingsError("ZOO_RUNNER_DOWNLOADS is 0, with which no file in a bucket is sent", "Set 1 or more.")
    _ensure_addresses(settings)
    _ensure_one_of("ZOO_RUNNER_LOG_FORMAT", settings.log_format, LOG_FORMATS)
    _ensure_one_of("ZOO_RUNNER_LOG_LEVEL", settings.log_level, LOG_LEVELS)
    return settings


def _ensure_one_of(variable: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{variable} is {value!r}", f"Use one of: {', '.join(allowed)}.")


def _ensure_addresses(settings: ServerSettings) -> None:
    if settings.base_url and not re.match(r"https?://[^/\s]", settings.base_url):
        raise SettingsError(
            f"ZOO_RUNNER_BASE_URL is {settings.base_url!r}, which is no web address",
            "Write it with its scheme, such as https://processes.example.org.",
        )
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy, strict=False)
        except ValueError:
            if proxy != "*":
                raise SettingsError(
                    f"ZOO_RUNNER_TRUSTED_PROXIES has {proxy!r}, which is no address or network",
                    "Write addresses and networks, such as 10.0.0.5,10.1.0.0/16.",
                ) from None
