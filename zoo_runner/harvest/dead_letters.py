"""The messages that could not be carried out: an operator looks at them, sends them again, or throws them away."""

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from zoo_runner.harvest.bus import Bus
from zoo_runner.harvest.bus_settings import BusSettings
from zoo_runner.harvest.messages import SENT, Message

MOST = 1000
"""So many are handled at once."""
_IDLE_SECONDS = 3.0


class Action(str, Enum):
    """What is done with dead letters."""

    __str__ = str.__str__

    LIST = "list"
    SEND_AGAIN = "send-again"
    DISCARD = "discard"


@dataclass(frozen=True)
class DeadLetter:
    """A message, when it was buried and why."""

    message: str
    buried: str
    code: str
    reason: str
    remedy: str
    files: str
    body: str


def handle_dead_letters(settings: BusSettings, action: Action) -> list[DeadLetter]:
    """Do something with the dead letters of a subscription, at most `MOST`, and return them.

    One that is sent again is at the bus before it is no longer among them; a killed command sends it once more, which
    changes nothing. It says when it was sent first, so that it undoes nothing that newer messages said of its files.
    Raises `BusUnreachableError`, `BusRefusedError`.
    """
    with closing(Bus(settings)) as bus, bus.subscribed(settings.refused_topic) as inbox:
        # all of them first: what is sent again may be back at once
        found: dict[str, Message] = {}
        while len(found) < MOST and (message := inbox.receive(_IDLE_SECONDS)):
            found[message.identity] = message
        for one in found.values():
            if action is Action.SEND_AGAIN:
                bus.publish(settings.topic, one.body, {SENT: str(one.sent)})
            if action is not Action.LIST:
                inbox.acknowledge(one)
        return [_describe(one) for one in found.values()]


def _describe(message: Message) -> DeadLetter:
    said = {name: message.properties.get(f"zoo-runner-{name}", "") for name in ("code", "reason", "remedy", "files")}
    buried = datetime.fromtimestamp(message.published / 1000, timezone.utc).isoformat(timespec="seconds")
    first = message.properties.get("zoo-runner-message", message.identity)
    return DeadLetter(first, buried, **said, body=message.body.decode(errors="replace"))
