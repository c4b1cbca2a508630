"""Calls clients back about their jobs at the addresses that they gave (OGC 18-062r2, section 11.6, Callback).

Messages are kept in the database until they were received, so that a restart loses none; several servers share them.
They are signed where the operator has set a secret (Standard Webhooks 1.0.0). Few are sent at once, and of these few
are of one workspace or go to one host, so that a receiver that is slow holds up only those who chose it.
"""

import asyncio
import base64
import hmac
import json
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Any
from urllib.parse import urlsplit

from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Job, Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import describe_job
from zoo_runner.server.places import Limit
from zoo_runner.server.results import get_results
from zoo_runner.server.subscriber import find_reach, read_subscriber
from zoo_runner.store.sql.callbacks import Callback
from zoo_staging.errors import StagingError
from zoo_staging.http import HttpClient, HttpOptions

MOST_ATTEMPTS = 16
PLACES = Limit(most=32, share=8)
"""How many messages are sent at once, and how many of these are of one workspace, or go to one host."""
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 1800.0
_LONGEST_SECONDS = 20.0
# longer than a message can take
_CLAIM_SECONDS = 3 * _LONGEST_SECONDS
# what no worker of this server reports: the begin of jobs, and the jobs of other servers
_LOOK_SECONDS = 2.0
# for a message whose host has its share
_HOST_WAIT_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Message:
    """A callback that is sent now."""

    callback: Callback
    job: Job
    address: str

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""


class Notifier:
    """A thread that has what is due sent by others, until it is stopped; `wake` has it look at once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._changed, self._stopping = threading.Event(), False
        self._lock = threading.Lock()
        self._workspaces, self._hosts = Counter[str](), Counter[str]()
        # workspaces with a message to a host that has its share: they are looked at again when a message was sent
        self._resting = set[str]()
        self._senders = ThreadPoolExecutor(PLACES.most, "callback")
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
        self._senders.shutdown()

    def _run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            try:
                found = self._send_next()
            # the thread goes on: the next time may go well
            except Exception:
                logger.exception("callbacks could not be handled")
                found = False
            if not found:
                self._changed.wait(_LOOK_SECONDS)

    def _send_next(self) -> bool:
        """Have the next message sent; returns whether there was one."""
        callback = self._claim()
        if callback is None:
            return False
        try:
            message = self._prepare(callback)
        except (RunnerError, ValueError) as error:
            self._fail(callback, error)
            return True
        if message is None:
            self._api.store.callbacks.conclude(callback)
        elif PLACES.has_room(self._hosts, message.host):
            self._begin(message)
        else:
            self._put_back(callback)
        return True

    def _claim(self) -> Callback | None:
        """Take a message that is due, of a workspace of which the fewest are being sent."""
        with self._lock:
            if not self._workspaces:
                # all that the hosts had their share of may have ended before its workspace was noted
                self._resting.clear()
            sending, resting = Counter(self._workspaces), set(self._resting)
        if sending.total() >= PLACES.most:
            return None
        for most in sorted({0, *sending.values()} - {PLACES.share}):
            without = resting.union(name for name, count in sending.items() if count > most)
            if callback := self._api.store.callbacks.claim(_CLAIM_SECONDS, without):
                return callback
        return None

    def _prepare(self, callback: Callback) -> _Message | None:
        """Find out whom to send a message to; None where no client asked for this status."""
        job = self._api.store.jobs.get(callback.job_id)
        address = read_subscriber(job.request or {}, find_reach(self._api.settings)).get(callback.status.value)
        return None if address is None else _Message(callback, job, address)

    def _begin(self, message: _Message) -> None:
        with self._lock:
            self._workspaces[message.callback.workspace] += 1
            self._hosts[message.host] += 1
        self._senders.submit(self._handle, message)

    def _put_back(self, callback: Callback) -> None:
        with self._lock:
            self._resting.add(callback.workspace)
        self._api.store.callbacks.put_back(callback, _HOST_WAIT_SECONDS)

    def _handle(self, message: _Message) -> None:
        try:
            self._try(message)
        # it is sent again when its claim has ended
        except Exception:
            logger.exception("job %s: a callback could not be handled", message.job.id)
        finally:
            with self._lock:
                self._workspaces[message.callback.workspace] -= 1
                self._hosts[message.host] -= 1
                # forgets those that have none
                self._workspaces += Counter()
                self._hosts += Counter()
                self._resting.clear()
            self._changed.set()

    def _try(self, message: _Message) -> None:
        try:
            asyncio.run(asyncio.wait_for(self._send(message), _LONGEST_SECONDS))
        # whatever is wrong with one message or its receiver, it counts as an attempt
        except (StagingError, RunnerError, asyncio.TimeoutError, OSError, ValueError) as error:
            self._fail(message.callback, error)
        else:
            self._api.store.callbacks.conclude(message.callback)

    def _fail(self, callback: Callback, error: Exception) -> None:
        tried = callback.attempts + 1
        if tried < MOST_ATTEMPTS:
            wait = min(_FIRST_WAIT_SECONDS * 2**callback.attempts, _LONGEST_WAIT_SECONDS)
            self._api.store.callbacks.postpone(callback, wait)
            return
        why = error.reason if isinstance(error, StagingError) else type(error).__name__
        logger.warning("job %s: the callback was given up after %d attempts: %s", callback.job_id, tried, why)
        self._api.store.callbacks.conclude(callback)

    async def _send(self, message: _Message) -> None:
        callback, job, settings = message.callback, message.job, self._api.settings
        call = find_call_of(callback, job, settings.workspace_prefix)
        body = json.dumps(build_message(callback, job, call, as_collection=self._api.shows_collection(call))).encode()
        headers = _sign(settings.callback_secret, f"{job.id}-{callback.status.value}", body)
        # what was redirected would become a GET, and not be received
        options = HttpOptions(find_reach(settings), proxies=self._api.configuration.settings.proxies, redirects=False)
        async with HttpClient(options) as client, client.get(message.address, body=body, headers=headers):
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
