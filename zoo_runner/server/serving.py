"""Starts and stops what a server consists of: the store, the worker processes, the listening socket."""

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from math import ceil
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.identity import IdentitySettings
from zoo_runner.config.server import ServerSettings
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.server.access.development import ensure_on_this_machine
from zoo_runner.server.access.exchange import revoke_token
from zoo_runner.server.access.provider import using_provider
from zoo_runner.server.api import Api
from zoo_runner.server.app import build_app
from zoo_runner.server.backup import Manifest, find_folders, restore_backup, write_backup
from zoo_runner.server.callbacks import Notifier
from zoo_runner.server.echo import keep_echo
from zoo_runner.server.hosts import list_hosts
from zoo_runner.server.housekeeping import Housekeeper
from zoo_runner.server.installation import find_profile, open_context, open_store
from zoo_runner.server.log_lines import set_up_logging
from zoo_runner.server.step_tokens import Revoker
from zoo_runner.server.tracing import keep_tracing
from zoo_runner.server.workers import WorkerPool
from zoo_runner.store.sql.notices import Listener, send_notice
from zoo_staging.variables import drop_credentials

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """The HTTP server; when it is asked to stop, it ends what it would wait for: streams, and requests that wait.

    Workers take no job from that moment on, and their time begins.
    """

    def __init__(self, config: uvicorn.Config, api: Api, pool: WorkerPool) -> None:
        super().__init__(config)
        self._api, self._pool = api, pool

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Act on SIGTERM or SIGINT."""
        for part in (self._api.following, self._api.endings):
            part.stop()
        self._api.resolver.interrupt()
        self._pool.begin_stop()
        super().handle_exit(sig, frame)


def serve(
    settings: ServerSettings,
    configuration: Configuration,
    variables: Mapping[str, str],
    address: tuple[str, int],
    version: str,
    identity: IdentitySettings,
) -> None:
    """Serve until SIGTERM or SIGINT; the workers get `variables` as their environment.

    Raises `RunnerError` before anything listens."""
    ensure_on_this_machine(identity, address[0])
    ensure_free(*address)
    # a worker could not begin any job without them
    find_profile(settings, configuration.workspace.name)
    set_up_logging(settings, configuration.workspace.secrets, "server")
    store = open_store(settings, configuration)
    api = Api(store, settings, configuration, open_context(store, settings, configuration), identity)
    warn_of_shared_credentials(configuration, identity)
    with ExitStack() as stack:
        stack.callback(store.close)
        stack.callback(api.resolver.close)
        pool = _start_parts(api, variables, stack)

        def wake(job_id: str) -> None:
            pool.wake(job_id)
            # who gets none looks by the clock
            with suppress(EngineError):
                send_notice(store.database, job_id)

        keep_echo(api)
        api = replace(api, wake=wake)
        hosts, tracing = list_hosts(settings, address[0]), keep_tracing(settings, "server", stack)
        _listen(api, build_app(api, version, lambda: pool.alive, hosts, tracing), address, pool)


def ensure_free(host: str, port: int) -> None:
    """Refuse an address that cannot be listened at, before anything starts; raises `SettingsError`."""
    try:
        for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                tried = socket.socket(family, kind, protocol)
            except OSError:
                # names have addresses of kinds that this machine has not, which asyncio passes over too
                continue
            with tried:
                # as asyncio does: what connections of an earlier server left does not count
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(place)
    except OSError as error:
        raise SettingsError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}",
            "Choose another address or port (--host, --port), or stop what listens there.",
        ) from error


def warn_of_shared_credentials(configuration: Configuration, identity: IdentitySettings) -> None:
    """Log that members of a workspace reach data of others, where it has no credentials of its own."""
    common = configuration.workspace.storage.variables
    if identity.issuer and drop_credentials(common) != dict(common):
        logger.warning(
            "workspaces without credentials in their profile (ZOO_RUNNER_WORKSPACES) share those of the server: who may"
            " run jobs in one reads all that these read, such as results of other workspaces in the same bucket"
        )


def _start_parts(api: Api, variables: Mapping[str, str], stack: ExitStack) -> WorkerPool:
    """Start what works beside the requests, and return the workers; `stack` stops them first, and the others then."""
    notifier, revoker = Notifier(api), _open_revoker(api)

    def end(job_id: str) -> None:
        api.endings.notify(job_id)
        notifier.wake()
        if revoker:
            revoker.wake()

    # from here on the database is in use: no job is taken, and none accepted, before
    listener = Listener(api.store.database, end)
    pool = WorkerPool(api.settings.workers, variables, end)
    if revoker:
        stack.callback(revoker.stop)
    for stop in (Housekeeper(api, end).stop, notifier.stop, listener.stop):
        stack.callback(stop)
    stack.callback(pool.stop, api.settings.shutdown_seconds)
    return pool


def _open_revoker(api: Api) -> Revoker | None:
    """Open what revokes tokens of steps; None where this server is no client that may exchange any."""
    identity, proxies = api.identity, api.configuration.settings.proxies
    if not (identity.issuer and identity.client and identity.client_secret):
        return None

    async def revoke(text: str) -> None:
        async with using_provider(identity, proxies) as provider:
            await revoke_token(provider, text)

    return Revoker(api.step_tokens, lambda text: asyncio.run(revoke(text)))


def _listen(api: Api, app: FastAPI, address: tuple[str, int], pool: WorkerPool) -> None:
    """Answer requests until SIGTERM or SIGINT."""
    host, port = address
    # uvicorn stops on these itself, and raises them again once it has stopped
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        # the lines of requests are ours
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(api.settings.trusted_proxies),
        # clients that neither send nor read shall not keep the server from stopping
        timeout_graceful_shutdown=ceil(api.settings.shutdown_seconds),
    )
    logger.info("serving at http://%s:%d/", host, port)
    _Server(config, api, pool).run()
    logger.info("the server stops")


def backup(
    settings: ServerSettings, configuration: Configuration, path: Path, *, files: bool, overwrite: bool
) -> Manifest:
    """Write a backup of the database of the settings, and of the files of its jobs; raises `RunnerError`."""
    with closing(open_store(settings, configuration)) as store:
        return write_backup(store, find_folders(settings, configuration), path, files=files, overwrite=overwrite)


def restore(settings: ServerSettings, configuration: Configuration, path: Path, *, overwrite: bool) -> Manifest:
    """Restore a backup into the database and the folders of the settings; raises `RunnerError`."""
    with closing(open_store(settings, configuration)) as store:
        return restore_backup(store, find_folders(settings, configuration), path, overwrite=overwrite)
