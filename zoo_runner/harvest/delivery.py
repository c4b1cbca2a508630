"""Takes messages from a bus until each is done and stored, or is among the dead letters; only then it is acknowledged.

A message that fails waits here, longer each time, and holds up no other. An outage of the server or the bucket is no
failure of a message, and counts no attempt. Attempts are counted on disk before they begin: a message that ends this
process each time is a dead letter, too.
"""

import heapq
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic
from typing import Protocol

from zoo_runner.harvest.ingester import Handled
from zoo_runner.harvest.messages import SENT, Message, MessageError
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, NotReachedError, RunnerError
from zoo_runner.model.masking import Masker
from zoo_runner.store.errors import HeldError

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 300.0
MOST_WAITING = 50
MOST_COUNTED = 10_000
"""Of how many messages the attempts are kept."""
_LONGEST_REASON = 1000


class Outcome(str, Enum):
    """What became of a message."""

    __str__ = str.__str__

    DONE = "done"
    WAITS = "waits"
    DEAD = "dead letter"


class LastingError(EngineError):
    """A message ended the process that handled it, several times."""

    default_code = "bus.attempts"


@dataclass(frozen=True)
class Delivered:
    """An attempt of a message; `problem` says why it is not done, `seconds` when it is tried again."""

    message: str
    outcome: Outcome
    attempt: int
    handled: Handled = field(default_factory=Handled)
    problem: Diagnosis | None = None
    seconds: float = 0.0


class Inbox(Protocol):
    """Where messages come from."""

    def receive(self, seconds: float | None) -> Message | None:
        """Wait so long, None: without end, for a message; None where there is none, or it is stopped."""
        ...

    def acknowledge(self, message: Message) -> None:
        """Have the bus forget a message."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is stopped; messages stay at the bus."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is received."""
        ...


class Counts(Protocol):
    """Where it is kept how often messages were begun. Raises `EngineError`, `NotReachedError` where it is away."""

    def read_attempts(self) -> dict[str, int]:
        """Return how often each message was begun, the oldest first."""
        ...

    def write_attempts(self, changes: Mapping[str, int | None]) -> None:
        """Write how often messages were begun; None: forget one."""
        ...


class Attempts:
    """How often each message was begun, beside the records."""

    def __init__(self, kept: Counts) -> None:
        self._kept, self._counts = kept, kept.read_attempts()

    def begin(self, identity: str) -> int:
        """Count an attempt, and return the number of it; raises `NotReachedError` where it cannot be kept."""
        count = self._counts.get(identity, 0) + 1
        changes: dict[str, int | None] = {identity: count}
        # those of messages that somebody else has acknowledged
        others = [name for name in self._counts if name != identity]
        changes |= dict.fromkeys(others[: max(0, len(others) + 1 - MOST_COUNTED)])
        self._kept.write_attempts(changes)
        self._counts = {name: one for name, one in self._counts.items() if name not in changes}
        self._counts[identity] = count
        return count

    def take_back(self, identity: str) -> None:
        """Count the last attempt not at all."""
        self._counts[identity] = self._counts.get(identity, 1) - 1
        self._write({identity: self._counts[identity]})

    def forget(self, identity: str) -> None:
        """Forget a message that does not come again."""
        if self._counts.pop(identity, None) is not None:
            self._write({identity: None})

    def _write(self, changes: Mapping[str, int | None]) -> None:
        # what is away now has the next count that is kept; of a message that is done, one attempt stays for a while
        with suppress(NotReachedError):
            self._kept.write_attempts(changes)


Handle = Callable[[Message], Handled]
"""Does what a message says. Raises `MessageError`, `NotReachedError` for an outage, `RunnerError`."""


class Delivery:
    """Receives messages and has them handled; `bury` sends one to the dead letters, with the reason."""

    def __init__(
        self,
        inbox: Inbox,
        handle: Handle,
        bury: Callable[[Message, Diagnosis, Handled], None],
        attempts: Attempts,
        most: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._inbox, self._handle, self._bury = inbox, handle, bury
        self._attempts, self._most, self._clock = attempts, most, clock
        self._waiting: list[tuple[float, int, str]] = []
        self._held: dict[str, Message] = {}
        self._outages, self._number = 0, 0
        self._current: Message | None = None

    @property
    def unhandled(self) -> tuple[Message, ...]:
        """The messages that it has received and that are not done; another thread may ask."""
        current = self._current
        return tuple({one.identity: one for one in (*self._held.values(), *([current] if current else []))}.values())

    def run(self, idle_seconds: float | None = None) -> Iterator[Delivered]:
        """Yield each attempt until the inbox is stopped; or, where no message comes so long, until none waits."""
        while True:
            message = self._take(idle_seconds)
            if message is None:
                return
            self._current = message
            delivered = self._deliver(message)
            self._current = None
            yield delivered
            if idle_seconds is not None and self._outages:
                return

    def _take(self, idle_seconds: float | None) -> Message | None:
        """Return the next message, new or for another attempt; None once stopped or, with a time, none is left."""
        while not self._inbox.is_stopped:
            left = self._waiting[0][0] - self._clock() if self._waiting else None
            if left is not None and left <= 0:
                return self._held.pop(heapq.heappop(self._waiting)[2])
            if left is not None and (self._outages or len(self._held) >= MOST_WAITING):
                # others would fail as well, or fill the memory
                self._inbox.pause(left)
                continue
            received = self._inbox.receive(idle_seconds if left is None else left)
            if received is None and left is None:
                return None
            if received and received.identity not in self._held:
                return received
            if received:
                # the bus gives again what it gave before a break
                self._held[received.identity] = received
        return None

    def _deliver(self, message: Message) -> Delivered:
        try:
            attempt = self._attempts.begin(message.identity)
        except NotReachedError as error:
            return self._postpone(message, error, counted=False)
        try:
            handled, problem, is_lasting = self._attempt(message, attempt)
        except NotReachedError as error:
            return self._postpone(message, error)
        self._outages = 0
        if problem is None:
            self._inbox.acknowledge(message)
            self._attempts.forget(message.identity)
            return Delivered(message.identity, Outcome.DONE, attempt, handled)
        if not is_lasting:
            seconds = self._hold(message, attempt)
            return Delivered(message.identity, Outcome.WAITS, attempt, handled, problem, seconds)
        try:
            self._bury(message, problem, handled)
        except RunnerError as error:
            return self._postpone(message, error)
        self._inbox.acknowledge(message)
        self._attempts.forget(message.identity)
        return Delivered(message.identity, Outcome.DEAD, attempt, handled, problem)

    def _attempt(self, message: Message, attempt: int) -> tuple[Handled, Diagnosis | None, bool]:
        """Have a message handled; return why it is not done, and whether it is not tried again."""
        is_last = attempt >= self._most
        try:
            if attempt > self._most:
                raise LastingError(
                    f"the message ended the program that handled it, {self._most} times",
                    "See the logs of that time, and send the message again.",
                )
            handled = self._handle(message)
        except (NotReachedError, HeldError):
            # an outage, or another process has the records
            raise
        except RunnerError as error:
            return Handled(), error.diagnosis, is_last or isinstance(error, MessageError)
        problem = handled.failed[0].problem if handled.failed else None
        return handled, problem, is_last or handled.is_lasting

    def _postpone(self, message: Message, error: RunnerError, *, counted: bool = True) -> Delivered:
        """Try a message again when what it needs may be there."""
        self._outages += 1
        if counted:
            self._attempts.take_back(message.identity)
        seconds = self._hold(message, self._outages)
        return Delivered(message.identity, Outcome.WAITS, 0, Handled(), error.diagnosis, seconds)

    def _hold(self, message: Message, failures: int) -> float:
        # a second program would ask at the same moments
        most = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 20))
        seconds = most * random.uniform(0.75, 1.0)
        self._number += 1
        self._held[message.identity] = message
        heapq.heappush(self._waiting, (self._clock() + seconds, self._number, message.identity))
        return seconds


def describe_death(message: Message, problem: Diagnosis, handled: Handled) -> dict[str, str]:
    """Describe why a message is a dead letter, for the properties of that."""
    said = {
        "zoo-runner-code": problem.code,
        "zoo-runner-reason": problem.cause[:_LONGEST_REASON],
        "zoo-runner-remedy": problem.remedy[:_LONGEST_REASON],
        "zoo-runner-files": ", ".join(one.path for one in handled.failed)[:_LONGEST_REASON],
        "zoo-runner-topic": message.topic,
        "zoo-runner-message": message.identity,
        SENT: str(message.sent),
    }
    return {name: Masker().mask(one) for name, one in said.items()}
