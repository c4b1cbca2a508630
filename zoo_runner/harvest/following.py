"""Follows the messages of a bus: subscribes, also again and again where it is away, and has each carried out."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from time import monotonic

from zoo_runner.harvest.bus import Bus, BusRefusedError, BusUnreachableError
from zoo_runner.harvest.bus_settings import Ingest
from zoo_runner.harvest.delivery import (
    FIRST_SECONDS,
    LONGEST_SECONDS,
    Attempts,
    Counts,
    Delivered,
    Delivery,
    describe_death,
)
from zoo_runner.harvest.ingester import Handled, Ingester
from zoo_runner.harvest.messages import Message, parse_message
from zoo_runner.harvest.probes import BEAT_SECONDS, Probes
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Diagnosis

IDLE_SECONDS = 5.0
"""Where no message comes for so long, none waits at the bus."""


def follow_messages(  # noqa: PLR0913 what it needs, and what it reports
    ingest: Ingest,
    ingester: Ingester,
    kept: Counts,
    stop: Cancellation,
    notify: Callable[[Diagnosis], None],
    *,
    probes: Probes,
    once: bool = False,
    watch: Callable[[Delivery], None] = lambda _: None,
) -> Iterator[Delivered]:
    """Yield each attempt of a message until it is stopped or, `once`, none is left.

    `kept` has how often messages were begun.

    `notify` is called when the bus is away; `once` raises `BusUnreachableError` then. `watch` is called with what holds
    the messages, after each time that it subscribes. Raises `BusRefusedError`.
    """
    attempts, failures = Attempts(kept), 0
    with closing(Bus(ingest.bus, probes)) as bus:

        def handle(message: Message) -> Handled:
            return ingester.handle(parse_message(message.body, ingest), message.sent)

        def bury(message: Message, problem: Diagnosis, handled: Handled) -> None:
            try:
                bus.keep(ingest.bus.refused_topic)
            except BusRefusedError as error:
                # somebody else may read them, with a subscription of its own
                notify(error.diagnosis)
            bus.publish(ingest.bus.refused_topic, message.body, describe_death(message, problem, handled))

        while stop.reason is None:
            try:
                with bus.subscribed() as inbox, stop.calling(inbox.stop):
                    delivery = Delivery(inbox, handle, bury, attempts, ingest.bus.attempts)
                    watch(delivery)
                    yield from delivery.run(IDLE_SECONDS if once else None)
                    return
            except BusUnreachableError as error:
                if once:
                    raise
                failures += 1
                notify(error.diagnosis)
            # one that is broken off may not be used again
            bus.close()
            _pause(stop, failures, probes)


def _pause(stop: Cancellation, failures: int, probes: Probes) -> None:
    stopped = threading.Event()
    most = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 20))
    end = monotonic() + most * random.uniform(0.75, 1.0)
    with stop.calling(stopped.set):
        while (left := end - monotonic()) > 0 and not stopped.wait(min(left, BEAT_SECONDS)):
            probes.beat()
