"""What an engine says of its own, within bounds: the process that evaluates a package may print without end."""

from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.events import EngineLine, Report

# more than any package makes cwltool say
_MOST_BYTES = 64 << 20


class EngineLines:
    """Reports messages, each cut, and none after `most_bytes` of a kind.

    Errors and warnings have a limit of their own: the one with the cause may come after the words of very many steps.
    Beyond that, `keep` has them, for the diagnosis alone.
    """

    def __init__(self, report: Report, keep: Report, most_bytes: int = _MOST_BYTES) -> None:
        self._report, self._keep, self._most_bytes = report, keep, most_bytes
        self._bytes = {"information": 0, "complaints": 0}

    def report(self, message: EngineLine) -> None:
        """Report a message, unless there were too many."""
        kind = "information" if message.severity == "info" else "complaints"
        text, before = message.text[:LONGEST_LINE], self._bytes[kind]
        if before <= self._most_bytes:
            self._bytes[kind] += len(message.text) + 1
            if self._bytes[kind] <= self._most_bytes:
                self._report(EngineLine(message.severity, text))
                return
            what = f"{kind} of the engine from here on: not kept, the limit is {self._most_bytes >> 20} MiB"
            self._report(EngineLine("info", what))
        self._keep(EngineLine(message.severity, text))
