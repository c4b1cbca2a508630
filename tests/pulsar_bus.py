"""Apache Pulsar for tests: the server that `make pulsar` starts, with the accounts of dev/pulsar."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pulsar

from tests.cluster import NODE_ADDRESS
from tests.require import require
from tests.values import ROOT

_SECONDS = 30
_PORT = int(os.environ.get("PULSAR_PORT") or 6655)  # noqa: TID251 as dev/pulsar/up.sh reads it


@dataclass(frozen=True)
class Broker:
    """A broker, the folder of its tokens and certificate, and topics of a test's own."""

    folder: Path
    name: str

    @property
    def url(self) -> str:
        """The address without TLS."""
        return f"pulsar://127.0.0.1:{_PORT}"

    @property
    def tls_url(self) -> str:
        """The address with TLS."""
        return f"pulsar+ssl://127.0.0.1:{_PORT + 1}"

    @property
    def pods_url(self) -> str:
        """The address with TLS, as the pods of dev/cluster reach it."""
        return f"pulsar+ssl://{NODE_ADDRESS}:{_PORT + 4}"

    @property
    def topic(self) -> str:
        """The topic of changes."""
        return f"changes-{self.name}"

    @property
    def dead_letters(self) -> str:
        """The topic of dead letters."""
        return f"dead-{self.name}"

    @contextmanager
    def connected(self) -> Iterator[pulsar.Client]:
        """Connect as the account that may do all."""
        token = pulsar.AuthenticationToken((self.folder / "admin.token").read_text())
        client = pulsar.Client(self.url, authentication=token, operation_timeout_seconds=_SECONDS)
        try:
            yield client
        finally:
            client.close()

    def send(self, *bodies: bytes) -> None:
        """Send messages to the topic of changes, as a data hub does."""
        with self.connected() as client:
            producer = client.create_producer(self.topic)
            for body in bodies:
                producer.send(body)

    def read(self, topic: str, count: int) -> list[tuple[bytes, Mapping[str, str]]]:
        """Read the first messages of a topic from its beginning."""
        with self.connected() as client:
            reader = client.create_reader(topic, pulsar.MessageId.earliest)
            read = [reader.read_next(_SECONDS * 1000) for _ in range(count)]
            assert not reader.has_message_available(), reader.read_next().data()
            return [(one.data(), one.properties()) for one in read]

    def count_left(self, subscription: str = "zoo-runner") -> int:
        """How many messages the subscription has not acknowledged."""
        with self.connected() as client:
            consumer = client.subscribe(self.topic, subscription, pulsar.ConsumerType.Shared)
            count = 0
            while True:
                try:
                    consumer.receive(500)
                except pulsar.Timeout:
                    return count
                count += 1

    @staticmethod
    def restart() -> None:
        """Kill it, and start it again with what it has stored."""
        subprocess.run(["bash", str(ROOT / "dev/pulsar/up.sh"), "restart"], check=True, stdout=subprocess.DEVNULL)


def find_broker() -> Broker:
    """Return the broker with new topics, or skip the test."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")  # noqa: TID251 where `make pulsar` puts it
    broker = Broker(cache / "zoo-runner" / "pulsar", uuid4().hex[:12])
    require((broker.folder / "admin.token").exists(), "no server: make pulsar")
    return broker
