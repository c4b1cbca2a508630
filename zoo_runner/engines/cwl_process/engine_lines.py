"""What an engine says of its own, within bounds: the process that evaluates a package may print without end."""

from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.events import EngineLine, Report

# more than any package makes cwltool say
_MOST_BYTES = 64 << 20


class EngineLines:
    """Reports messages, each cut, and none after so many of them that nobody could read them."""

    def __init__(self, report: Report) -> None:
        self._report, self._bytes = report, 0

    def report(self, message: EngineLine) -> None:
        """Report a message, unless there were too many."""
        if self._bytes > _MOST_BYTES:
            return
        self._bytes += len(message.text) + 1
        text = message.text
        if self._bytes > _MOST_BYTES:
            text = f"what the engine logs from here on is not kept: its limit is {_MOST_BYTES >> 20} MiB"
        self._report(EngineLine(message.severity, text[:LONGEST_LINE]))
