"""Sends messages to an Apache Pulsar and receives them from it, by its own client."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from time import monotonic

import pulsar

from zoo_runner.api_client import UnansweredError, read_token
from zoo_runner.harvest.bus_settings import BusSettings
from zoo_runner.harvest.messages import Message
from zoo_runner.harvest.probes import BEAT_SECONDS, Probes
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.model.masking import Masker

_SECONDS = 10
# what one message may take is the broker's to say: five MiB, if it says nothing
_WAITING = 5
_REFUSALS = (
    pulsar.AuthenticationError,
    pulsar.AuthorizationError,
    pulsar.ErrorGettingAuthenticationData,
    pulsar.InvalidConfiguration,
    pulsar.InvalidTopicName,
    pulsar.InvalidUrl,
    pulsar.MessageTooBig,
    pulsar.TopicNotFound,
    pulsar.TopicTerminated,
)
logger = logging.getLogger(__name__)


class BusUnreachableError(UnansweredError):
    """The bus does not answer; what was sent may have reached it."""

    default_code = "bus.unreachable"
    sent = True


class BusRefusedError(EngineError):
    """The bus refuses what is asked for; another attempt would not change that."""

    default_code = "bus.refused"


class Bus:
    """A connection to the bus, made when it is needed. Raises `BusUnreachableError`, `BusRefusedError`."""

    def __init__(self, settings: BusSettings, probes: Probes | None = None) -> None:
        self._settings, self._probes = settings, probes or Probes()
        self._client: pulsar.Client | None = None
        self._producers: dict[str, pulsar.Producer] = {}
        self._kept: set[str] = set()

    def publish(self, topic: str, body: bytes, properties: Mapping[str, str] | None = None) -> None:
        """Send a message; it is stored at the bus when this returns."""
        with self._translating(f"a message to {topic}"):
            if topic not in self._producers:
                self._producers[topic] = self._connect().create_producer(topic, send_timeout_millis=_SECONDS * 1000)
            self._producers[topic].send(body, properties=dict(properties or {}))

    def keep(self, topic: str) -> None:
        """Have the bus keep what is sent to a topic until it is read: it may keep nothing that nobody subscribed to."""
        if topic not in self._kept:
            with self.subscribed(topic):
                self._kept.add(topic)

    @contextmanager
    def subscribed(self, topic: str = "") -> Iterator["Subscription"]:
        """Receive messages of a topic while the block runs: also those that were sent before the first time."""
        settings, topic = self._settings, topic or self._settings.topic
        with self._translating(f"the subscription {settings.subscription} of {topic}"):
            consumer = self._connect().subscribe(
                topic,
                settings.subscription,
                # one that waits for another attempt holds up no other
                consumer_type=pulsar.ConsumerType.Shared,
                initial_position=pulsar.InitialPosition.Earliest,
                receiver_queue_size=_WAITING,
            )
        subscription = Subscription(consumer, self._probes.beat)
        try:
            with (
                # that of the dead letters lies within that of the messages, which goes on
                self._probes.watching(consumer.is_connected),
                self._translating(f"the subscription {settings.subscription} of {topic}"),
            ):
                yield subscription
        finally:
            subscription.close()

    def close(self) -> None:
        """Close the connection; what was acknowledged is sent before."""
        if self._client:
            with suppress(pulsar.PulsarException):
                self._client.close()
        self._client, self._producers = None, {}

    def _connect(self) -> pulsar.Client:
        if self._client is None:
            settings = self._settings
            # without a context the file is read at each connection: tokens are renewed
            authentication = pulsar.AuthenticationToken(self._read_token) if settings.token_file else None
            if settings.certificate_file:
                authentication = pulsar.AuthenticationTLS(settings.certificate_file, settings.key_file)
            for name in filter(None, (settings.ca_file, settings.certificate_file, settings.key_file)):
                if not Path(name).is_file():
                    raise SettingsError(
                        f"the file {name} of the bus cannot be read",
                        "Correct its name, or its permissions.",
                        code="harvest.sources",
                    )
            self._read_token()
            self._client = pulsar.Client(
                settings.url,
                authentication=authentication,
                operation_timeout_seconds=_SECONDS,
                connection_timeout_ms=_SECONDS * 1000,
                tls_trust_certs_file_path=settings.ca_file or None,
                tls_validate_hostname=True,
                logger=logger,
            )
        return self._client

    def _read_token(self) -> str:
        return read_token(self._settings.token_file, "harvest.sources")

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except pulsar.PulsarException as error:
            url, reason = self._settings.url, str(error).removeprefix("Pulsar error: ")
            said = Masker().mask(f"{url}: {what}: {reason}")
            if isinstance(error, _REFUSALS):
                raise BusRefusedError(
                    f"the message bus refuses: {said}",
                    "Check url, topic and token of the bus, and the permissions of its account.",
                ) from error
            raise BusUnreachableError(
                f"the message bus does not answer: {said}",
                "Check the address of the bus and the network; what was not done is done when it answers.",
            ) from error


class Subscription:
    """Messages of a topic, one at a time; what is not acknowledged comes again after a restart."""

    def __init__(self, consumer: "pulsar.Consumer", beat: Callable[[], None]) -> None:
        self._consumer, self._beat = consumer, beat
        # one is handed over, so that others stay at the bus; a signal handler stops it, in the thread that waits
        self._changed, self._stopped = threading.Condition(threading.RLock()), False
        self._received: Message | None = None
        self._broken: pulsar.PulsarException | None = None
        threading.Thread(target=self._receive, name="bus", daemon=True).start()

    def receive(self, seconds: float | None) -> Message | None:
        """Wait so long, None: without end, for a message; None where there is none, or it is stopped.

        Raises `PulsarException` where the client has given up.
        """
        self._wait(lambda: bool(self._stopped or self._received or self._broken), seconds)
        with self._changed:
            received, self._received = self._received, None
            self._changed.notify_all()
            if received is None and self._broken and not self._stopped:
                raise self._broken
            return None if self._stopped else received

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is stopped; messages stay at the bus."""
        self._wait(lambda: self._stopped, seconds)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is received."""
        return self._stopped

    def acknowledge(self, message: Message) -> None:
        """Have the bus forget a message; where that does not reach it, the message comes again."""
        with suppress(pulsar.PulsarException):
            self._consumer.acknowledge(message.handle)

    def stop(self) -> None:
        """End what waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Leave; what was received and not acknowledged goes to the next who subscribes."""
        self.stop()
        with suppress(pulsar.PulsarException):
            self._consumer.close()

    def _wait(self, is_over: Callable[[], bool], seconds: float | None) -> None:
        """Wait for this, so long at most, and show all the while that this goes on."""
        end = inf if seconds is None else monotonic() + seconds
        while True:
            self._beat()
            left = end - monotonic()
            with self._changed:
                if self._changed.wait_for(is_over, max(0.0, min(BEAT_SECONDS, left))) or left <= BEAT_SECONDS:
                    return

    def _receive(self) -> None:
        while True:
            try:
                received = _read_message(self._consumer.receive())
            except pulsar.PulsarException as error:
                # who waits would do so for ever
                with self._changed:
                    self._broken = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._received is None)
                if self._stopped:
                    return
                self._received = received
                self._changed.notify_all()


def _read_message(received: "pulsar.Message") -> Message:
    found, topic = received.message_id(), received.topic_name()
    identity = f"{topic}:{found.ledger_id()}:{found.entry_id()}:{found.partition()}:{found.batch_index()}"
    return Message(
        identity, received.data(), received.publish_timestamp(), topic, received, dict(received.properties())
    )
