"""Calls clients back about their jobs at the addresses that they gave (OGC 18-062r2, section 11.6, Callback).

Messages are kept in the database until they were received, so that a restart loses none; several servers share them.
They are signed where the operator has set a secret (Standard Webhooks 1.0.0).
"""

import asyncio
import base64
import hmac
import json
import logging
import threading
from collections.abc import Mapping
from hashlib import sha256
from time import time
from typing import Any

from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Job, Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import describe_job
from zoo_runner.server.results import get_results
from zoo_runner.server.subscriber import find_reach, read_subscriber
from zoo_runner.store.sql.callbacks import Callback
from zoo_staging.errors import StagingError
from zoo_staging.http import HttpClient, HttpOptions

MOST_ATTEMPTS = 16
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 1800.0
_AT_ONCE, _LONGEST_SECONDS = 8, 20.0
# longer than a message can take
_CLAIM_SECONDS = 3 * _LONGEST_SECONDS
# what no worker of this server reports: the begin of jobs, and the jobs of other servers
_LOOK_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Notifier:
    """A thread that sends what is due, until it is stopped; `wake` has it look at once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._changed, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def wake(self, _job_id: str = "") -> None:
        """Look whether something is due."""
        self._changed.set()

    def stop(self) -> None:
        """Send nothing more, and wait for what is being sent."""
        self._stopping = True
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            try:
                claimed = self._claim()
                if claimed:
                    asyncio.run(self._send_all(claimed))
            # the door of a thread: the next time may go well
            except Exception:
                logger.exception("callbacks could not be handled")
                claimed = []
            if not claimed:
                self._changed.wait(_LOOK_SECONDS)

    def _claim(self) -> list[Callback]:
        claimed: list[Callback] = []
        while len(claimed) < _AT_ONCE and (callback := self._api.store.callbacks.claim(_CLAIM_SECONDS)):
            claimed.append(callback)
        return claimed

    async def _send_all(self, callbacks: list[Callback]) -> None:
        await asyncio.gather(*map(self._handle, callbacks))

    async def _handle(self, callback: Callback) -> None:
        try:
            await asyncio.wait_for(self._send(callback), _LONGEST_SECONDS)
        # whatever is wrong with one message or its receiver, it counts as an attempt
        except (StagingError, RunnerError, asyncio.TimeoutError, OSError, ValueError) as error:
            self._fail(callback, error)
        else:
            self._api.store.callbacks.conclude(callback)

    def _fail(self, callback: Callback, error: Exception) -> None:
        tried = callback.attempts + 1
        if tried < MOST_ATTEMPTS:
            wait = min(_FIRST_WAIT_SECONDS * 2**callback.attempts, _LONGEST_WAIT_SECONDS)
            self._api.store.callbacks.postpone(callback, wait)
            return
        why = error.reason if isinstance(error, StagingError) else type(error).__name__
        logger.warning("job %s: the callback was given up after %d attempts: %s", callback.job_id, tried, why)
        self._api.store.callbacks.conclude(callback)

    async def _send(self, callback: Callback) -> None:
        job, reach = self._api.store.jobs.get(callback.job_id), find_reach(self._api.settings)
        address = read_subscriber(job.request or {}, reach).get(callback.status.value)
        if address is None:
            return
        call = find_call_of(callback, job, self._api.settings.workspace_prefix)
        message = build_message(callback, job, call, as_collection=self._api.shows_collection(call))
        body = json.dumps(message).encode()
        headers = _sign(self._api.settings.callback_secret, f"{job.id}-{callback.status.value}", body)
        # what was redirected would become a GET, and not be received
        options = HttpOptions(reach, proxies=self._api.configuration.settings.proxies, redirects=False)
        async with HttpClient(options) as client, client.get(address, body=body, headers=headers):
            # what is answered does not matter: the status was a success
            return


def find_call_of(callback: Callback, job: Job, workspace_prefix: str) -> Call:
    """Build the call whose addresses a message has; the prefix is that of the APIs of workspaces."""
    prefix = workspace_prefix.strip("/")
    # the request may have come to the API of the workspace, or to the plain one
    root = callback.base.removesuffix(f"/{prefix}/{job.workspace}")
    return Call(job.workspace, callback.base, callback.hub, hub_base=f"{root}/{prefix}" if prefix else None)


def build_message(callback: Callback, job: Job, call: Call, *, as_collection: bool) -> Mapping[str, Any]:
    """Build the results of a job, or its status where it has none."""
    if callback.status is Status.SUCCESSFUL:
        try:
            return get_results(job, call, as_collection=as_collection)
        except RunnerError:
            # the status says why there are none
            pass
    status: Mapping[str, Any] = describe_job(job, call)
    return status


def _sign(secret: str, message_id: str, body: bytes) -> tuple[str, ...]:
    """Build the headers that prove who sent a message, and when."""
    if not secret:
        return ()
    now = str(int(time()))
    digest = hmac.new(secret.encode(), b".".join((message_id.encode(), now.encode(), body)), sha256).digest()
    return (
        f"webhook-id: {message_id}",
        f"webhook-timestamp: {now}",
        f"webhook-signature: v1,{base64.b64encode(digest).decode()}",
    )
